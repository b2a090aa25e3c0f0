import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { Claims, hostConflict, type ClaimRules, type Conflict } from '../../../src/model/claims.ts';
import { exposuresOf, type Exposure } from '../../../src/model/exposure.ts';
import { eligibilityOf } from '../../../src/model/grants.ts';
import { coversHost, hostsOverlap } from '../../../src/model/hosts.ts';
import { serviceKey, ServiceStore } from '../../../src/model/store.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';

type Expose = NonNullable<DistributedServiceSpec['expose']>;

function service(key: string, minute: number, serviceType: DistributedServiceSpec['serviceType'], expose: Expose): DistributedService {
  const [namespace = '', name = ''] = key.split('/');
  const creationTimestamp = `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`;
  return {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { namespace, name, creationTimestamp },
    spec: { serviceType, backends: { discovery: {} }, expose },
  };
}

const host = (key: string, minute: number, domain: string, path = '/') => service(key, minute, 'http', { type: 'domain', domain, path });
const port = (key: string, minute: number, number: number) => service(key, minute, 'tcp', { type: 'port', port: number });

function claimsOf(services: DistributedService[], rules: ClaimRules = { exposure: [] }): Claims {
  const store = new ServiceStore();
  for (const each of services) store.set(each);
  return new Claims(store, rules);
}

const others = (conflicts: Conflict[]): string[] => conflicts.map((conflict) => ('other' in conflict ? conflict.other : conflict.kind));

suite('hosts', () => {
  test('a wildcard covers every name below it, at any depth, and not the domain itself', () => {
    assert.ok(coversHost('*.example.com', 'a.b.example.com'));
    assert.ok(coversHost('*.example.com', '*.b.example.com'));
    assert.ok(!coversHost('*.example.com', 'example.com'));
    assert.ok(!coversHost('*.example.com', 'badexample.com'));
    assert.ok(hostsOverlap('a.example.com', '*.example.com'));
  });
});

