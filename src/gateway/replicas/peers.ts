/** The replicas of the gateway: which one this is, where the others are, and which services have backends there. */
import { lookup } from 'node:dns/promises';
import type { Config } from '../../config/schema.ts';
import { ownerOf } from '../../frp/proxy-names.ts';
import { askServerApi, type Credentials } from '../../frp/server-api.ts';
import type { ProxyStatus } from '../api/proxy-status.ts';

/** HAProxy's peers (manifests/gateway/services.yaml) */
export const peersPort = 10_000;
const timeoutMs = 2000;

export interface Replica {
  /** such as frp-gateway-0 */
  name: string;
  ordinal: number;
  /** by the headless Service, which has the StatefulSet's name */
  host: string;
}

/** Why a replica can have no sidecars; undefined where it can. @param pod its name, which ends in its ordinal in `gateway.addresses` */
export function ordinalProblem(pod: string, { gateway: { addresses } }: Config): string | undefined {
  const [, ordinal] = /-([0-9]+)$/.exec(pod) ?? [];
  if (ordinal !== undefined && Number(ordinal) < addresses.length) return undefined;
  return `gateway.addresses has ${addresses.length} addresses and none for Pod ${pod}: no sidecar dials it; add its address, or run ${addresses.length} replicas`;
}

/** Every replica that `gateway.addresses` speaks of. @param pod name of this one */
export function replicasOf(pod: string, { gateway }: Config): Replica[] {
  const set = pod.replace(/-[0-9]+$/, '');
  return gateway.addresses.map((_, ordinal) => ({
    name: `${set}-${ordinal}`,
    ordinal,
    host: `${set}-${ordinal}.${set}.${gateway.namespace}.svc`,
  }));
}

/** IP addresses of the replicas that are there. */
export class PeerAddresses {
  readonly #known = new Map<string, string>();
  readonly #resolve: (host: string) => Promise<{ address: string }>;

  /** @param resolve fails with code ENOTFOUND where a name is no more */
  constructor(resolve: (host: string) => Promise<{ address: string }> = (host) => lookup(host)) {
    this.#resolve = resolve;
  }

  /** @returns whether any has changed */
  async refresh(replicas: readonly Replica[]): Promise<boolean> {
    let hasChanged = false;
    await Promise.all(
      replicas.map(async ({ name, host }) => {
        const address = await this.#resolve(host).then(
          (found) => found.address,
          // A name that is no more: the address may be somebody else's soon. A server that does not answer says nothing.
          (error: NodeJS.ErrnoException) => (error.code === 'ENOTFOUND' ? undefined : this.#known.get(name)),
        );
        if (this.#known.get(name) === address) return;
        if (address === undefined) this.#known.delete(name);
        else this.#known.set(name, address);
        hasChanged = true;
      }),
    );
    return hasChanged;
  }

  /** as HAProxy's `peer` lines want them, in the order of names */
  peers(): { name: string; address: string }[] {
    return [...this.#known]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, address]) => ({ name, address: `${address.includes(':') ? `[${address}]` : address}:${peersPort}` }));
  }
}

/** Services (namespace/name) that have a backend at a replica. @throws where it cannot be asked */
export async function servicesAt(
  host: string,
  { port, credentials, authorityPem }: { port: number; credentials: Credentials | undefined; authorityPem: string | undefined },
): Promise<Set<string>> {
  if (!credentials) throw new Error('Secret frp-server-api is not there yet');
  const url = new URL('/api/proxy/tcp', `https://${host}:${port}`);
  const { proxies } = (await askServerApi(url, { credentials, authorityPem, signal: AbortSignal.timeout(timeoutMs) })) as {
    proxies: ProxyStatus[];
  };
  return servicesOnline(proxies);
}

export const servicesOnline = (proxies: readonly ProxyStatus[]): Set<string> =>
  new Set(proxies.filter(({ status }) => status === 'online').flatMap(({ name }) => ownerOf(name)?.service ?? []));
