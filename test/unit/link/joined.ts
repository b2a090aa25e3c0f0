/** A gateway's end of links and a cluster's, with real sockets on loopback between them. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, type Authority } from '../../../certs/authority.ts';
import { defaultConfig } from '../../../src/config/schema.ts';
import type { TunnelRefusal } from '../../../src/gateway/admission/recent-refusals.ts';
import type { PoolStatus } from '../../../src/gateway/api/pool-status.ts';
import type { ProxyStatus } from '../../../src/gateway/api/proxy-status.ts';
import { createToken } from '../../../src/gateway/links/joining.ts';
import { FileLinkStore, type LinkStore } from '../../../src/gateway/links/link-store.ts';
import { openLinks, type Links, type LinksDeps } from '../../../src/gateway/links/links.ts';
import { Copies } from '../../../src/gateway/sources/secret-copies.ts';
import type { HomeSource } from '../../../src/gateway/sources/source.ts';
import { Sources } from '../../../src/gateway/sources/sources.ts';
import { HeldLink, joinWith, type HeldLinkOptions, type LinkIdentity } from '../../../src/link/held-link.ts';
import { parseToken } from '../../../src/link/token.ts';
import type { Log } from '../../../src/log.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import { endOf, type End } from './ends.ts';

export const quiet = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;

export interface TestGateway {
  links: Links;
  sources: Sources;
  store: LinkStore;
  authority: Authority;
  directory: string;
  port: number;
  statuses: ProxyStatus[];
  pools: PoolStatus[];
  refusedTunnels: TunnelRefusal[];
  token(cluster?: string, more?: { grant?: object; ttlMs?: number; addresses?: string[] }): Promise<string>;
  close(): Promise<void>;
}

const home = (): HomeSource => ({
  cluster: '',
  services: new ServiceStore(),
  pods: undefined,
  copies: new Copies(() => {}),
  revoked: new Map(),
  tokens: {
    issuer: () => undefined,
    keys: { resolve: () => Promise.reject(new Error('none')), set: undefined, problem: undefined },
    trusts: () => true,
  },
  synced: Promise.resolve(),
  isCurrent: () => true,
  problem: () => undefined,
  close: async () => {},
  server: undefined,
  api: undefined,
});

let authority: Promise<Authority> | undefined;

/** @param more `addresses`: gets that of this gateway, and may have those of other replicas; `authority`: as it is, or as it changes */
export async function startGateway(
  more: Partial<Omit<LinksDeps, 'addresses' | 'authority'>> & {
    port?: number;
    addresses?: string[];
    authority?: Authority | (() => Authority);
  } = {},
): Promise<TestGateway> {
  const given = more.authority ?? (await (authority ??= createAuthority({ lifetimeMs: 86_400_000_000, now: Date.now() })));
  const current = typeof given === 'function' ? given : () => given;
  const directory = more.directory ?? mkdtempSync(join(tmpdir(), 'link-'));
  const store = more.store ?? new FileLinkStore(directory);
  const sources = new Sources(home);
  const statuses: ProxyStatus[] = [];
  const pools: PoolStatus[] = [];
  const refusedTunnels: TunnelRefusal[] = [];
  const { addresses = [] } = more;
  const links = await openLinks({
    sources,
    config: defaultConfig,
    listing: async () => ({ proxies: statuses, pools }),
    refusals: () => [],
    refusedTunnels: (cluster) => refusedTunnels.filter((refusal) => refusal.cluster === cluster),
    log: quiet,
    tellMs: 50,
    ...more,
    authority: current,
    store,
    addresses,
    directory,
  });
  const port = await links.listen('127.0.0.1', more.port ?? 0);
  addresses.push(`127.0.0.1:${port}`);
  const token: TestGateway['token'] = (cluster = 'home', { grant = {}, ttlMs = 900_000, addresses: others } = {}) =>
    createToken({ store, authority: current(), addresses: others ?? addresses }, { cluster, grant, ttlMs });
  return {
    links,
    sources,
    store,
    authority: current(),
    directory,
    port,
    statuses,
    pools,
    refusedTunnels,
    token,
    close: () => links.close(),
  };
}

export interface TestCluster {
  end: End;
  link: HeldLink;
  identity: LinkIdentity;
  close(): Promise<void>;
}

export const joinAs = (token: string, proxy?: string): Promise<LinkIdentity> =>
  joinWith(parseToken(token), AbortSignal.timeout(20_000), proxy);

export function startCluster(identity: LinkIdentity, more: Partial<HeldLinkOptions> & { end?: End } = {}): TestCluster {
  const { end = endOf(), ...rest } = more;
  const link = new HeldLink({
    identity: () => identity,
    renewed: async () => {},
    outbox: end.outbox,
    inbox: end.inbox,
    changed: () => {},
    backoff: { minMs: 20, maxMs: 100 },
    ...rest,
  });
  return { end, link, identity, close: () => link.close() };
}

/** Waits for what must come. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 500) throw new Error(`it did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const serviceItem = (
  name: string,
  { namespace = 'prod', spec = {}, ...metadata }: { namespace?: string; spec?: object } & Record<string, unknown> = {},
) => ({
  kind: 'service',
  key: `${namespace}/${name}`,
  value: {
    metadata: { name, namespace, uid: `uid-${name}`, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
    spec: {
      serviceType: 'http',
      backends: { discovery: { mode: 'auto' } },
      expose: { type: 'domain', domain: `${name}.example.com` },
      ...spec,
    },
  } as never,
});