suite('claims', () => {
  test('a host is wholly of the namespace of its oldest service', () => {
    const first = host('a/x', 1, 'h.example.com', '/one');
    const claims = claimsOf([first]);
    assert.deepEqual(others(claims.conflictsOfNew(host('b/y', 2, 'h.example.com', '/two'))), ['a/x']);
    assert.deepEqual(claims.conflictsOfNew(host('a/y', 2, 'h.example.com', '/two')), []);
  });

  test('the same host and path, or port, is one service’s alone', () => {
    const claims = claimsOf([host('a/x', 1, 'h.example.com'), port('a/p', 1, 5000)]);
    assert.deepEqual(others(claims.conflictsOfNew(host('a/y', 2, 'h.example.com'))), ['a/x']);
    assert.deepEqual(others(claims.conflictsOfNew(port('b/y', 2, 5000))), ['a/p']);
    assert.deepEqual(claims.conflictsOfNew(service('b/y', 2, 'udp', { port: 5000 })), []);
  });

  test('a service that moves to a host yields to its owner, however old it is itself', () => {
    const claims = claimsOf([host('a/old', 1, 'a.example.com'), host('b/young', 5, 'b.example.com')]);
    assert.deepEqual(others(claims.conflictsOfNew(host('a/old', 1, 'b.example.com'))), ['b/young']);
    assert.deepEqual(claims.conflictsOfNew(host('a/old', 1, 'a.example.com')), []);
  });

  test('what slipped through: the younger loses, and takes nothing from anyone', () => {
    const [x, y, z] = [host('a/x', 1, 'a.example.com'), host('b/y', 2, '*.example.com'), host('c/z', 3, 'c.example.com')];
    const claims = claimsOf([x, y, z]);
    assert.deepEqual(
      [x, y, z].map((each) => others(claims.conflictsOf(each))),
      [[], ['a/x'], []],
    );
  });

  test('equal age is told apart by namespace and name', () => {
    const [x, y] = [port('a/x', 1, 5000), port('b/y', 1, 5000)];
    const claims = claimsOf([y, x]);
    assert.deepEqual(others(claims.conflictsOf(x)), []);
    assert.deepEqual(others(claims.conflictsOf(y)), ['a/x']);
  });

  test('a grant replaces age: the granted namespace wins, others are refused', () => {
    const rules: ClaimRules = { exposure: [{ namespaces: ['b'], hosts: ['*.b.example.com'], ports: ['6000-6010'] }] };
    const squatter = host('a/x', 1, 'db.b.example.com');
    const claims = claimsOf([squatter], rules);
    assert.deepEqual(claims.conflictsOfNew(host('b/y', 2, 'db.b.example.com')), []);
    assert.equal(claims.conflictsOf(squatter)[0]?.kind, 'notGranted');
    assert.equal(claims.conflictsOfNew(host('a/z', 2, '*.example.com'))[0]?.kind, 'notGranted');
    assert.equal(claims.conflictsOfNew(port('a/z', 2, 6010))[0]?.kind, 'notGranted');
    assert.deepEqual(claims.conflictsOfNew(port('a/z', 2, 6011)), []);
  });

  test('two grants, as a denial proposes them, part a wildcard and a name below it between their namespaces', () => {
    const [wildcard, name] = [host('a/x', 1, '*.example.com'), host('b/y', 2, 'api.example.com')];
    assert.deepEqual(
      claimsOf([wildcard])
        .conflictsOfNew(name)
        .map(({ kind }) => kind),
      ['foreign'],
    );
    const grant = (namespace: string, named: string) => ({ namespaces: [namespace], hosts: [named], ports: [] });
    const claims = claimsOf([wildcard], { exposure: [grant('a', '*.example.com'), grant('b', 'api.example.com')] });
    assert.deepEqual([claims.conflictsOf(wildcard), claims.conflictsOfNew(name)], [[], []]);
    // The name alone would take the wildcard from its namespace.
    const one = claimsOf([wildcard], { exposure: [grant('b', 'api.example.com')] });
    assert.equal(one.conflictsOf(wildcard)[0]?.kind, 'notGranted');
  });

  test('names below a public suffix, and the base domain, are nobody’s without a grant', () => {
    const granted: ClaimRules['exposure'] = [
      { namespaces: ['ops'], hosts: ['*.com', '*.apps.example.org', 'apps.example.org'], ports: [] },
    ];
    const kindOf = (rules: ClaimRules, domain: string, namespace = 'a') =>
      claimsOf([], rules).conflictsOfNew(host(`${namespace}/x`, 1, domain))[0]?.kind;
    const baseDomain = 'apps.example.org';
    for (const domain of ['*.com', '*.co.uk', '*.github.io', '*.io', '*.internal', baseDomain, `*.${baseDomain}`, '*.example.org', '*.org'])
      assert.equal(kindOf({ exposure: [], baseDomain }, domain), 'reserved', domain);
    for (const domain of [
      '*.example.com',
      'example.com',
      'a.github.io',
      '*.a.co.uk',
      `a.${baseDomain}`,
      `*.a.${baseDomain}`,
      'example.org',
      'web',
    ])
      assert.equal(kindOf({ exposure: [], baseDomain }, domain), undefined, domain);
    for (const domain of ['*.com', baseDomain, `*.${baseDomain}`]) {
      assert.equal(kindOf({ exposure: granted, baseDomain }, domain, 'ops'), undefined, domain);
      assert.equal(kindOf({ exposure: granted, baseDomain }, domain), 'notGranted', domain);
    }
    assert.equal(kindOf({ exposure: granted, baseDomain }, '*.org', 'ops'), 'notGranted', 'a grant of a part is not one of the whole');
  });

  test('a host below the base domain meets the same host in full', () => {
    const claims = claimsOf([host('a/x', 1, 'llm.base.example')], { exposure: [], baseDomain: 'base.example' });
    assert.deepEqual(others(claims.conflictsOfNew(service('b/y', 2, 'http', { type: 'subdomain', subdomain: 'llm' }))), ['a/x']);
  });

  test('a service that is being deleted claims nothing from anyone, whatever it is changed to', () => {
    const deleting = { ...host('a/old', 1, 'b.example.com') };
    deleting.metadata = { ...deleting.metadata, deletionTimestamp: '2026-01-01T01:00:00Z' };
    const served = host('b/young', 5, 'b.example.com');
    const claims = claimsOf([deleting, served]);
    assert.deepEqual(claims.conflictsOf(served), []);
    assert.deepEqual(others(claims.conflictsOf(deleting)), ['b/young']);
    assert.deepEqual(claimsOf([deleting]).conflictsOfNew(served), [], 'the next one need not wait for its end');
  });

  test('the status decides before age does: an older service that moves to a host does not take it', () => {
    const served = judged(host('b/young', 5, 'b.example.com'));
    const older = host('a/old', 1, 'b.example.com');
    assert.deepEqual(others(claimsOf([older, served]).conflictsOf(older)), ['b/young']);
    const lost = judged(older, 'b/young');
    const edited = { ...served, metadata: { ...served.metadata, generation: 2 } };
    assert.deepEqual(claimsOf([lost, edited]).conflictsOf(edited), [], 'nor where its owner is just being edited');
    assert.deepEqual(claimsOf([lost]).conflictsOf(lost), [], 'and has it when the owner is gone');
  });

  test('a store with malformed services answers all the same', () => {
    const broken = [{ ...host('a/x', 1, 'h.example.com'), spec: null }, host('a/y', 1, 5 as unknown as string)] as DistributedService[];
    assert.deepEqual(claimsOf(broken).conflictsOfNew(host('b/z', 2, 'h.example.com')), []);
  });
});

