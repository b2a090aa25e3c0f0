/** Who has which host and port, over clusters that join, change, lie, go away and come back, and replicas that start anew. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { kubeHoldings } from '../../../src/gateway/claims/kube-holdings.ts';
import { LinkSecrets } from '../../../src/gateway/links/link-secrets.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';
import { Holdings, letGoMs } from '../../../src/gateway/claims/holdings.ts';
import { fileHoldings, memoryHoldings, type HoldingsStore } from '../../../src/gateway/claims/holdings-store.ts';
import { Copies } from '../../../src/gateway/sources/secret-copies.ts';
import type { HomeSource, Source } from '../../../src/gateway/sources/source.ts';
import { Sources } from '../../../src/gateway/sources/sources.ts';
import { serviceKey, ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { quiet } from '../link/joined.ts';

type Expose = NonNullable<DistributedServiceSpec['expose']>;

let versions = 0;
/** @param year of its creation, as its cluster says */
function service(key: string, expose: Expose, year = 2026): DistributedService {
  const [namespace = '', name = ''] = key.split('/');
  const metadata = { namespace, name, creationTimestamp: `${year}-01-01T00:00:00Z`, resourceVersion: String(++versions) };
  const spec = {
    serviceType: expose.type === 'port' ? 'tcp' : 'http',
    backends: { discovery: { mode: 'auto' as const } },
    expose,
  } as DistributedServiceSpec;
  return { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata, spec };
}
const domain = (name: string): Expose => ({ type: 'domain', domain: name });

class TestSource {
  readonly services = new ServiceStore();
  isCurrent = true;
  readonly source: Source;

  constructor(cluster: string) {
    const keys = { set: { keys: [] }, problem: undefined, resolve: () => Promise.reject(new Error('none')) };
    this.source = {
      cluster,
      services: this.services,
      pods: undefined,
      copies: new Copies(() => {}),
      revoked: new Map(),
      tokens: { issuer: () => undefined, keys, trusts: () => true },
      synced: Promise.resolve(),
      isCurrent: () => this.isCurrent,
      problem: () => undefined,
      close: async () => {},
    };
  }
}

class Replica {
  readonly #clusters = new Map<string, TestSource>();
  readonly sources: Sources;
  readonly holdings: Holdings;
  static now = 0;

  /** @param wanted by cluster, in the order of joining, as this replica knows it at its start */
  constructor(store: HoldingsStore, wanted: ReadonlyMap<string, readonly DistributedService[]>) {
    const home = new TestSource('');
    this.sources = new Sources(() => home.source as HomeSource);
    this.#clusters.set('', home);
    for (const [cluster, services] of wanted) {
      if (cluster !== '') this.#join(cluster);
      for (const each of services) this.of(cluster).services.set(each);
    }
    this.holdings = new Holdings({
      sources: this.sources,
      config: { baseDomain: 'base.io', exposure: [] },
      store,
      log: quiet,
      now: () => Replica.now,
    });
    this.holdings.start();
  }

  #join(cluster: string): void {
    const joined = new TestSource(cluster);
    this.#clusters.set(cluster, joined);
    this.sources.add(joined.source);
  }

  of(cluster: string): TestSource {
    if (!this.#clusters.has(cluster)) this.#join(cluster);
    return this.#clusters.get(cluster)!;
  }

  remove(cluster: string): void {
    this.#clusters.delete(cluster);
    this.sources.remove(cluster);
  }

  /** namespace/name of those that users reach */
  get served(): DistributedService[] {
    return [...this.holdings.services.all()].filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  serves(key: string): boolean {
    return this.holdings.services.byKey(key) !== undefined;
  }

  async after(ms: number): Promise<void> {
    Replica.now += ms;
    await this.holdings.settle();
  }
}

const keys = ['a/1', 'a/2', 'b/1', 'b/2', 'c/1'];
const clusters = ['', 'east', 'west', 'north'];
const exposes: Expose[] = [
  ...['x.io', 'one.x.io', '*.x.io', 'two.one.x.io', '*.one.x.io', 'y.io', '*.y.io'].map(domain),
  { type: 'domain', domain: 'y.io', path: '/v1' },
  { type: 'port', port: 5000 },
  { type: 'port', port: 5001 },
];

type Step =
  | { do: 'put'; cluster: string; key: string; expose: Expose; year: number }
  | { do: 'delete' | 'remake'; cluster: string; key: string }
  | { do: 'restart'; replica: 0 | 1; isFresh: boolean }
  | { do: 'away' | 'back'; replica: 0 | 1; cluster: string }
  | { do: 'leave'; cluster: string }
  | { do: 'wait'; ms: number };

const of = fc.record({ cluster: fc.constantFrom(...clusters), key: fc.constantFrom(...keys) });
const joined = fc.constantFrom(...clusters.slice(1));
const replica = fc.constantFrom<(0 | 1)[]>(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(of, fc.constantFrom(...exposes), fc.integer({ min: 1970, max: 2050 }))
      .map(([where, expose, year]): Step => ({ do: 'put', ...where, expose, year })),
  },
  { weight: 2, arbitrary: fc.tuple(of, fc.constantFrom('delete', 'remake')).map(([where, what]): Step => ({ do: what, ...where })) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart'), replica, isFresh: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('away', 'back'), replica, cluster: joined }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave'), cluster: joined }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(1000, 2 * letGoMs) }) },
);

