import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { inspectCertificate, isSignedBy, splitBundle } from '../../../certs/inspect.ts';
import { managedSource } from '../../../certs/managed.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { ensureAuthority, text } from '../../../src/kube/authority-secret.ts';
import { secrets, type Secret } from '../../../src/kube/types.ts';
import { annotation } from '../../../src/model/names.ts';
import { servingAuthority } from '../../../src/webhook/serving-authority.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer } from '../kube/api-server.ts';

const minute = 60_000;
const path = '/api/v1/namespaces/frp-system/secrets/frp-webhook-authority';
let api: ApiServer;
let clock: FakeClock;
beforeEach(async () => {
  api = await ApiServer.start();
  clock = new FakeClock(Date.now());
});
afterEach(() => api.close());

describe('the authority of the webhooks', () => {
  const config = configSchema.parse({});
  const stored = () => api.objects.get(path) as Secret;
  const phase = () => stored().metadata.annotations?.[annotation.rotationPhase] ?? 'stable';
  const look = (isTrusted = true) =>
    servingAuthority({ client: api.client, config, clock, log: pino({ level: 'silent' }), isTrusted: () => isTrusted });
  const ask = () =>
    api.client.mergePatch(secrets, 'frp-system', 'frp-webhook-authority', { metadata: { annotations: { [annotation.rotate]: 'now' } } });

  it('is one of its own: it verifies no client of a tunnel, and the tunnels’ authority verifies no webhook', async () => {
    const tunnels = await ensureAuthority(api.client, config, clock);
    const own = await look();
    assert.notEqual(own.keyPem, tunnels.keyPem);
    assert.equal(isSignedBy(own.certPem, tunnels.bundlePem), false);
    assert.equal(isSignedBy(tunnels.certPem, own.bundlePem), false);
    assert.equal(api.requests.filter((request) => request.path.endsWith('/frp-ca') && request.method !== 'GET').length, 0);
  });

  it('is one for all replicas that start at once', async () => {
    const all = await Promise.all([1, 2, 3].map(() => look()));
    assert.equal(new Set(all.map(({ keyPem }) => keyPem)).size, 1);
  });

  it('is replaced on request, and the certificate of each replica is verified at every moment', async () => {
    const first = await look();
    const request = { commonName: 'frp-webhook', usages: ['serverAuth' as const] };
    const replica = () =>
      managedSource({ authority: () => look(), request, lifetimeMs: 30 * 86_400_000, renewBeforeMs: 86_400_000, clock });
    const replicas = [await replica(), await replica()];
    await ask();
    const phases = new Set<string>();
    // A replica looks once a minute; the API server trusts what any of them has written last.
    for (let i = 0; i < 40; i++) {
      clock.advance(minute);
      for (const each of replicas) await each.tick();
      phases.add(phase());
      const bundles = replicas.map((each) => each.current().caPem!);
      for (const each of replicas)
        for (const bundle of [...bundles, text(stored(), 'tls.crt')]) assert.ok(isSignedBy(each.current().certPem, bundle), phase());
    }
    for (const each of replicas) each.close();
    assert.deepEqual([...phases], ['spread', 'reissue', 'stable']);
    const last = await look();
    assert.notEqual(last.keyPem, first.keyPem);
    assert.equal(splitBundle(last.bundlePem).length, 1);
    for (const each of replicas) assert.ok(isSignedBy(each.current().certPem, last.certPem));
  });

  it('issues nothing new before the API server trusts it', async () => {
    await look();
    await ask();
    for (let i = 0; i < 30; i++) {
      clock.advance(minute);
      await look(false);
    }
    assert.equal(phase(), 'spread');
  });

  it('is replaced by itself before it would cut certificates short', async () => {
    const { certPem } = await look();
    clock.advance(inspectCertificate(certPem).notAfter - clock.now() - 50 * 86_400_000);
    await look();
    assert.equal(phase(), 'spread');
  });
});
