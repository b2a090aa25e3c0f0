/** What `frp-k8s check` finds by itself of Pods, services, tunnels, gateways and what can be observed of them. */
import type { ReasonText } from './text.ts';

export const usersReasons = {
  NamespaceOptedOut: {
    meaning: 'Pods ask for sidecars in a namespace where nothing is injected.',
    cause: 'The namespace has the label frp.io/injection: disabled.',
    remedy: 'kubectl label namespace NAME frp.io/injection-, and restart the workload.',
  },
  PodNotInjected: {
    meaning: 'A Pod asks for a sidecar and runs without one.',
    cause: 'It was created while the webhooks were not asked.',
    remedy: 'kubectl -n NAMESPACE delete pod POD, or restart its workload.',
  },
  PodsHeldBack: {
    meaning: 'A workload makes no Pods, though nothing is in the way any more.',
    cause: 'Its Pods were refused before, and Kubernetes waits longer after each refusal, up to a quarter of an hour.',
    remedy: 'kubectl -n NAMESPACE rollout restart WORKLOAD',
  },
  AnnotationMisplaced: {
    meaning: 'frp.io/group is on the workload itself, where it has no effect.',
    cause: 'It belongs to the Pod template: spec.template.metadata.annotations.',
    remedy: 'kubectl patch the workload; the remedy of the finding has the command.',
  },
  AnnotationUnknown: {
    meaning: 'An annotation looks like one of frp.io, and is none.',
    cause: 'A slip in its name.',
    remedy: 'Write it as the message says; docs/guide/pods.md has all of them.',
  },
  AnnotationIneffective: {
    meaning: 'An annotation has no effect where it is, or as it is written.',
    cause: 'The message says why.',
    remedy: 'Correct it, or take it off.',
  },
  SidecarWaiting: {
    meaning: 'The sidecar of a Pod is not ready.',
    cause: 'It waits for the app, or cannot join the server.',
    remedy: 'kubectl -n NAMESPACE logs POD -c frpc',
  },
  PodsOutdated: {
    meaning: 'Pods run a configuration that is older than their service.',
    cause: 'The service was changed; a Pod takes some changes only when it restarts.',
    remedy: 'kubectl -n NAMESPACE rollout restart WORKLOAD',
  },

  StatusOutdated: {
    meaning: 'The status of a service does not tell of its newest version.',
    cause: 'The controller does not run, has no right, or is late.',
    remedy: 'kubectl -n frp-system logs deployment/frp-controller',
  },
  DeletionStuck: {
    meaning: 'A service that was deleted is not gone.',
    cause: 'No controller runs, or another finalizer holds it.',
    remedy: 'See the log of the controller; without any: frp-k8s uninstall.',
  },
  BackendPartlyDown: {
    meaning: 'Some backends of a service are healthy and some are not.',
    cause: 'The message has what is wrong with the first of them.',
    remedy: 'See the Pod that the message names.',
  },
  AppNotListening: {
    meaning: 'Nothing takes connections at the port of the app.',
    cause: "The app listens on another port, on 127.0.0.1 of another container network, on the Pod's address alone, or has not started.",
    remedy: "Set frp.io/port to the port that the app listens on; frp.io/app-address: podIP where it listens on the Pod's address alone.",
  },
  HealthCheckFails: {
    meaning: 'The app answers its health check with an error, or not at all.',
    cause: 'spec.loadBalancing.healthCheck.path is another one than the app has, or the app is not well.',
    remedy: "Correct the path, or mend the app; a readiness probe's path is one that the app answers.",
  },

  PolicyBlocksTunnel: {
    meaning: 'A NetworkPolicy keeps sidecars from the gateway or the frp server.',
    cause: "It selects the Pods, is for egress, and allows no way to the tunnel's port.",
    remedy: "Allow egress to the tunnel's port, TCP 7000 by default.",
  },
  PolicyBlocksDns: {
    meaning: 'A NetworkPolicy keeps sidecars from the DNS.',
    cause: 'It selects the Pods, is for egress, and allows no way to port 53.',
    remedy: 'Allow egress to port 53, UDP and TCP.',
  },
  PolicyBlocksServer: {
    meaning: 'A NetworkPolicy keeps everybody from the gateway or the frp server.',
    cause: 'It selects their Pods, is for ingress, and does not allow their port.',
    remedy: 'Allow ingress to the port that the message names.',
  },
  ServerNotReady: {
    meaning: 'The frp server or the gateway that sidecars dial is not Ready.',
    cause: 'Its Pods are starting, or cannot start.',
    remedy: 'kubectl -n NAMESPACE describe pod',
  },
  TunnelUnauthenticated: {
    meaning: 'The tunnel to the plain frp server is not protected as well as it could be.',
    cause: 'frps.tls of the configuration is weaker than mutual.',
    remedy: 'Set frps.tls: server, or mutual where the server knows the authority.',
  },

  GatewayMissing: {
    meaning: 'The configuration has gateway.addresses in this cluster, and there is no gateway.',
    cause: 'manifests/gateway was not applied, or is in another namespace.',
    remedy: 'kubectl apply -k manifests/gateway',
  },
  ReplicasDiffer: {
    meaning: 'The gateway has another number of replicas than gateway.addresses has addresses.',
    cause: 'It was scaled, or the configuration was changed, alone.',
    remedy: 'Make the two the same: gateway.addresses, or kubectl -n frp-gateway scale statefulset/frp-gateway.',
  },
  GatewayAddressUnknown: {
    meaning: 'An address of the gateway does not resolve.',
    cause: 'A slip in gateway.addresses, or the name is not in the DNS; in the cluster, its Service or Pod is not there.',
    remedy: 'Correct gateway.addresses of the configuration.',
  },
  GatewayUnreachable: {
    meaning: 'An address of the gateway does not answer.',
    cause: 'The gateway is down, or a firewall is in between.',
    remedy: 'Open the way to the address and port that the message has.',
  },
  GatewayForeign: {
    meaning: 'What answers at an address of the gateway shows a certificate that is not of this installation.',
    cause: 'The address leads to somebody else, or the gateway has another authority.',
    remedy: 'Correct gateway.addresses of the configuration.',
  },
  UsersServiceMissing: {
    meaning: 'The Service by which users reach the gateway is not there.',
    cause: 'It was deleted, or gateway.usersService names another one.',
    remedy: 'kubectl apply -k manifests/gateway',
  },
  UsersServiceNoEndpoints: {
    meaning: 'The Service by which users reach the gateway has no Pod behind it.',
    cause: 'None is Ready, or its selector selects none.',
    remedy: 'kubectl -n frp-gateway get pods -l app=frp-gateway',
  },
  UsersPortMissing: {
    meaning: 'The Service for users does not lead to a port of the gateway that services have.',
    cause: 'The port is not among its ports.',
    remedy: 'Add the port; the remedy of the finding has the command.',
  },
  JoinFailed: {
    meaning: 'The cluster has not joined the gateway that it has a token for.',
    cause: 'The message has what the gateway said.',
    remedy: 'frp-k8s gateway token create at the gateway, frp-k8s join TOKEN here.',
  },

  MetricsUnreachable: {
    meaning: 'A part does not answer at its port for metrics.',
    cause: 'The Pod hangs or is starting, or the API server cannot reach it.',
    remedy: 'kubectl -n NAMESPACE logs POD',
  },
  NotReadyYet: {
    meaning: 'A part says itself that it is not ready.',
    cause: 'The message has its own words.',
    remedy: 'kubectl -n NAMESPACE logs POD',
  },
  RequestFailed: {
    meaning: 'A real request did not come to the app, or was answered with an error.',
    cause: 'The message has the status, or what failed.',
    remedy: 'frp-k8s check -n NAMESPACE says what is wrong with the service.',
  },
  RequestSlow: {
    meaning: 'A real request took long.',
    cause: 'The app, or the way to it, is slow.',
    remedy: 'Compare with a request within the cluster.',
  },
} as const satisfies Record<string, ReasonText>;