/** What all clusters want, and two replicas that are told of it as far as their links are up. */
class World {
  readonly wanted = new Map<string, Map<string, DistributedService>>();
  readonly away = [new Set<string>(), new Set<string>()];
  readonly store = memoryHoldings();
  readonly replicas = [new Replica(this.store, new Map()), new Replica(this.store, new Map())];

  constructor() {
    for (const cluster of clusters) this.wanted.set(cluster, new Map());
    for (const each of this.replicas) for (const cluster of clusters) each.of(cluster);
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case 'put':
        this.#tell(step.cluster, (all) => all.set(step.key, service(step.key, step.expose, step.year)));
        break;
      case 'delete':
        this.#tell(step.cluster, (all) => all.delete(step.key));
        break;
      case 'remake': {
        const before = this.wanted.get(step.cluster)!.get(step.key);
        if (!before) break;
        this.#tell(step.cluster, (all) => all.delete(step.key));
        await this.#settle(1000);
        this.#tell(step.cluster, (all) => all.set(step.key, service(step.key, before.spec.expose!, 2050)));
        break;
      }
      case 'restart': {
        const names = [...this.wanted.keys()];
        const known = new Map(names.map((cluster) => [cluster, [...this.replicas[step.replica]!.of(cluster).services.all()]]));
        const fresh = new Map(names.map((cluster) => [cluster, cluster === '' ? known.get('')! : []]));
        await this.replicas[step.replica]!.holdings.close();
        const next = new Replica(this.store, step.isFresh ? fresh : known);
        this.replicas[step.replica] = next;
        for (const cluster of clusters) if (cluster !== '') next.of(cluster).isCurrent = false;
        await this.#settle(1000);
        this.#connect(step.replica);
        break;
      }
      case 'away':
        this.away[step.replica]!.add(step.cluster);
        this.replicas[step.replica]!.of(step.cluster).isCurrent = false;
        break;
      case 'back':
        this.away[step.replica]!.delete(step.cluster);
        this.#connect(step.replica);
        break;
      case 'leave':
        // Who joins anew is the last one.
        this.wanted.delete(step.cluster);
        this.wanted.set(step.cluster, new Map());
        for (const each of this.replicas) {
          each.remove(step.cluster);
          each.of(step.cluster);
        }
        for (const away of this.away) away.delete(step.cluster);
        break;
      case 'wait':
        for (let ms = 0; ms < step.ms; ms += 1000) await this.#settle(1000);
    }
    await this.#settle(1000);
    await this.#settle(0);
  }

  #tell(cluster: string, change: (all: Map<string, DistributedService>) => void): void {
    change(this.wanted.get(cluster)!);
    this.replicas.forEach((_, index) => this.#connect(index));
  }

  /** Links that are not cut tell all that is wanted. */
  #connect(index: number): void {
    for (const [cluster, services] of this.wanted) {
      if (this.away[index]!.has(cluster)) continue;
      const source = this.replicas[index]!.of(cluster);
      source.services.replace(services.values());
      source.isCurrent = true;
    }
  }

  async #settle(ms: number): Promise<void> {
    Replica.now += ms;
    for (const each of this.replicas) await each.holdings.settle();
  }

  async close(): Promise<void> {
    for (const each of this.replicas) await each.holdings.close();
  }

  /** What users get of a service, as the clusters want it now. */
  now(key: string): DistributedService | undefined {
    return [...this.wanted.values()].flatMap((services) => services.get(key) ?? [])[0];
  }
}

const claimText = ({ expose }: DistributedServiceSpec): string => JSON.stringify(expose);
const textOf = (one: DistributedService): string => `${serviceKey(one)} ${claimText(one.spec)}`;
const hostOf = ({ spec }: DistributedService): string | undefined => spec.expose?.domain;
const covers = (a: string, b: string): boolean => a === b || (a.startsWith('*.') && b.replace(/^\*\./, 'x.').endsWith(a.slice(1)));
/** Whether two services cannot both have what they claim. */
function clash(a: DistributedService, b: DistributedService): boolean {
  if (serviceKey(a) === serviceKey(b)) return false;
  if (claimText(a.spec) === claimText(b.spec)) return true;
  const [one, other] = [hostOf(a), hostOf(b)];
  return (
    one !== undefined && other !== undefined && a.metadata.namespace !== b.metadata.namespace && (covers(one, other) || covers(other, one))
  );
}