/** As the controller leaves it: with its word on the generation that it has seen. */
function judged(service: DistributedService, other?: string): DistributedService {
  const { generation = 1 } = service.metadata;
  const told = other === undefined ? ({ status: 'True', reason: 'Valid' } as const) : ({ status: 'False', reason: hostConflict } as const);
  const condition = { type: 'ConfigurationValid' as const, ...told };
  return { ...service, metadata: { ...service.metadata, generation }, status: { observedGeneration: generation, conditions: [condition] } };
}

/** The definition, without any index: services in order of age, each against the winners before it. */
function naiveLosers(services: DistributedService[], { exposure: grants, baseDomain }: ClaimRules): Set<string> {
  const age = (each: DistributedService) => `${each.metadata.creationTimestamp} ${serviceKey(each)}`;
  const winners: { key: string; namespace: string; exposures: Exposure[] }[] = [];
  const losers = new Set<string>();
  for (const each of [...services].sort((a, b) => (age(a) < age(b) ? -1 : 1))) {
    const namespace = each.metadata.namespace!;
    const exposures = exposuresOf(each.spec, baseDomain);
    const loses = exposures.some((mine) => {
      const eligibility = eligibilityOf(grants, namespace, mine, baseDomain).kind;
      if (eligibility === 'refused' || eligibility === 'reserved') return true;
      return winners.some((winner) =>
        winner.exposures.some((theirs) => {
          if (JSON.stringify(mine) === JSON.stringify(theirs)) return true;
          const hosts = 'host' in mine && 'host' in theirs && hostsOverlap(mine.host, theirs.host);
          return hosts && eligibility === 'free' && winner.namespace !== namespace;
        }),
      );
    });
    if (loses) losers.add(serviceKey(each));
    else winners.push({ key: serviceKey(each), namespace, exposures });
  }
  return losers;
}

const domains = ['a.x.io', 'b.x.io', '*.x.io', 'c.b.x.io', '*.b.x.io', 'x.io', '*.io', 'y.io', 'a.y.io', '*.y.io', '*.a.y.io'];
const anyExposed = fc
  .record({
    key: fc.constantFrom('a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c/1', 'c/2', 'd/1'),
    minute: fc.integer({ min: 0, max: 3 }),
    serviceType: fc.constantFrom<DistributedServiceSpec['serviceType']>('http', 'http', 'tcp', 'udp'),
    domain: fc.option(fc.constantFrom(...domains), { nil: undefined }),
    subdomain: fc.option(fc.constantFrom('a', 'b'), { nil: undefined, freq: 5 }),
    path: fc.constantFrom('/', '/v1'),
    port: fc.integer({ min: 5000, max: 5002 }),
  })
  .map(({ key, minute, serviceType, ...expose }) => service(key, minute, serviceType, expose));

const anyGrants: fc.Arbitrary<ClaimRules> = fc.record({
  baseDomain: fc.constant('x.io'),
  exposure: fc.array(
    fc.record({
      namespaces: fc.subarray(['a', 'b'], { minLength: 1 }),
      hosts: fc.subarray(['a.x.io', '*.b.x.io', 'y.io', '*.x.io', '*.io'], { maxLength: 1 }),
      ports: fc.subarray(['5001', '5001-5002'], { maxLength: 1 }),
    }),
    { maxLength: 2 },
  ),
});

