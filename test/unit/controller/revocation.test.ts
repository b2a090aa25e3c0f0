import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { inspectCertificate, splitBundle } from '../../../certs/inspect.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { cleanUp } from '../../../src/controller/lifecycle/finalizer.ts';
import { added, mostEntries, withoutNull, type Revoked, type RevokedPatch } from '../../../src/controller/identity/revoked-list.ts';
import { parseRevoked, revokedText, type RevokedEntry } from '../../../src/model/revocation.ts';
import { ensureIdentity, ensureServerCertificates } from '../../../src/controller/identity/service-identity.ts';
import type { ReconcileDeps } from '../../../src/controller/reconcile.ts';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { ConfigMap, Secret } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer } from '../kube/api-server.ts';

const day = 86_400_000;
const start = new FakeClock().now();
const service: DistributedService = {
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name: 'api', namespace: 'prod', uid: 'u1', finalizers: ['frp.io/cleanup'] },
  spec: { serviceType: 'http', backends: {} },
};

describe('the certificates of a service that is deleted', () => {
  let authority: Authority;
  let api: ApiServer;
  let clock: FakeClock;
  let deps: ReconcileDeps;
  before(async () => {
    authority = await createAuthority({ lifetimeMs: 3650 * day, now: start });
  });
  beforeEach(async () => {
    api = await ApiServer.start();
    clock = new FakeClock(start);
    // A life of 30 days, of which the last 20 are for the renewal: two are alive at most times.
    deps = {
      client: api.client,
      config: configSchema.parse({ certificates: { renewBefore: '20d' } }),
      clock,
      log: pino({ level: 'silent' }),
      secrets: new ObjectStore<Secret>(() => undefined),
      userSecrets: new ObjectStore<Secret>(() => undefined),
      authority: () => authority,
    } as unknown as ReconcileDeps;
    api.put('/apis/frp.io/v1beta1/namespaces/prod/distributedservices/api', service);
  });
  afterEach(() => api.close());

  const stored = (name = 'frp-api-tls', namespace = 'prod') => api.objects.get(`/api/v1/namespaces/${namespace}/secrets/${name}`) as Secret;
  const fingerprintOf = (pem: string) => inspectCertificate(pem).sha256;
  const revoked = (): Record<string, string> => {
    const list: ConfigMap | undefined = api.objects.get('/api/v1/namespaces/frp-system/configmaps/frp-revoked');
    return Object.fromEntries(Object.entries(list?.data ?? {}).map(([fingerprint, text]) => [fingerprint, text?.split(' ')[0] ?? null!]));
  };
  /** @returns fingerprints of the certificates in use, one for each time */
  async function liveThrough(...daysFromStart: number[]): Promise<string[]> {
    const used: string[] = [];
    for (const at of daysFromStart) {
      clock.advance(start + at * day - clock.now());
      await ensureIdentity(deps, service);
      used.push(fingerprintOf(text(stored(), 'tls.crt')));
    }
    return used;
  }
  /** Puts certificates beside the one in use, as whoever may write the Secret could. */
  function add(...certificates: string[]): void {
    const { metadata, data = {} } = stored();
    deps.secrets.set(
      api.put('/api/v1/namespaces/prod/secrets/frp-api-tls', {
        metadata,
        data: { ...data, 'replaced.crt': base64(certificates.join('\n')) },
      } as Secret),
    );
  }
  const clientOf = async (from: Authority, commonName: string) =>
    (await issue(from, { commonName, usages: ['clientAuth'], lifetimeMs: 30 * day, now: clock.now() })).certPem;

  it('are all revoked that have not ended, those too that a renewal has replaced', async () => {
    const used = await liveThrough(0, 11, 22, 33);
    assert.equal(new Set(used).size, 4);
    await cleanUp(deps, service);
    // The first ended on day 30.
    assert.deepEqual(Object.keys(revoked()).sort(), used.slice(1).sort());
    assert.deepEqual(
      used.slice(1).map((fingerprint) => revoked()[fingerprint]),
      [41, 52, 63].map((end) => new Date(start + end * day).toISOString()),
    );
  });

  it('connect until the kubelet can have brought those of a service that is made again under the name', async () => {
    await liveThrough(0);
    await cleanUp(deps, service);
    const { data } = api.objects.get('/api/v1/namespaces/frp-system/configmaps/frp-revoked') as ConfigMap;
    const [{ from }] = Object.values(data!).map(parseRevoked) as [RevokedEntry];
    assert.equal(from - clock.now(), 150_000);
  });

  it('are kept through a change of the bundle', async () => {
    const used = await liveThrough(0, 11);
    const next = await createAuthority({ lifetimeMs: 3650 * day, now: start });
    const both = { ...authority, bundlePem: authority.certPem + next.certPem };
    deps.authority = () => both;
    await liveThrough(12);
    assert.equal(text(stored(), 'ca.crt'), both.bundlePem);
    await cleanUp(deps, service);
    assert.deepEqual(Object.keys(revoked()).sort(), used.sort());
  });

  it('leave the list when they have expired, at the next deletion', async () => {
    await liveThrough(0);
    await cleanUp(deps, service);
    const [gone] = Object.keys(revoked());
    deps.secrets.delete(stored() ?? { metadata: { name: 'frp-api-tls', namespace: 'prod' } });
    const [second] = await liveThrough(40);
    await cleanUp(deps, service);
    assert.notEqual(gone, second);
    assert.deepEqual(
      Object.entries(revoked())
        .filter(([, end]) => end !== null)
        .map(([key]) => key),
      [second],
    );
  });

  it('are those of the service alone, whatever is written into its Secret', async () => {
    const used = await liveThrough(0, 11);
    const stranger = await createAuthority({ lifetimeMs: 3650 * day, now: start });
    const { 'replaced.crt': replaced = '' } = stored().data ?? {};
    add(
      Buffer.from(replaced, 'base64').toString(),
      await clientOf(authority, 'frpc-prod-other'),
      await clientOf(stranger, 'frpc-prod-api'),
      '-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----',
    );
    await cleanUp(deps, service);
    assert.deepEqual(Object.keys(revoked()).sort(), used.sort());
  });

  const external = (certPem: string) =>
    deps.userSecrets.set({ metadata: { name: 'frp-api-external-tls', namespace: 'prod' }, data: { 'tls.crt': base64(certPem) } });

  it("include cert-manager's in mode external, where it issues with the installation's authority", async () => {
    await liveThrough(0);
    const certPem = await clientOf(authority, 'frpc-prod-api');
    external(certPem);
    await cleanUp(deps, service);
    assert.ok(Object.keys(revoked()).includes(fingerprintOf(certPem)));
  });

  it('are none that somebody else has issued, however long it lives', async () => {
    const [own] = await liveThrough(0);
    const theirs = await createAuthority({ lifetimeMs: 36_500 * day, now: start });
    const lifetimeMs = 36_499 * day;
    external((await issue(theirs, { commonName: 'frpc-prod-api', usages: ['clientAuth'], lifetimeMs, now: clock.now() })).certPem);
    await cleanUp(deps, service);
    assert.deepEqual(Object.keys(revoked()), [own]);
  });

  it('go on the next list where one is full', async () => {
    const end = new Date(start + day).toISOString();
    const data = Object.fromEntries(Array.from({ length: mostEntries }, (_, index) => [String(index).padStart(64, '0'), `${end} busy`]));
    api.put('/api/v1/namespaces/frp-system/configmaps/frp-revoked', {
      metadata: { name: 'frp-revoked', namespace: 'frp-system' },
      data,
    } as ConfigMap);
    const [own] = await liveThrough(0);
    await cleanUp(deps, service);
    const next = api.objects.get('/api/v1/namespaces/frp-system/configmaps/frp-revoked-1') as ConfigMap;
    assert.deepEqual(Object.keys(next.data ?? {}), [own]);
  });

  it("of the frp server are not kept: there is one server, and nobody's service ends it", async () => {
    await ensureServerCertificates(deps);
    clock.advance(360 * day);
    const before = text(stored('frp-server-tls', 'frp-system'), 'tls.crt');
    await ensureServerCertificates(deps);
    assert.notEqual(text(stored('frp-server-tls', 'frp-system'), 'tls.crt'), before);
    assert.deepEqual(splitBundle(text(stored('frp-server-tls', 'frp-system'), 'replaced.crt')), []);
  });
});

