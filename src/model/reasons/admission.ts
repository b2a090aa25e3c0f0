/** What the webhooks decide. A decision has no other reason than these. */
import { fine, type ReasonText } from './text.ts';

/** Why a Pod is refused. */
export const denials = {
  InvalidPod: {
    meaning: 'The Pod asks for a sidecar, and its shape is broken.',
    cause: 'A field that injection reads has another type than the API says, such as containers that are no list.',
    remedy: 'Correct the field that the message names.',
  },
  InvalidAnnotation: {
    meaning: 'An annotation of frp.io has a value that cannot be used.',
    cause: 'A slip in the value, a quantity without unit, or a list of groups with an empty name.',
    remedy: 'Give the annotation on the Pod template a value as the message says; docs/guide/pods.md lists them.',
  },
  UnknownGroup: {
    meaning: 'frp.io/group names a DistributedService that is not in the namespace of the Pod.',
    cause: 'A slip in the name, a service of another namespace, or a service that has not been applied yet.',
    remedy: 'Correct the annotation on the Pod template, or create the DistributedService in this namespace.',
  },
  ServiceDeleting: {
    meaning: 'The DistributedService of the group is being deleted, so it takes no new Pods.',
    cause: 'Somebody has deleted it.',
    remedy: 'Wait until it is gone and create it again, or take the annotation off the Pod template.',
  },
  GatewayRequired: {
    meaning: 'The service asks for what only the gateway has.',
    cause: 'Routes, authentication, limits or another field of the gateway, with spec.gateway: false or without any gateway.',
    remedy: 'Install the gateway (manifests/gateway) and set gateway.addresses, or take the fields off that the message names.',
  },
  UdpNeedsPlainServer: {
    meaning: 'A service of type udp goes through the gateway, which has no udp.',
    cause: 'spec.gateway is true, or absent where the installation has a gateway.',
    remedy: 'Set spec.gateway: false, and run a plain frp server (manifests/frps).',
  },
  HostConflict: {
    meaning: 'The host or the port of the service belongs to another service.',
    cause: 'An older service has the same host and path, or the same port, or another namespace has a host that overlaps.',
    remedy: 'Choose another host, path or port, or delete the other service, which the message names.',
  },
  NotExposed: {
    meaning: 'The exposure of the service cannot be rendered for a sidecar.',
    cause: 'spec.expose lacks what its type needs, such as a host or, with a subdomain, baseDomain of the configuration.',
    remedy: 'Complete spec.expose as the message says.',
  },
  MissingPort: {
    meaning: 'The port of the app cannot be told.',
    cause: 'The Pod declares no port, or several, and neither frp.io/port nor the service says which one is meant.',
    remedy: 'Set the annotation frp.io/port on the Pod template to the number or name of a port.',
  },
  UnsupportedOS: {
    meaning: 'The Pod is for Windows, for which there is no sidecar.',
    cause: 'spec.os.name or a node selector says windows.',
    remedy: 'Use a connector (spec.backends.endpoints or discovery) instead of the annotation.',
  },
  NameTaken: {
    meaning: 'Something has a name that the program needs, and it belongs to somebody else.',
    cause: 'A container or volume of the Pod, or a Secret or another object beside the service, was made by hand under this name.',
    remedy: 'Give it another name, or delete it where nobody needs it; the message names it.',
  },
  TooLarge: {
    meaning: 'What injection would add does not fit.',
    cause: 'The annotations would exceed 256 KiB, or the Pod names more than 256 groups.',
    remedy: 'Spread the groups over several workloads.',
  },
} as const satisfies Record<string, ReasonText>;

/** Why a Pod or another object is let in. */
export const admissions = {
  Injected: fine('Sidecars were added, or brought up to date.'),
  UpToDate: fine('The sidecars are there already.'),
  NotAnnotated: {
    meaning: 'The Pod gets no sidecar: it has no annotation frp.io/group, and no service selects it.',
    cause: 'The Pod is none of ours; or the annotation is on the workload and not on its Pod template.',
    remedy: 'Where a sidecar is wanted, put frp.io/group on the Pod template: spec.template.metadata.annotations.',
  },
  OptedOut: {
    meaning: 'The Pod gets no sidecar because somebody said so.',
    cause: 'frp.io/inject is "false", or the namespace has the label frp.io/injection: disabled.',
    remedy: 'Take the annotation or the label off and restart the Pods.',
  },
  StaticPod: {
    meaning: 'The Pod is a mirror of a static one, which its kubelet runs from a file, so no webhook can change it.',
    cause: 'frp.io/group is in a manifest of a kubelet.',
    remedy: 'Add the sidecar to the file itself: frp-k8s inject -f FILE.',
  },
  Defaulted: fine('Fields that the service leaves open were filled in.'),
  NothingToDefault: fine('The service leaves no field open.'),
  Valid: fine('The service can be served as it is written.'),
  Invalid: {
    meaning: 'The DistributedService breaks a rule, and is refused.',
    cause: 'A field has a value that cannot be served, or two fields contradict each other.',
    remedy: 'Correct the fields that the message lists; each line says what would be right.',
  },
  NotChecked: fine('The request is none that is checked, such as a deletion.'),
  Deleting: fine('The object is being deleted, so it is left alone.'),
  Fine: fine('Nothing is to be said of the workload.'),
  Warned: {
    meaning: 'The workload is let in, with warnings that whoever applied it has read.',
    cause: 'Its Pods would be refused, or an annotation has no effect where it is.',
    remedy: 'Do what the warnings say; frp-k8s check repeats them.',
  },
  InternalError: {
    meaning: 'The webhook failed, and answered with an error.',
    cause: 'A fault of the program.',
    remedy: 'Report it with the stack in the log: kubectl -n frp-system logs deployment/frp-webhook.',
  },
} as const satisfies Record<string, ReasonText>;

export type DenialReason = keyof typeof denials;
export type DecisionReason = DenialReason | keyof typeof admissions;
