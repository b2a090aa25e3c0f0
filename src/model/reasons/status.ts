/** Reasons of the conditions and of the Events of a DistributedService. No condition has any other, but those of links and tunnels. */
import { denials } from './admission.ts';
import { secretReasons } from './secrets.ts';
import { tunnelRefusals, type RefusalReason } from './tunnels.ts';
import { linkReasons, type LinkReason } from './links.ts';
import { fine, type ReasonOfOthers, type ReasonText } from './text.ts';

export const statusReasons = {
  Serving: fine('Users reach the service.'),
  Valid: fine('The service can be served as it is written.'),
  CertificatesProvisioned: fine('All certificates are valid and not expiring soon.'),
  ServerReachable: fine('The frp server, or the gateway, answers.'),
  BackendsReady: fine('One healthy backend is there at least.'),
  Published: fine('The Service in the cluster is there.'),
  Registered: fine('Every group has the Pod online.'),

  HostConflict: denials.HostConflict,
  GatewayRequired: denials.GatewayRequired,
  UdpNeedsPlainServer: denials.UdpNeedsPlainServer,
  MissingPort: denials.MissingPort,
  NotGranted: {
    meaning: 'The configuration gives the host or port to other namespaces, or nobody has it without a grant.',
    cause: 'exposure of the configuration does not list this namespace for it.',
    remedy: 'Choose another host or port, or have the namespace listed under exposure in the configuration.',
  },
  GatewayRefused: {
    meaning: 'The gateway leaves the service out.',
    cause: "Its HAProxy does not take the service's configuration, or another cluster holds the host or port; the message has the words.",
    remedy: 'Change what the message names; it is tried again when the service changes, and every five minutes.',
  },
  Terminating: {
    meaning: 'The service is being deleted.',
    cause: 'Somebody has deleted it.',
    remedy: 'Wait; where it lasts, see the log of the controller.',
  },

  LookingUpBackends: {
    meaning: "The names of the service's backends are being looked up.",
    cause: 'The service or the controller is new.',
    remedy: 'Wait some seconds.',
  },
  NameNotResolved: {
    meaning: 'The name of a backend does not resolve.',
    cause: 'A slip in the name, or the DNS has no such name (any more).',
    remedy: 'Correct spec.backends, or the DNS.',
  },
  AddressRefused: {
    meaning: "A backend's address is one that no connector may dial.",
    cause: "It is loopback, link-local, reserved, or the API server's.",
    remedy: 'Name another address, or allow it in connectors.allowAddresses of the configuration.',
  },
  TooManyBackends: {
    meaning: 'The service has more backends than one service may have; the first ones are served.',
    cause: 'A DNS name with very many addresses, or a long list.',
    remedy: 'Split the service.',
  },
  NoBackendsFound: {
    meaning: 'The service has no backend.',
    cause: 'No Pod of the namespace has frp.io/group with its name and a sidecar, or nothing matches its discovery.',
    remedy:
      'frp-k8s check says which workload is meant and why it has no Pods; where none is, put frp.io/group on its Pod template: docs/guide/pods.md.',
  },
  BackendsStarting: {
    meaning: 'Backends are there, and none has been online yet.',
    cause: 'Containers are starting, images are being pulled, or the health check has not succeeded yet.',
    remedy: 'Wait a minute; the message says what the kubelet says.',
  },
  BackendsUnhealthy: {
    meaning: 'No backend is healthy.',
    cause: 'The health check fails, nothing listens at the port, or the sidecar cannot join the server. The message has which.',
    remedy: 'Mend the app, or correct spec.loadBalancing.healthCheck or frp.io/port.',
  },
  NoPrimary: {
    meaning: 'Nobody can write: no backend that can be used says that it is the primary. Reading goes on where there are replicas.',
    cause: 'The primary is down and no replica has been promoted, its Pod is not ready, or what tells the roles does not answer.',
    remedy: 'Promote a replica, or mend what answers for the role at spec.backends.readWrite.roleCheck; docs/guide/databases.md.',
  },
  SeveralPrimaries: {
    meaning: 'Several backends say that they are the primary, so nobody may begin to write; who writes already goes on.',
    cause: 'A role has just moved, which passes in seconds, or an old primary runs on beside the new one.',
    remedy: 'End or demote all of them but the right one; docs/guide/databases.md.',
  },
  PortWithoutBackend: {
    meaning: 'Nobody serves a port, or a host, of the service, so users do not reach it there; the others are served.',
    cause:
      'No app listens at the port, its health check fails, or a plain frp server does not let it be registered. Or the port was added to spec.expose.ports, and Pods and machines have the configuration from before.',
    remedy:
      'The message says who lacks it and why. Let the app listen there; after a new port restart the workload, and make the files of machines anew; docs/guide/gateway.md.',
  },
  RouteWithoutBackend: {
    meaning: 'A route leads to a group that has no backend, so users get 503 there; the other routes are served.',
    cause: 'The group has no Pods, none of them is healthy, or no route takes what the own backends, of which there are none, would get.',
    remedy:
      'Give the group backends, or lead the requests elsewhere in spec.routes: a last route without a path takes the rest; docs/guide/api-gateway.md.',
  },
  RestartPods: {
    meaning: 'The service goes another way now, and no Pod has restarted since.',
    cause: 'spec.gateway, or gateway.addresses of the configuration, has changed.',
    remedy: 'Restart the workload; the message has the command.',
  },

  ServerUnreachable: {
    meaning: "The frp server, or the gateway's status API, does not answer the controller.",
    cause: 'Its Pods are not Ready, its address is wrong, or a NetworkPolicy is in the way.',
    remedy: 'See whether its Pods are Ready, and what their log says; the message names them.',
  },
  NoServerAPI: {
    meaning: 'Whether backends are healthy is not known.',
    cause: 'frps.api of the configuration is not set, or has not answered yet.',
    remedy: 'Set frps.api of the configuration.',
  },
  NoGateway: {
    meaning: 'The service goes through the gateway, and there is none.',
    cause: 'manifests/gateway is not installed, and the cluster has joined no gateway elsewhere.',
    remedy: 'Install the gateway, or join one: frp-k8s join TOKEN.',
  },
  LinkDown: {
    meaning: 'There is no link to the gateway elsewhere, so nothing is known of the backends there.',
    cause: 'The condition LinkReady says why.',
    remedy: 'See LinkReady; the link is tried again by itself.',
  },
  PortNotPublished: {
    meaning: 'The Service for users does not publish the port of the service.',
    cause: 'expose.port is not among the ports of that Service.',
    remedy: 'Add the port; the message has the command.',
  },
  AddressUnreachable: {
    meaning: 'What sidecars dial does not resolve or does not answer, seen from the controller.',
    cause: 'gateway.addresses or frps.address is wrong, or a firewall is in between.',
    remedy: 'Correct the address in the configuration, or open the way.',
  },
  AnotherClusterDecides: {
    meaning: 'Another cluster has the service too, and users get what that one says.',
    cause: 'Two clusters behind one gateway have services of one name, and they differ.',
    remedy: 'Make the two the same.',
  },

  NoPortFree: {
    meaning: 'The gateway has no port left for a Service in the cluster.',
    cause: 'As many services have expose.clusterService as there are ports.',
    remedy: 'Take expose.clusterService off services that do not need it.',
  },
  Preparing: {
    meaning: 'The port of the gateway for the Service in the cluster is being prepared.',
    cause: 'The service is new.',
    remedy: 'Wait some seconds.',
  },
  GatewayElsewhere: {
    meaning: 'A Service in the cluster needs a gateway in the cluster.',
    cause: 'The gateway is elsewhere.',
    remedy: 'Take expose.clusterService off, or install a gateway in this cluster.',
  },
  NameInvalid: {
    meaning: 'The name of the DistributedService is no name for a Service.',
    cause: 'It has dots, begins with a digit, or is too long.',
    remedy: 'Set spec.expose.clusterService.name.',
  },
  Forbidden: {
    meaning: 'The controller may not write the Service in the cluster.',
    cause: 'A policy or a right is missing.',
    remedy: 'Apply manifests/install again.',
  },
  NotServed: {
    meaning: 'The service has no backend that the Service in the cluster could lead to.',
    cause: 'The service is not valid, or has no routes.',
    remedy: 'See the condition ConfigurationValid.',
  },
  NoGatewayReady: {
    meaning: 'No Pod of the gateway is Ready.',
    cause: 'It is starting, or cannot start.',
    remedy: 'kubectl -n frp-gateway describe pod -l app=frp-gateway',
  },

  ServiceCreated: fine('The controller has seen the service.'),
  ConfigurationApplied: fine('The configuration of the service is in force.'),
  CertificateIssued: fine('The client certificate of the service is there.'),
  BackendDiscovered: fine('A backend was found.'),
  BackendRemoved: fine('An unhealthy backend is gone.'),
  HealthCheckPassed: fine('All backends are healthy.'),
  BackendUnhealthy: {
    meaning: 'A backend is not healthy, so it gets no requests.',
    cause: 'Its health check fails, or its container cannot start; the message has which.',
    remedy: 'Mend the app of the Pod; see kubectl logs POD.',
  },
  BackendRefused: {
    meaning: 'The gateway turns the sidecar of a backend away.',
    cause: "The message has the gateway's reason.",
    remedy: 'See the page of that reason.',
  },
  NotRegistered: {
    meaning: 'The Pod was not registered in time, and its readiness gate was opened all the same.',
    cause: 'The sidecar cannot join the server, or the app does not listen.',
    remedy: 'kubectl logs POD -c frpc',
  },
  ...secretReasons,
} as const satisfies Record<string, ReasonText>;

/** Tunnels of a service may be refused, and a link may be down: their reasons are passed on. */
export type StatusReason = keyof typeof statusReasons | RefusalReason | LinkReason | ReasonOfOthers;

const passedOn: Readonly<Record<string, ReasonText>> = { ...tunnelRefusals, ...linkReasons };

/** What is said of a reason in a status; undefined where it is none of ours, such as a newer gateway's. */
export const statusText = (reason: string): ReasonText | undefined =>
  Object.hasOwn(statusReasons, reason) ? statusReasons[reason as keyof typeof statusReasons] : passedOn[reason];
