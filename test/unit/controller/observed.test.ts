/** What the controller tells people who look on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAuthority } from '../../../certs/authority.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { observedOf } from '../../../src/controller/observed.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import type { Secret } from '../../../src/kube/types.ts';
import '../../support/few-keys.ts';

const config = configSchema.parse({ gateway: { addresses: ['one.example.com', 'two.example.com'] } });

function storeOf(...secrets: Secret[]): ObjectStore<Secret> {
  const store = new ObjectStore<Secret>(() => {});
  store.replace(secrets);
  return store;
}

const secret = (namespace: string, name: string, data: Record<string, string>, labels: Record<string, string> = {}): Secret => ({
  metadata: { namespace, name, labels },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
});

describe('what the controller tells people', () => {
  it('is when the certificates of its Secrets and of users end, each once, and no key', async () => {
    const { certPem, keyPem } = await createAuthority({ lifetimeMs: 1_000_000, now: Date.UTC(2026, 0, 1) });
    const pair = { 'tls.crt': certPem, 'tls.key': keyPem };
    const observed = observedOf(
      {
        config,
        secrets: storeOf(
          secret('frp-system', 'frp-ca', pair),
          secret('frp-gateway', 'frp-gw-1', pair, { 'frp.io/gateway-copy': 'true' }),
          secret('frp-system', 'frp-server-api', { user: 'u', password: 'p' }),
        ),
        userSecrets: storeOf(secret('shop', 'web-tls', pair), secret('shop', 'broken', { 'tls.crt': 'hello' })),
      },
      () => [],
    );
    const certificates = observed.certificates();
    assert.deepEqual(
      certificates.map(({ name }) => name),
      ['Secret frp-system/frp-ca', 'Secret shop/web-tls'],
    );
    assert.doesNotMatch(JSON.stringify(certificates), /KEY|BEGIN/);
  });

  it('is the way to the replicas of a gateway in this cluster, and none where it is elsewhere', () => {
    const api = secret('frp-system', 'frp-server-api', { user: 'u', password: 'p' });
    const replicas = secret('frp-gateway', 'frp-gateway-replicas', { 'ca.crt': 'authority' });
    const here = observedOf({ config, secrets: storeOf(api, replicas), userSecrets: storeOf() }, () => []).gateway();
    assert.deepEqual(here, {
      urls: ['https://frp-gateway-0.frp-gateway.frp-gateway.svc:10004', 'https://frp-gateway-1.frp-gateway.frp-gateway.svc:10004'],
      credentials: { user: 'u', password: 'p' },
      authorityPem: 'authority',
    });
    const link = secret('frp-system', 'frp-gateway-link', { gateway: '{}' });
    assert.equal(observedOf({ config, secrets: storeOf(api, replicas, link), userSecrets: storeOf() }, () => []).gateway(), undefined);
  });
});
