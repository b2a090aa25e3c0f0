/** Why the gateway turns a sidecar away. */
import type { ReasonText } from './text.ts';

export const tunnelRefusals = {
  Starting: {
    meaning: 'The part has just started and does not know yet whom it may let in; of a link: it has not been dialled yet.',
    cause: 'A replica of the gateway, or a controller, has restarted.',
    remedy: 'Wait: it is tried again by itself. If it lasts, see the log of container agent.',
  },
  Malformed: {
    meaning: 'What the frp client sent is no request that the gateway understands.',
    cause: 'It is no sidecar of frp-k8s, or of a version that does not fit.',
    remedy: 'Dial with a sidecar or a connector that frp-k8s has made; restart the Pod where it is of an older version.',
  },
  NoToken: {
    meaning: 'The frp client showed no service account token.',
    cause: 'It is no sidecar of frp-k8s, or its configuration was changed by hand.',
    remedy: 'Restart the Pod, so that it is injected anew.',
  },
  TokenInvalid: {
    meaning: 'The token is none, or is not signed by a cluster that the gateway knows.',
    cause: 'The token was cut off or made up, or the keys of the cluster have changed.',
    remedy: 'For a Pod: restart it. For a join: make a new token with frp-k8s gateway token create.',
  },
  TokenExpired: {
    meaning: 'The token is past its time.',
    cause: "The kubelet has not renewed a Pod's token, or the clocks of node and gateway differ; a join token was used too late.",
    remedy: 'Set the clocks right; for a join make a new token with frp-k8s gateway token create.',
  },
  WrongAudience: {
    meaning: 'The token is for somebody else.',
    cause: 'gateway.audience of the configuration was changed after the Pod was injected.',
    remedy: 'Restart the Pods, so that they get tokens for the new audience.',
  },
  UnknownIssuer: {
    meaning: 'The token is of a cluster that the gateway does not know.',
    cause: 'The cluster has not joined the gateway, or has been removed.',
    remedy: 'Join the cluster: frp-k8s gateway token create at the gateway, frp-k8s join TOKEN in the cluster.',
  },
  NotAPod: {
    meaning: 'The token is of a service account, and not of a Pod.',
    cause: 'Somebody dials with a token that was made by hand.',
    remedy: 'Dial from an injected Pod or a connector.',
  },
  NamespaceNotTrusted: {
    meaning: 'The gateway does not take Pods of this namespace of that cluster.',
    cause: "The grant of the cluster's token does not have the namespace.",
    remedy: 'Make a token with the namespace: frp-k8s gateway token create --help; then join again.',
  },
  PodGone: {
    meaning: 'The Pod of the token does not exist any more, or has ended.',
    cause: 'A sidecar dials although its Pod is being removed.',
    remedy: 'None is needed where the Pod is ending; otherwise restart it.',
  },
  NotLoggedIn: {
    meaning: 'A tunnel was asked for before the client had logged in.',
    cause: 'The gateway has restarted between the two.',
    remedy: 'Wait: the sidecar logs in again by itself.',
  },
  WrongType: {
    meaning: 'The client asks for a kind of tunnel that the gateway does not give.',
    cause: 'It is no sidecar of frp-k8s, or its configuration was changed by hand.',
    remedy: 'Restart the Pod, so that it is injected anew.',
  },
  Grouped: {
    meaning: 'The client asks for a group of frp, which the gateway does not have: it balances by itself.',
    cause: 'The Pod was injected for a plain frp server.',
    remedy: 'Restart the Pods of the service.',
  },
  WrongName: {
    meaning: 'The name of the tunnel is not one that this Pod may have.',
    cause: 'It names another Pod, or its configuration was changed by hand.',
    remedy: 'Restart the Pod, so that it is injected anew.',
  },
  UnknownService: {
    meaning: 'The service of the tunnel is not known to the gateway.',
    cause: 'The DistributedService was deleted, or the gateway has not heard of it yet.',
    remedy: 'Create the service again, or take the annotation off the workload and restart it.',
  },
  NotThroughGateway: {
    meaning: 'The service does not go through the gateway.',
    cause: 'spec.gateway is false, or its type is udp, and the Pod was injected before.',
    remedy: 'Restart the Pods of the service.',
  },
  ServiceDeleted: {
    meaning: 'The service has been deleted, and its client certificate is revoked.',
    cause: 'Pods of a deleted service still run.',
    remedy: 'Delete the Pods, or create the service again and restart them.',
  },
  TooManyLogins: {
    meaning: 'The Pod, its namespace or its cluster logs in more often than it may.',
    cause: 'A sidecar that restarts again and again.',
    remedy: 'See why it restarts: kubectl logs POD -c frpc --previous; it is let in again after a while.',
  },
  TooManyTunnels: {
    meaning: 'The Pod, its namespace or its cluster wants more tunnels than it may have.',
    cause: 'Very many Pods or groups in one namespace, or in one cluster.',
    remedy: 'Spread them over namespaces, or over gateways; the tunnels that are there serve on.',
  },
  TooManyProxies: {
    meaning: 'The Pod registers tunnels more often than it may.',
    cause: 'A sidecar that registers and withdraws again and again, as with a health check that comes and goes.',
    remedy: "Mend the app's health; it is let in again after a while.",
  },
  NoPort: {
    meaning: 'The gateway has no port left for the tunnel.',
    cause: 'As many tunnels are open as a replica has ports for.',
    remedy: 'Add a replica of the gateway, or a second gateway.',
  },
} as const satisfies Record<string, ReasonText>;

export type RefusalReason = keyof typeof tunnelRefusals;