/** Whether what users are to get of a service is still at the same place. */
function stillClaims(world: World, one: DistributedService): boolean {
  const now = world.now(serviceKey(one));
  return now !== undefined && claimText(now.spec) === claimText(one.spec);
}

/** A replica that has never heard the cluster which decides, and no longer hears the one whose word it goes by. */
const cutOffFromBoth: Step[] = [
  { do: 'leave', cluster: 'east' },
  { do: 'away', replica: 0, cluster: 'north' },
  { do: 'put', cluster: 'north', key: 'a/2', expose: { type: 'domain', domain: 'y.io', path: '/v1' }, year: 1970 },
  { do: 'put', cluster: 'east', key: 'a/2', expose: { type: 'domain', domain: 'x.io' }, year: 1970 },
  { do: 'away', replica: 0, cluster: 'east' },
  { do: 'put', cluster: '', key: 'a/1', expose: { type: 'domain', domain: 'x.io' }, year: 1970 },
  { do: 'wait', ms: 10_000 },
  { do: 'put', cluster: '', key: 'a/1', expose: { type: 'domain', domain: 'x.io' }, year: 1970 },
];

describe('a host or port that is served', () => {
  it('is never lost to a later claim of any cluster, at any replica, whatever ages services say they have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = new World();
        const isHome = (each: DistributedService) => world.wanted.get('')!.has(serviceKey(each));
        let held: DistributedService[] = [];
        try {
          for (const each of steps) {
            await world.do(each);
            const served = world.replicas.flatMap((replica) => replica.served);
            held = held.filter((one) => stillClaims(world, one));
            const taken = held.flatMap((one) =>
              // The gateway's own cluster decides among its own services.
              served.filter((other) => clash(one, other) && !(isHome(one) && isHome(other))).map((other) => [one, other].map(textOf)),
            );
            assert.deepEqual(taken, []);
            held.push(...served.filter((one) => stillClaims(world, one)));
          }
        } finally {
          await world.close();
        }
      }),
      { numRuns: 300, examples: [[cutOffFromBoth]] },
    );
  });

  const away = { directory: '' };
  after(() => rmSync(away.directory, { recursive: true, force: true }));

  it('stays with its holder after a restart from the disk, whoever is heard first then', async () => {
    away.directory = mkdtempSync(join(tmpdir(), 'frp-k8s-holdings-'));
    const file = join(away.directory, 'claims.json');
    const first = new Replica(
      fileHoldings(file),
      new Map([
        ['early', []],
        ['late', []],
      ]),
    );
    first.of('late').services.set(service('b/1', domain('x.io'), 2026));
    first.of('early').services.set(service('a/1', domain('x.io'), 1970));
    assert.deepEqual([first.serves('b/1'), first.serves('a/1')], [true, false]);
    await first.holdings.close();
    const wanted = [service('a/1', domain('x.io'), 1970)];
    const next = new Replica(
      fileHoldings(file),
      new Map([
        ['early', wanted],
        ['late', []],
      ]),
    );
    next.of('late').isCurrent = false;
    await next.after(10 * letGoMs);
    assert.equal(next.serves('a/1'), false, 'the holder has not said yet what it wants');
    next.of('late').services.set(service('b/1', domain('x.io'), 2026));
    assert.equal(next.serves('b/1'), true);
    await next.holdings.close();
  });

  it('goes to who has waited for it when its holder has let go of it for a while, and not sooner', async () => {
    const store = memoryHoldings();
    const replica = new Replica(
      store,
      new Map([
        ['east', []],
        ['west', []],
      ]),
    );
    const [east, west] = [replica.of('east').services, replica.of('west').services];
    east.set(service('a/1', domain('x.io')));
    west.set(service('b/1', domain('*.x.io')));
    west.set(service('b/2', domain('x.io')));
    assert.deepEqual(
      replica.holdings.conflictsOf(west.byKey('b/2')!).map(({ kind }) => kind),
      ['duplicate'],
    );
    await replica.after(1000);
    east.delete('a', '1');
    await replica.after(letGoMs - 1);
    assert.equal(replica.serves('b/2'), false);
    await replica.after(1);
    assert.equal(replica.serves('b/2'), true);
    assert.deepEqual([...store.read().keys()].sort(), ['b/1 http *.x.io /', 'b/2 http x.io /']);
    await replica.holdings.close();
  });

  it('is not held by a service that is being deleted, nor by a cluster that was removed', async () => {
    const replica = new Replica(
      memoryHoldings(),
      new Map([
        ['east', []],
        ['west', []],
      ]),
    );
    const [east, west] = [replica.of('east').services, replica.of('west').services];
    for (const [key, expose] of [
      ['a/1', domain('x.io')],
      ['a/2', domain('y.io')],
    ] as const)
      east.set(service(key, expose));
    for (const [key, expose] of [
      ['b/1', domain('x.io')],
      ['b/2', domain('y.io')],
    ] as const)
      west.set(service(key, expose));
    const one = service('a/1', domain('x.io'));
    east.set({ ...one, metadata: { ...one.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
    await replica.after(letGoMs);
    assert.deepEqual([replica.serves('b/1'), replica.serves('b/2')], [true, false]);
    replica.remove('east');
    await replica.after(0);
    await replica.after(letGoMs);
    assert.equal(replica.serves('b/2'), true);
    await replica.holdings.close();
  });

  it("of the gateway's own cluster is not taken by one that joins, nor the reverse, and its owner is told", async () => {
    const replica = new Replica(
      memoryHoldings(),
      new Map([
        ['', [service('a/1', domain('x.io'))]],
        ['east', []],
      ]),
    );
    replica.of('east').services.set(service('b/1', domain('x.io'), 1970));
    replica.of('east').services.set(service('b/2', domain('y.io')));
    replica.of('').services.set(service('a/2', domain('y.io'), 1970));
    assert.deepEqual(
      ['a/1', 'b/1', 'b/2', 'a/2'].map((key) => replica.serves(key)),
      [true, false, true, false],
    );
    const [refusal, ...others] = replica.holdings.refusals();
    assert.match(refusal!.message, /^y\.io\/ is held by a cluster that has joined the gateway; /);
    assert.deepEqual([refusal!.service, others], ['a/2', []]);
    await replica.holdings.close();
  });

  it('is kept for each cluster up to its share of the room, however much one makes and deletes', async () => {
    const store = memoryHoldings();
    const replica = new Replica(
      store,
      new Map([
        ['evil', []],
        ['calm', []],
      ]),
    );
    const host = (i: number, round: number) => domain(`${`${round}x${i}`.padEnd(60, 'x')}.${'y'.repeat(60)}.example.com`);
    for (let round = 0; round < 2; round++) {
      const made = Array.from({ length: 800 }, (_, i) => service(`evil/${round}-${i}`, host(i, round)));
      replica.of('evil').services.replace(made);
      await replica.after(1000);
    }
    replica.of('calm').services.set(service('calm/1', domain('calm.example.com')));
    await replica.after(letGoMs);
    const bytes = (cluster: string) => [...store.read()].filter(([, of]) => of === cluster).reduce((sum, [id]) => sum + id.length, 0);
    assert.ok(bytes('evil') > 50_000 && bytes('evil') <= 100_000, `${bytes('evil')}`);
    assert.equal(store.read().get('calm/1 http calm.example.com /'), 'calm');
    replica.of('evil').services.replace([]);
    await replica.after(1000);
    await replica.after(letGoMs);
    assert.deepEqual([...store.read().values()], ['calm']);
    await replica.holdings.close();
  });

  it('is of one service at all replicas of a gateway in a cluster, although each was told by another one first', async (t) => {
    const api = await ApiServer.start();
    t.after(() => api.close());
    away.directory ||= mkdtempSync(join(tmpdir(), 'frp-k8s-holdings-'));
    const start = async (name: string) => {
      const secrets = new LinkSecrets({ client: api.client, namespace: 'frp-gateway' });
      await secrets.follow(join(away.directory, name), quiet);
      t.after(() => secrets.close());
      const replica = new Replica(
        kubeHoldings(secrets),
        new Map([
          ['east', []],
          ['west', []],
        ]),
      );
      t.after(() => replica.holdings.close());
      return replica;
    };
    const [one, other] = [await start('one'), await start('other')];
    const tell = (replica: Replica, cluster: string) =>
      replica.of(cluster).services.set(service(cluster === 'east' ? 'a/1' : 'b/1', domain('x.io')));
    tell(one, 'east');
    tell(other, 'west');
    await Promise.all([one.after(0), other.after(0)]);
    tell(one, 'west');
    tell(other, 'east');
    const said = () => [one, other].map((replica) => [replica.serves('a/1'), replica.serves('b/1')].join());
    await until(async () => {
      await Promise.all([one.after(0), other.after(0)]);
      return new Set(said()).size === 1;
    });
    assert.ok(['true,false', 'false,true'].includes(said()[0]!), said()[0]);
    const before = said()[0];
    const fresh = await start('fresh');
    for (const cluster of ['west', 'east']) tell(fresh, cluster);
    assert.equal([fresh.serves('a/1'), fresh.serves('b/1')].join(), before, 'a new replica knows it');
  });
});
