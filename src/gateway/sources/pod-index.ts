/** The Pods that may be members: little of each is kept. */
import { podFactsOf, type PodFacts } from '../../frp/pod-facts.ts';
import type { Sink } from '../../kube/reflector.ts';
import { byUid } from '../../kube/sinks.ts';
import type { KubeObject } from '../../kube/types.ts';
import type { Identity } from '../pod-identity.ts';

export type { PodFacts };

export class PodIndex {
  /** by UID */
  readonly #pods = new Map<string, PodFacts>();
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
    return byUid(podFactsOf, { set: (uid, facts) => this.setFacts(uid, facts), delete: (uid) => this.deleteFacts(uid) });
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
