/** Who has joined, and who may: in files, one each, so that commands and the gateway share them without a lock. */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { replaceFile } from '../../process/replace-file.ts';
import { grantSchema } from './grant.ts';

export const clusterName = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
export const joiningId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);

export const tokenSchema = z.object({
  id: joiningId,
  /** digestOfSecret() of its secret, which is nowhere else */
  digest: z.string(),
  cluster: clusterName,
  grant: grantSchema,
  /** milliseconds since the epoch */
  expires: z.number(),
});
export type TokenRecord = z.infer<typeof tokenSchema>;

export const clusterSchema = z.object({
  name: clusterName,
  /** of its last joining: a certificate of an earlier one opens no link any more */
  id: joiningId,
  grant: grantSchema,
  /** milliseconds since the epoch: whoever joined first decides what users get of a service that several clusters have */
  joined: z.number(),
  /** end of its certificate, milliseconds since the epoch */
  certificateExpires: z.number(),
});
export type ClusterRecord = z.infer<typeof clusterSchema>;

/** What was last seen of a cluster; for people. */
export const seenSchema = z.object({
  isLinked: z.boolean(),
  /** milliseconds since the epoch */
  at: z.number(),
  services: z.number(),
  backends: z.number(),
  program: z.string().optional(),
});
export type Seen = z.infer<typeof seenSchema>;

export interface LinkStore {
  /** how long the link of a cluster is up after it was seen so; milliseconds */
  readonly seenMs: number;
  addToken(token: TokenRecord): Promise<void>;
  /** undefined where there never was one, or it has long been taken off. @throws LinkError where that cannot be told now */
  token(id: string): Promise<{ token: TokenRecord; isUsed: boolean } | undefined>;
  /** Once. @returns whether this was the first use */
  useToken(id: string): Promise<boolean>;
  /** It was used for nothing. */
  giveTokenBack(id: string): Promise<void>;
  /** by name, whoever joined first first */
  clusters(): Promise<Map<string, ClusterRecord>>;
  /** The one of that joining; looked for again where it is not known. */
  clusterOf(joining: string): Promise<ClusterRecord | undefined>;
  putCluster(cluster: ClusterRecord): Promise<void>;
  /** Its certificate is another one. @returns whether it is there, and has not joined again since */
  renewed(cluster: ClusterRecord): Promise<boolean>;
  /** @returns whether there was one */
  removeCluster(name: string): Promise<boolean>;
  saw(name: string, seen: Seen): Promise<void>;
  /** by each replica of the gateway that has seen it */
  seen(name: string): Promise<Seen[]>;
}

/** By name, whoever joined first first. */
export const byJoining = (clusters: Iterable<ClusterRecord>): Map<string, ClusterRecord> =>
  new Map([...clusters].sort((a, b) => a.joined - b.joined || (a.name < b.name ? -1 : 1)).map((cluster) => [cluster.name, cluster]));

/** How long a used or expired token is remembered, for a clear refusal. Milliseconds. */
export const tokenMemoryMs = 30 * 86_400_000;

export class FileLinkStore implements LinkStore {
  /** A gateway that runs writes every 15 s. */
  readonly seenMs = 60_000;
  readonly #directory: string;

  /** @param directory absolute; made where it is missing */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async addToken(token: TokenRecord): Promise<void> {
    await this.#forgetOldTokens();
    await replaceFile(this.#path('tokens', token.id), `${JSON.stringify(token)}\n`);
  }

  async token(tokenId: string) {
    if (!joiningId.safeParse(tokenId).success) return undefined;
    const unused = await read(this.#path('tokens', tokenId), tokenSchema);
    if (unused) return { token: unused, isUsed: false };
    const used = await read(this.#path('used-tokens', tokenId), tokenSchema);
    return used && { token: used, isUsed: true };
  }

  async useToken(tokenId: string): Promise<boolean> {
    await mkdir(join(this.#directory, 'used-tokens'), { recursive: true, mode: 0o700 });
    // Only one of two can move it.
    return rename(this.#path('tokens', tokenId), this.#path('used-tokens', tokenId)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
  }

  async giveTokenBack(tokenId: string): Promise<void> {
    await rename(this.#path('used-tokens', tokenId), this.#path('tokens', tokenId));
  }

  async clusters(): Promise<Map<string, ClusterRecord>> {
    const found = new Map<string, ClusterRecord>();
    for (const name of await this.#names('clusters')) {
      const cluster = await read(this.#path('clusters', name), clusterSchema);
      if (cluster?.name === name) found.set(name, cluster);
    }
    return byJoining(found.values());
  }

  async clusterOf(joining: string): Promise<ClusterRecord | undefined> {
    return [...(await this.clusters()).values()].find((cluster) => cluster.id === joining);
  }

  async renewed(cluster: ClusterRecord): Promise<boolean> {
    const known = await read(this.#path('clusters', cluster.name), clusterSchema);
    if (known?.id !== cluster.id) return false;
    await this.putCluster(cluster);
    return true;
  }

  putCluster(cluster: ClusterRecord): Promise<void> {
    return replaceFile(this.#path('clusters', cluster.name), `${JSON.stringify(cluster)}\n`);
  }

  async removeCluster(name: string): Promise<boolean> {
    if (!clusterName.safeParse(name).success) return false;
    const wasThere = await rm(this.#path('clusters', name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
    await rm(this.#path('seen', name), { force: true });
    return wasThere;
  }

  saw(name: string, seen: Seen): Promise<void> {
    return replaceFile(this.#path('seen', name), `${JSON.stringify(seen)}\n`);
  }

  async seen(name: string): Promise<Seen[]> {
    const seen = await read(this.#path('seen', name), seenSchema);
    return seen ? [seen] : [];
  }

  async #forgetOldTokens(): Promise<void> {
    const before = Date.now() - tokenMemoryMs;
    for (const folder of ['tokens', 'used-tokens'])
      for (const name of await this.#names(folder)) {
        const token = await read(this.#path(folder, name), tokenSchema);
        if (token && token.expires < before) await rm(this.#path(folder, name), { force: true });
      }
  }

  async #names(folder: string): Promise<string[]> {
    const files = await readdir(join(this.#directory, folder)).catch(() => []);
    return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  }

  #path(folder: string, name: string): string {
    return join(this.#directory, folder, `${name}.json`);
  }
}

/** undefined where there is none, or it cannot be read: then nobody gets in by it */
async function read<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}
