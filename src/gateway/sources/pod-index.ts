/** The Pods that may be members: little of each is kept. */
import { podFactsOf, type PodFacts } from '../../frp/pod-facts.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Identity } from '../pod-identity.ts';

export type { PodFacts };

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
      const facts = podFactsOf(pod);
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

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`;
