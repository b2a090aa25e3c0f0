/** The injected Pods as backends of their services: little of each is kept, and only what matters is told. */
import { membershipsIn } from '../../frp/proxy-names.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Backend } from './health.ts';

interface Pod extends KubeObject {
  status?: { phase?: string; podIP?: string; conditions?: { type: string; status: string; lastTransitionTime?: string | null }[] };
}

/** How long a Pod whose containers are ready may take to register: its sidecar waits up to 30 s for the app (sidecar.ts). */
const registrationMs = 60_000;

export class PodBackends implements Sink<KubeObject> {
  /** by service (namespace/name), then by Pod UID */
  readonly #services = new Map<string, Map<string, Backend>>();
  /** services of a Pod, by namespace/name of the Pod */
  readonly #pods = new Map<string, { uid: string; services: string[] }>();
  readonly #changed: (service: string) => void;

  /** @param changed told of a service (namespace/name) whose backends have changed */
  constructor(changed: (service: string) => void) {
    this.#changed = changed;
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
    if (JSON.stringify(before) !== JSON.stringify(backend)) this.#changed(service);
  }

  #remove(service: string, uid: string): void {
    const members = this.#services.get(service);
    if (!members?.delete(uid)) return;
    if (members.size === 0) this.#services.delete(service);
    this.#changed(service);
  }
}

/** By service. A Pod that is ending, or has ended, is no backend any more. */
function backendsOf({ metadata, status }: Pod): Map<string, Backend> {
  const backends = new Map<string, Backend>();
  if (metadata.deletionTimestamp !== undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed') return backends;
  const { namespace = '', name, uid = '', annotations = {} } = metadata;
  for (const [key, text] of Object.entries(annotations)) {
    if (!/^frp\.io\/frpc(-[1-9][0-9]*)?\.json$/.test(key)) continue;
    for (const { service, port, proxies } of membershipsIn(text, namespace)) {
      backends.set(`${namespace}/${service}`, {
        id: uid,
        name,
        address: status?.podIP ?? '',
        port,
        proxies,
        startsUntil: startsUntil(status),
      });
    }
  }
  return backends;
}

function startsUntil(status: Pod['status']): number {
  const ready = status?.conditions?.find(({ type }) => type === 'ContainersReady');
  return ready?.status === 'True' ? Date.parse(ready.lastTransitionTime ?? '') + registrationMs || 0 : Number.MAX_SAFE_INTEGER;
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;
