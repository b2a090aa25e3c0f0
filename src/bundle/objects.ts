/** Objects of the cluster as they are in a bundle: of Pods and workloads no more than is said here, of whoever they are. */
import type { Container, Pod, Workload } from '../diagnose/shapes.ts';
import type { KubeObject } from '../kube/types.ts';
import { label } from '../model/names.ts';

type Any = Readonly<Record<string, unknown>>;

/** Arguments and commands are read of what the installation runs alone: those of users' apps may hold anything. */
const isOurs = ({ metadata }: KubeObject): boolean => metadata.labels?.['app.kubernetes.io/part-of'] === 'frp-k8s';

function keptContainer(container: Container, isOwn: boolean): Any {
  const { name, image, restartPolicy, ports, ...rest } = container as Container & Any;
  const { resources, env, args, command, readinessProbe, livenessProbe, startupProbe } = rest as Any;
  return {
    name,
    image,
    restartPolicy,
    ports,
    resources,
    env,
    ...(isOwn && { args, command, readinessProbe, livenessProbe, startupProbe }),
  };
}

const keptVolume = (volume: Any): Any => {
  const { name, secret, configMap } = volume as { name: string; secret?: { secretName?: string }; configMap?: { name?: string } };
  const kind = Object.keys(volume).find((key) => key !== 'name');
  return { name, kind, of: secret?.secretName ?? configMap?.name };
};

function keptSpec(spec: Pod['spec'], isOwn: boolean): Any {
  const { nodeName, serviceAccountName, initContainers, containers, volumes } = spec ?? {};
  return {
    nodeName,
    serviceAccountName,
    initContainers: initContainers?.map((container) => keptContainer(container, isOwn)),
    containers: containers?.map((container) => keptContainer(container, isOwn)),
    volumes: volumes?.map((volume) => keptVolume(volume)),
  };
}

export const bundledPod = (pod: Pod): Any => ({
  metadata: pod.metadata,
  spec: keptSpec(pod.spec, isOurs(pod)),
  status: pod.status,
});

export function bundledWorkload(workload: Workload): Any {
  const { kind, metadata, spec = {}, status } = workload;
  const { replicas, selector, template } = spec;
  const own = keptSpec(template?.spec, isOurs(workload));
  return { kind, metadata, spec: { replicas, selector, template: { metadata: template?.metadata, spec: own } }, status };
}

export const hasSidecar = ({ metadata }: Pod): boolean => metadata.labels?.[label.sidecar] !== undefined;