describe('a list of revoked certificates', () => {
  const listed = (end: number, namespace: string) => revokedText({ end, namespace, from: end - day });
  const entry = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom('a', 'b', 'c'));
  const entriesOf = (from: string, all: readonly (readonly [number, string])[]): Revoked =>
    Object.fromEntries(all.map(([at, of], index) => [`${from}${index}`, listed(start + at * day, of)]));
  const applied = (list: Revoked, patch: RevokedPatch): Revoked => withoutNull({ ...list, ...patch });
  const countsOf = (list: Revoked) => Map.groupBy(Object.values(list), (value) => value.split(' ')[1]!);

  it('is never longer than it may be, and a namespace that fills it takes nothing from one that has fewer entries', () => {
    const busy = Object.fromEntries(
      Array.from({ length: mostEntries }, (_, index) => [`busy${index}`, listed(start + 100 * day + index, 'busy')]),
    );
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 5 }),
        fc.array(entry, { maxLength: 20 }),
        fc.integer({ min: 0, max: 40 }),
        (old, more, at) => {
          const list = { ...busy, ...entriesOf('old', old) };
          const entries = entriesOf('new', more);
          const now = start + at * day;
          const isAlive = (value: string) => Date.parse(value.split(' ')[0]!) >= now;
          const after = applied(list, added(list, entries, { now, isLast: true }).patch);
          if (more.length > 0) assert.ok(Object.keys(after).length <= mostEntries);
          for (const [fingerprint, value] of Object.entries({ ...entriesOf('old', old), ...entries }))
            assert.ok(!isAlive(value) || after[fingerprint] !== undefined || countsOf(after).get('busy') === undefined);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('leaves to the next one what it has no room for, and says nothing twice', () => {
    const full = Object.fromEntries(Array.from({ length: mostEntries - 1 }, (_, index) => [`f${index}`, listed(start + day, 'a')]));
    const entries = { x: listed(start + day, 'b'), y: listed(start + day, 'b') };
    const { patch, left, dropped } = added(full, entries, { now: start, isLast: false });
    assert.deepEqual([Object.keys(patch), Object.keys(left), dropped], [['x'], ['y'], 0]);
    assert.deepEqual(added({ ...full, ...entries }, entries, { now: start, isLast: false }).patch, {});
  });
});