suite('the index', () => {
  test('answers as the definition does, after any history of changes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), anyExposed), { maxLength: 20 }), anyGrants, (changes, rules) => {
        const store = new ServiceStore();
        const early = new Claims(store, rules);
        for (const [add, each] of changes) {
          if (add) store.set(each);
          else store.delete(each.metadata.namespace!, each.metadata.name);
        }
        const services = [...store.all()];
        const expected = naiveLosers(services, rules);
        for (const claims of [early, new Claims(store, rules)]) {
          const losers = services.filter((each) => claims.conflictsOf(each).length > 0).map(serviceKey);
          assert.deepEqual(new Set(losers), expected);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

type Change = { key: string; to: DistributedService['spec'] } | { key: string; to: 'delete' | 'gone' | 'judge' };

const anyChange: fc.Arbitrary<Change> = fc.oneof(
  anyExposed.map((service): Change => ({ key: serviceKey(service), to: service.spec })),
  fc.record({
    key: fc.constantFrom('a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c/1', 'c/2', 'd/1'),
    to: fc.constantFrom<('delete' | 'gone' | 'judge')[]>('delete', 'gone', 'judge'),
  }),
);

/** What the API server stores after a change; undefined: nothing any more. */
function stored(before: DistributedService | undefined, { key, to }: Change, minute: number): DistributedService | undefined {
  if (to === 'judge' || to === 'gone') return to === 'judge' ? before : undefined;
  const isDeleted = to === 'delete';
  if (!before) return isDeleted ? undefined : { ...service(key, minute, to.serviceType, to.expose ?? {}), status: {} };
  const { metadata } = before;
  const deletionTimestamp = isDeleted ? '2026-01-01T01:00:00Z' : metadata.deletionTimestamp;
  return {
    ...before,
    metadata: { ...metadata, generation: (metadata.generation ?? 1) + 1, ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
    ...(isDeleted ? {} : { spec: to }),
  };
}

suite('a host or port that is served', () => {
  const rules: ClaimRules = { exposure: [], baseDomain: 'x.io' };
  const isLiving = ({ metadata }: DistributedService) => metadata.deletionTimestamp === undefined;
  const history = fc.array(fc.tuple(anyChange, fc.integer({ min: 0, max: 3 })), { maxLength: 30 });

  test('is never lost to a change of another service, once the controller has confirmed it', () => {
    fc.assert(
      fc.property(history, (changes) => {
        const store = new ServiceStore();
        const claims = new Claims(store, rules);
        const wins = (each: DistributedService) => claims.conflictsOf(each).length === 0;
        for (const [change, minute] of changes) {
          const [namespace = '', name = ''] = change.key.split('/');
          const isConfirmed = ({ metadata, status }: DistributedService) =>
            status?.observedGeneration === metadata.generation && status?.conditions?.[0]?.status === 'True';
          const served = [...store.all()].filter((each) => isLiving(each) && isConfirmed(each) && wins(each));
          const before = store.get(namespace, name);
          const after = stored(before, change, minute);
          if (change.to === 'judge' && after) {
            const [conflict] = claims.conflictsOf(after);
            store.set(judged(after, conflict && 'other' in conflict ? conflict.other : undefined));
          } else if (after) store.set(after);
          else store.delete(namespace, name);
          const again = new Claims(store, rules);
          for (const each of served.filter((other) => serviceKey(other) !== change.key)) {
            assert.ok(wins(each), `${serviceKey(each)} after ${JSON.stringify(change)}`);
            assert.equal(again.conflictsOf(each).length, 0, 'the same to a reader that starts now');
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('is never lost at all where every change was admitted, whatever those that are being deleted are changed to', () => {
    fc.assert(
      fc.property(history, (changes) => {
        const store = new ServiceStore();
        const claims = new Claims(store, rules);
        for (const [change, minute] of changes) {
          const [namespace = '', name = ''] = change.key.split('/');
          const after = stored(store.get(namespace, name), change, minute);
          if (after && isLiving(after) && claims.conflictsOfNew(after).length > 0) continue;
          if (after) store.set(after);
          else store.delete(namespace, name);
          for (const each of store.all()) if (isLiving(each)) assert.deepEqual(claims.conflictsOf(each), []);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
