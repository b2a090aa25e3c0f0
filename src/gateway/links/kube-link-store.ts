/** Who has joined, and who may: in Secrets of the gateway's namespace, one each, which its replicas and commands share. */
import { createHash } from 'node:crypto';
import type * as z from 'zod';
import { base64, text } from '../../kube/authority-secret.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Secret } from '../../kube/types.ts';
import { LinkError } from '../../link/protocol.ts';
import { Rate } from '../../link/rate.ts';
import type { LinkSecrets } from './link-secrets.ts';
import {
  byJoining,
  clusterName,
  clusterSchema,
  joiningId,
  seenSchema,
  tokenMemoryMs,
  tokenSchema,
  type ClusterRecord,
  type LinkStore,
  type Seen,
  type TokenRecord,
} from './link-store.ts';

const tokenPrefix = 'frp-join-token-';
const clusterPrefix = 'frp-cluster-';
const seenPrefix = 'seen.';

/** Of what is not known here: strangers may ask for as many tokens as they like, and the API server is everybody's. */
const looks = { burst: 10, rate: 1 };
/** Of one cluster: what changes all the time is written this often, and what does not is seen anew. Milliseconds. */
const changeMs = 15_000;
const sameMs = 300_000;
const mostTries = 10;

export class KubeLinkStore implements LinkStore {
  readonly seenMs = 2 * sameMs;
  readonly #secrets: LinkSecrets;
  readonly #replica: string;
  readonly #looks = new Rate(looks);
  /** what this replica has written of each cluster */
  readonly #seen = new Map<string, Seen>();

  /** @param replica name of the Pod; a command has none */
  constructor(secrets: LinkSecrets, replica = '') {
    this.#secrets = secrets;
    this.#replica = replica;
  }

  async addToken(token: TokenRecord): Promise<void> {
    await this.#forgetOldTokens();
    await this.#secrets.create(tokenSecretName(token.id), { token: base64(JSON.stringify(token)) });
  }

  async token(id: string) {
    if (!joiningId.safeParse(id).success) return undefined;
    const name = tokenSecretName(id);
    const secret = this.#secrets.get(name) ?? (await this.#looked(name));
    const token = secret && parsed(secret, 'token', tokenSchema);
    return token?.id === id ? { token, isUsed: isUsed(secret!) } : undefined;
  }

  /** Of two replicas that decide at once only one writes over the version that both have seen. */
  async useToken(id: string): Promise<boolean> {
    return this.#decide(tokenSecretName(id), (secret) => (isUsed(secret) ? undefined : { used: base64(new Date().toISOString()) }));
  }

  async giveTokenBack(id: string): Promise<void> {
    await this.#secrets.put(tokenSecretName(id), { used: null });
  }

  clusters(): Promise<Map<string, ClusterRecord>> {
    return Promise.resolve(byJoining(this.#secrets.all(clusterPrefix).flatMap((secret) => recordIn(secret) ?? [])));
  }

  /** Another replica may have let it join a moment ago. */
  async clusterOf(joining: string): Promise<ClusterRecord | undefined> {
    const find = async () => [...(await this.clusters()).values()].find(({ id }) => id === joining);
    const known = await find();
    if (known || !this.#looks.allows()) return known;
    await this.#secrets.refresh();
    return find();
  }

  async putCluster(cluster: ClusterRecord): Promise<void> {
    const name = clusterPrefix + cluster.name;
    const data = { cluster: base64(JSON.stringify(cluster)) };
    for (let tries = 0; tries < mostTries; tries++)
      if ((await this.#decide(name, () => data)) || (await this.#secrets.create(name, data))) return;
    throw new Error(`Secret ${name} is changed all the time`);
  }

  renewed(cluster: ClusterRecord): Promise<boolean> {
    const data = { cluster: base64(JSON.stringify(cluster)) };
    return this.#decide(clusterPrefix + cluster.name, (secret) => (recordIn(secret)?.id === cluster.id ? data : undefined));
  }

  async removeCluster(name: string): Promise<boolean> {
    return clusterName.safeParse(name).success && this.#secrets.delete(clusterPrefix + name);
  }

  async saw(name: string, seen: Seen): Promise<void> {
    const before = this.#seen.get(name);
    if (before && !isWorthWriting(before, seen)) return;
    this.#seen.set(name, seen);
    const data = { [`${seenPrefix}${this.#replica}`]: base64(JSON.stringify(seen)) };
    try {
      await this.#secrets.put(clusterPrefix + name, data);
    } catch (error) {
      this.#seen.delete(name);
      // One that was removed is not made again.
      if (!isNotFound(error)) throw error;
    }
  }

  seen(name: string): Promise<Seen[]> {
    const secret = this.#secrets.get(clusterPrefix + name);
    const keys = Object.keys(secret?.data ?? {}).filter((key) => key.startsWith(seenPrefix));
    return Promise.resolve(keys.flatMap((key) => parsed(secret!, key, seenSchema) ?? []));
  }

  /** @throws LinkError where there have been too many of these, KubeError */
  #looked(name: string): Promise<Secret | undefined> {
    if (this.#looks.allows()) return this.#secrets.look(name);
    throw new LinkError('TooOften', 'the gateway has been asked for many tokens that it does not know; try again in a moment');
  }

  /**
   * Changes a Secret by what it is now, however many do so at once.
   * @param change to it; undefined: none @returns whether it was made; not where there is none @throws KubeError
   */
  async #decide(name: string, change: (secret: Secret) => Record<string, string | null> | undefined): Promise<boolean> {
    for (let tries = 0; tries < mostTries; tries++) {
      const secret = await this.#secrets.look(name);
      const data = secret && change(secret);
      if (!data) return false;
      if (await this.#secrets.change(secret, data)) return true;
    }
    throw new Error(`Secret ${name} is changed all the time`);
  }

  async #forgetOldTokens(): Promise<void> {
    const before = Date.now() - tokenMemoryMs;
    for (const secret of this.#secrets.all(tokenPrefix)) {
      const token = parsed(secret, 'token', tokenSchema);
      if (token && token.expires < before) await this.#secrets.delete(secret.metadata.name);
    }
  }
}

function isWorthWriting(before: Seen, now: Seen): boolean {
  if (before.isLinked !== now.isLinked || before.program !== now.program) return true;
  const isSame = before.services === now.services && before.backends === now.backends;
  return now.at - before.at >= (isSame ? sameMs : changeMs);
}

/** An id has characters that a name may not have. */
const tokenSecretName = (id: string): string => `${tokenPrefix}${createHash('sha256').update(id).digest('hex').slice(0, 20)}`;

const isUsed = (secret: Secret): boolean => secret.data?.used !== undefined;

function recordIn(secret: Secret): ClusterRecord | undefined {
  const record = parsed(secret, 'cluster', clusterSchema);
  return record && secret.metadata.name === clusterPrefix + record.name ? record : undefined;
}

/** undefined where it cannot be read: then nobody gets in by it */
function parsed<T>(secret: Secret, key: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(text(secret, key)));
  } catch {
    return undefined;
  }
}
