import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { inspectCertificate, isSignedBy, splitBundle } from '../../../certs/inspect.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { ensureReplicaIdentity } from '../../../src/controller/gateway-secrets/replica-identity.ts';
import { text } from '../../../src/kube/authority-secret.ts';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import type { Secret } from '../../../src/kube/types.ts';
import { gatewayHosts } from '../../../src/model/gateway.ts';
import { replicaSecretName } from '../../../src/model/names.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer } from '../kube/api-server.ts';

const config = configSchema.parse({ gateway: { addresses: ['a.example.com', 'b.example.com'] } });
const lifetime = config.certificates.serverLifetime;

let api: ApiServer;
let clock: FakeClock;
let secrets: ObjectStore<Secret>;
beforeEach(async () => {
  api = await ApiServer.start();
  clock = new FakeClock();
  secrets = new ObjectStore(() => undefined);
});
afterEach(() => api.close());

const ensure = (changed = config) =>
  ensureReplicaIdentity({ client: api.client, config: changed, clock, log: pino({ level: 'silent' }), secrets });
const stored = (): Secret => secrets.get(config.gateway.namespace, replicaSecretName)!;
const certificate = () => text(stored(), 'tls.crt');
const bundle = () => splitBundle(text(stored(), 'ca.crt'));

describe('the certificate of the replicas', () => {
  it('is made once, is signed by the one authority of its bundle, and is looked at again after two thirds of its life', async () => {
    assert.equal(await ensure(), clock.now() + (2 * lifetime) / 3);
    assert.equal(bundle().length, 1);
    assert.ok(isSignedBy(certificate(), bundle()[0]!));
    const [before, { length }] = [certificate(), api.requests];
    clock.advance(lifetime / 2);
    await ensure();
    assert.equal(certificate(), before);
    assert.equal(api.requests.length, length);
  });

  it('is made anew in the last third of its life, and replicas trust the one before until all have the new one', async () => {
    await ensure();
    const [first, [firstAuthority]] = [certificate(), bundle()];
    clock.advance((2 * lifetime) / 3);
    const renewAt = await ensure();
    assert.equal(renewAt, clock.now() + (2 * lifetime) / 3);
    assert.notEqual(certificate(), first);
    assert.ok(inspectCertificate(certificate()).notAfter > inspectCertificate(first).notAfter);
    assert.ok(isSignedBy(certificate(), bundle()[0]!));
    assert.equal(bundle()[1]?.trim(), firstAuthority?.trim());
    assert.ok(isSignedBy(first, bundle()[1]!));
  });

  it('trusts two authorities at the most, however often it was renewed', async () => {
    await ensure();
    for (let renewal = 0; renewal < 3; renewal++) {
      clock.advance((2 * lifetime) / 3);
      await ensure();
    }
    assert.equal(bundle().length, 2);
  });

  it('is made anew when it cannot be read', async () => {
    await ensure();
    secrets.set({ ...stored(), data: { ...stored().data, 'tls.crt': 'bm90IGEgY2VydGlmaWNhdGU=' } });
    await ensure();
    assert.ok(isSignedBy(certificate(), bundle()[0]!));
  });

  it('is made anew when it lacks the name of a replica that was added', async () => {
    await ensure();
    const changed = configSchema.parse({ gateway: { addresses: [...config.gateway.addresses, 'c.example.com'] } });
    await ensure(changed);
    assert.deepEqual(inspectCertificate(certificate()).dnsNames, gatewayHosts(changed));
  });

  it('is not made where the installation has no gateway', async () => {
    assert.equal(await ensure(configSchema.parse({})), Infinity);
    assert.deepEqual(api.requests, []);
  });
});
