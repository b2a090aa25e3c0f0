/** What is kept of big collections: of 5,000 Pods everything else would be a hundred megabytes. */
import { group, label } from '../model/names.ts';
import type { Container, ContainerStatus, KubeEvent, Pod, Workload } from './shapes.ts';

const prefix = `${group}/`;
/** Annotations of others may have 256 KiB each. */
const longestOther = 256;

const hasOurs = (annotations: Record<string, string> = {}): boolean => Object.keys(annotations).some((key) => isOurs(key));
/** A slip such as `frp.io.group` or `frpio/group` is looked for as well. */
const isOurs = (key: string): boolean => key.startsWith(prefix) || /^frp[.-]?(?:io)?[./-]/i.test(key);

/** A Pod with a sidecar, or with an annotation of ours; undefined for all others. */
export function keptPod(pod: Pod): Pod | undefined {
  const { metadata, spec, status } = pod;
  if (metadata.labels?.[label.sidecar] === undefined && !hasOurs(metadata.annotations)) return undefined;
  return {
    metadata: { ...metadata, annotations: keptAnnotations(metadata.annotations) },
    spec: {
      ...(spec?.nodeName && { nodeName: spec.nodeName }),
      ...(spec?.initContainers && { initContainers: spec.initContainers.map(keptContainer) }),
      containers: (spec?.containers ?? []).map(keptContainer),
    },
    ...(status && { status: keptPodStatus(status) }),
  };
}

const keptPodStatus = ({ phase, reason, podIP, conditions, ...statuses }: NonNullable<Pod['status']>): NonNullable<Pod['status']> => ({
  ...(phase && { phase }),
  ...(reason && { reason }),
  ...(podIP && { podIP }),
  ...(conditions && { conditions }),
  initContainerStatuses: (statuses.initContainerStatuses ?? []).map(keptStatus),
  containerStatuses: (statuses.containerStatuses ?? []).map(keptStatus),
});

const keptAnnotations = (annotations: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations).filter(([key, value]) => isOurs(key) || value.length <= longestOther));

const keptContainer = ({ name, image, restartPolicy, ports, readinessProbe: { httpGet, tcpSocket } = {} }: Container): Container => ({
  name,
  ...(image && { image }),
  ...(restartPolicy && { restartPolicy }),
  ...(ports && { ports }),
  ...(httpGet && { readinessProbe: { httpGet } }),
  ...(tcpSocket && { readinessProbe: { tcpSocket } }),
});

const keptStatus = ({ name, ready, started, restartCount, state, lastState }: ContainerStatus): ContainerStatus => ({
  name,
  ...(ready === undefined ? {} : { ready }),
  ...(started === undefined ? {} : { started }),
  ...(restartCount === undefined ? {} : { restartCount }),
  ...(state && { state }),
  ...(lastState && { lastState }),
});

/** A workload with an annotation of ours, on itself or on its template. @param kind lists have none in their items */
export function keptWorkload(workload: Workload, kind: string): Workload | undefined {
  const { metadata, spec = {}, status } = workload;
  const template = spec.template ?? spec.jobTemplate?.spec?.template;
  if (!hasOurs(metadata.annotations) && !hasOurs(template?.metadata?.annotations)) return undefined;
  return { kind, metadata, spec, ...(status && { status }) };
}

/** Warnings are read; what goes well is in the status. */
export const keptEvent = ({ metadata, involvedObject, ...rest }: KubeEvent): KubeEvent => {
  const { type, reason, message, count, lastTimestamp, eventTime } = rest;
  return {
    metadata: { name: metadata.name, ...(metadata.namespace && { namespace: metadata.namespace }) },
    involvedObject,
    ...(type && { type }),
    ...(reason && { reason }),
    ...(message && { message: message.slice(0, 1000) }),
    ...(count && { count }),
    ...(lastTimestamp && { lastTimestamp }),
    ...(eventTime && { eventTime }),
  };
};
