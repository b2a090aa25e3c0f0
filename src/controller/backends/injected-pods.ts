/** The injected Pods as backends of their services: little of each is kept, and only what matters is told. */
import { membershipsIn } from '../../frp/proxy-names.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject, Metadata } from '../../kube/types.ts';
import type { Backend } from './health.ts';

interface Pod extends KubeObject {
  status?: {
    phase?: string;
    podIP?: string;
    conditions?: { type: string; status: string; lastTransitionTime?: string | null }[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

interface ContainerStatus {
  name: string;
  ready?: boolean;
  restartCount?: number;
  state?: { waiting?: { reason?: string; message?: string } };
  lastState?: { terminated?: { reason?: string; exitCode?: number } };
}

/** How long a Pod whose containers are ready may take to register: its sidecar waits up to 30 s for the app (start.ts). */
const registrationMs = 60_000;

export class PodBackends implements Sink<KubeObject> {
  /** by service (namespace/name), then by Pod UID */
  readonly #services = new Map<string, Map<string, Backend>>();
  /** services of a Pod, by namespace/name of the Pod */
  readonly #pods = new Map<string, { uid: string; services: string[] }>();
  /** how many memberships go to the gateway, and how many to the plain frp server */
  readonly #ways = new Map<boolean, number>();
  readonly #changed: (service: string) => void;

  /** @param changed told of a service (namespace/name) whose backends have changed */
  constructor(changed: (service: string) => void) {
    this.#changed = changed;
  }

  /** Whether there is a Pod that goes to the gateway, or else to the plain frp server. */
  isThereAny(isGateway: boolean): boolean {
    return (this.#ways.get(isGateway) ?? 0) > 0;
  }

  of(service: string): Backend[] {
    return [...(this.#services.get(service)?.values() ?? [])];
  }

  replace(pods: KubeObject[]): void {
    const keep = new Set(pods.map(keyOf));
    for (const [key] of [...this.#pods]) if (!keep.has(key)) this.#forget(key);
    for (const pod of pods) this.set(pod);
  }

  set(pod: KubeObject): void {
    const key = keyOf(pod);
    const backends = backendsOf(pod);
    const known = this.#pods.get(key);
    const uid = pod.metadata.uid ?? '';
    for (const service of known?.services ?? []) if (known?.uid !== uid || !backends.has(service)) this.#remove(service, known!.uid);
    this.#pods.set(key, { uid, services: [...backends.keys()] });
    for (const [service, backend] of backends) this.#put(service, backend);
  }

  delete(pod: KubeObject): void {
    this.#forget(keyOf(pod));
  }

  #forget(key: string): void {
    const known = this.#pods.get(key);
    this.#pods.delete(key);
    for (const service of known?.services ?? []) this.#remove(service, known!.uid);
  }

  #put(service: string, backend: Backend): void {
    const members = this.#services.get(service) ?? new Map<string, Backend>();
    this.#services.set(service, members);
    const before = members.get(backend.id);
    members.set(backend.id, backend);
    this.#count(before, -1);
    this.#count(backend, 1);
    if (JSON.stringify(before) !== JSON.stringify(backend)) this.#changed(service);
  }

  #remove(service: string, uid: string): void {
    const members = this.#services.get(service);
    const before = members?.get(uid);
    if (!members?.delete(uid)) return;
    this.#count(before, -1);
    if (members.size === 0) this.#services.delete(service);
    this.#changed(service);
  }

  #count(backend: Backend | undefined, change: 1 | -1): void {
    if (backend?.isGateway === undefined) return;
    this.#ways.set(backend.isGateway, (this.#ways.get(backend.isGateway) ?? 0) + change);
  }
}

/** By service. A Pod that is ending, or has ended, is no backend any more. */
function backendsOf({ metadata, status }: Pod): Map<string, Backend> {
  const backends = new Map<string, Backend>();
  if (metadata.deletionTimestamp !== undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed') return backends;
  const { namespace = '', name, uid = '', annotations = {} } = metadata;
  const problem = problemOf(status);
  const workload = workloadOf(metadata);
  for (const [container, text] of configurationsIn(annotations)) {
    for (const { service, port, parts, isGateway } of membershipsIn(text, namespace)) {
      backends.set(`${namespace}/${service}`, {
        id: uid,
        name,
        address: status?.podIP ?? '',
        port,
        parts,
        startsUntil: startsUntil(status),
        isGateway,
        ...(container === 'frpc' ? {} : { container }),
        ...(problem === undefined ? {} : { problem }),
        ...(workload === undefined ? {} : { workload }),
      });
    }
  }
  return backends;
}

/** By the name of the sidecar; of those for several replicas of the gateway the first one comes last. */
const configurationsIn = (annotations: Record<string, string>): [container: string, text: string][] =>
  Object.entries(annotations)
    .flatMap(([key, text]): [string, string][] => {
      const [, container] = /^frp\.io\/(frpc(?:-[1-9][0-9]*)?)\.json$/.exec(key) ?? [];
      return container === undefined ? [] : [[container, text]];
    })
    .sort(([a], [b]) => (a < b ? 1 : -1));

function startsUntil(status: Pod['status']): number {
  const ready = status?.conditions?.find(({ type }) => type === 'ContainersReady');
  return ready?.status === 'True' ? Date.parse(ready.lastTransitionTime ?? '') + registrationMs || 0 : Number.MAX_SAFE_INTEGER;
}

/** Reasons of a waiting container that do not pass by themselves (kubelet images/types.go, container/sync_result.go). */
const failures = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreStartHookError',
  'PostStartHookError',
]);
const problemLimit = 300;

/** The first container that does not start, in the kubelet's words, or that ends again and again. */
function problemOf(status: Pod['status']): string | undefined {
  for (const container of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const { name, ready, restartCount = 0, state, lastState } = container;
    const { reason = '', message = '' } = state?.waiting ?? {};
    if (failures.has(reason)) return `container ${name}: ${reason}${message === '' ? '' : `: ${message}`}`.slice(0, problemLimit);
    const ended = lastState?.terminated;
    // The same words while it waits and while it runs once more.
    if (!ready && restartCount > 0 && ended)
      return `container ${name} has ended: ${ended.reason ?? 'Error'}, exit code ${ended.exitCode ?? 0}`;
  }
  return undefined;
}

const restartable = new Set(['Deployment', 'StatefulSet', 'DaemonSet']);

/** What `kubectl rollout restart` takes: of a ReplicaSet the Deployment, whose name it begins with. */
function workloadOf({ ownerReferences = [], labels = {} }: Metadata): string | undefined {
  const owner = ownerReferences.find(({ controller }) => controller);
  if (!owner) return undefined;
  const hash = labels['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`))
    return `deployment/${owner.name.slice(0, -hash.length - 1)}`;
  return restartable.has(owner.kind) ? `${owner.kind.toLowerCase()}/${owner.name}` : undefined;
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;
