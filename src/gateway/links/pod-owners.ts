/**
 * Which cluster told first of a Pod. frps has each name once, and that of a Pod's proxy is its namespace, name and UID
 * (pod-identity.ts). A cluster's administrator chooses all three, and no UID is a secret: another cluster that says the same
 * would keep the Pod's own tunnel out.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { clientUidPrefix } from '../../model/names.ts';
import { replaceFile } from '../../process/replace-file.ts';

export interface PodOwnersOptions {
  /** where it is kept whose those Pods are that several clusters tell of; absolute */
  path: string;
  /** whether the gateway's own cluster has the Pod, which comes before all others */
  isHome: (uid: string) => boolean;
  /** told when a Pod that several told of is nobody's any more */
  freed: (uid: string) => void;
}

const schema = z.record(z.string(), z.string());

export class PodOwners {
  readonly #options: PodOwnersOptions;
  /** name of the cluster, by UID */
  readonly #owners = new Map<string, string>();
  /** The same of those that several tell of. Of all others the one cluster that has them is found again after a restart. */
  readonly #contested: Map<string, string>;
  #isSaved = true;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: PodOwnersOptions) {
    this.#options = options;
    this.#contested = readContested(options.path);
  }

  /** @returns whether the Pod is the cluster's */
  claim(cluster: string, uid: string): boolean {
    if (uid.startsWith(clientUidPrefix) || this.#options.isHome(uid)) return false;
    const owner = this.#ownerOf(uid) ?? cluster;
    if (owner === cluster) {
      this.#owners.set(uid, cluster);
      return true;
    }
    if (!this.#contested.has(uid)) {
      this.#contested.set(uid, owner);
      this.#save();
    }
    return false;
  }

  /** The cluster has the Pod no more. */
  release(cluster: string, uid: string): void {
    if (this.#ownerOf(uid) !== cluster) return;
    this.#owners.delete(uid);
    if (!this.#contested.delete(uid)) return;
    this.#save();
    this.#options.freed(uid);
  }

  /** The cluster is gone. */
  releaseAll(cluster: string): void {
    for (const uid of [...this.#owners.keys(), ...this.#contested.keys()]) this.release(cluster, uid);
  }

  /** Resolves when it is on the disk. @throws where that does not take it */
  get saved(): Promise<void> {
    return this.#saving;
  }

  #ownerOf(uid: string): string | undefined {
    return this.#owners.get(uid) ?? this.#contested.get(uid);
  }

  /** Once for whatever changes until the disk has time. */
  #save(): void {
    this.#isSaved = false;
    this.#saving = this.#saving
      .catch(() => {})
      .then(async () => {
        if (this.#isSaved) return;
        this.#isSaved = true;
        try {
          await replaceFile(this.#options.path, `${JSON.stringify(Object.fromEntries(this.#contested))}\n`);
        } catch (error) {
          this.#isSaved = false;
          throw error;
        }
      });
    this.#saving.catch(() => {});
  }
}

function readContested(path: string): Map<string, string> {
  try {
    return new Map(Object.entries(schema.parse(JSON.parse(readFileSync(path, 'utf8')))));
  } catch {
    return new Map();
  }
}
