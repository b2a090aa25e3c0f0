/** The Pods that may be members: little of each is kept. */
import { membershipsIn } from '../../frp/proxy-names.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/types.ts';
import { annotation } from '../../model/names.ts';
import type { Identity } from '../pod-identity.ts';

interface Pod extends KubeObject {
  status?: { phase?: string; podIP?: string; conditions?: { type: string; status: string }[] };
}

export interface PodFacts {
  namespace: string;
  name: string;
  /** its containers are ready, and it is not being deleted */
  isReady: boolean;
  /** annotation frp.io/weight; undefined where there is none that is a whole number of at least 0 */
  weight: number | undefined;
  ip: string | undefined;
  /** port of the app, by name of the service */
  ports: Readonly<Record<string, number>>;
}

export class PodIndex {
  /** by UID */
  readonly #pods = new Map<string, PodFacts>();
  /** namespace/name → UID, for each source */
  readonly #sources: Map<string, string>[] = [];
  readonly #waiting = new Set<(uid: string) => void>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get(uid: string): PodFacts | undefined {
    return this.#pods.get(uid);
  }

  /** Where the facts come from elsewhere than a watch. */
  setFacts(uid: string, facts: PodFacts): void {
    const before = this.#pods.get(uid);
    this.#pods.set(uid, facts);
    if (!before) for (const listener of [...this.#waiting]) listener(uid);
    if (JSON.stringify(before) !== JSON.stringify(facts)) this.#changed();
  }

  deleteFacts(uid: string): void {
    if (this.#pods.delete(uid)) this.#changed();
  }

  /** For one watch of several; their selections do not overlap. */
  sink(): Sink<KubeObject> {
    const uids = new Map<string, string>();
    this.#sources.push(uids);
    const remove = (key: string) => {
      const uid = uids.get(key);
      uids.delete(key);
      if (uid !== undefined) this.deleteFacts(uid);
    };
    const set = (pod: KubeObject) => {
      const key = keyOf(pod);
      const { uid = '' } = pod.metadata;
      if (uids.get(key) !== uid) remove(key);
      const facts = factsOf(pod);
      if (!facts) return remove(key);
      uids.set(key, uid);
      this.setFacts(uid, facts);
    };
    return {
      replace: (pods) => {
        const keep = new Set(pods.map(keyOf));
        for (const key of [...uids.keys()]) if (!keep.has(key)) remove(key);
        for (const pod of pods) set(pod);
      },
      set,
      delete: (pod) => {
        if (uids.get(keyOf(pod)) === pod.metadata.uid) remove(keyOf(pod));
      },
    };
  }

  /** Whether the Pod is there, or comes in time: its watch may be behind its sidecar. */
  async has({ namespace, pod, uid }: Identity, timeoutMs: number): Promise<boolean> {
    const facts = this.#pods.get(uid) ?? (await this.#wait(uid, timeoutMs));
    return facts?.namespace === namespace && facts.name === pod;
  }

  #wait(uid: string, timeoutMs: number): Promise<PodFacts | undefined> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiting.delete(listener);
        resolve(this.#pods.get(uid));
      };
      const listener = (added: string) => added === uid && finish();
      const timer = setTimeout(finish, timeoutMs);
      this.#waiting.add(listener);
    });
  }
}

/** undefined for a Pod that has ended */
function factsOf({ metadata, status }: Pod): PodFacts | undefined {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return undefined;
  const { namespace = '', name, annotations = {}, deletionTimestamp } = metadata;
  const ready = status?.conditions?.find(({ type }) => type === 'ContainersReady');
  return {
    namespace,
    name,
    isReady: deletionTimestamp === undefined && ready?.status === 'True',
    weight: weightOf(annotations[annotation.weight]),
    ip: status?.podIP,
    ports: portsOf(annotations, namespace),
  };
}

const weightOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[0-9]{1,7}$/.test(text) ? Number(text) : undefined;

function portsOf(annotations: Record<string, string>, namespace: string): Record<string, number> {
  const ports: Record<string, number> = {};
  for (const [key, text] of Object.entries(annotations)) {
    if (!/^frp\.io\/frpc(-[1-9][0-9]*)?\.json$/.test(key)) continue;
    for (const { service, port } of membershipsIn(text, namespace)) ports[service] = port;
  }
  return ports;
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`;
