import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { base64, ensureAuthority } from '../../../src/kube/authority-secret.ts';
import { keepCaBundle, type CaBundleKeeper } from '../../../src/kube/ca-bundle.ts';
import type { WebhookConfiguration } from '../../../src/kube/types.ts';
import { newKey } from '../../../certs/keys.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer, failure } from './api-server.ts';

let api: ApiServer;
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(() => api.close());

describe('the shared authority', () => {
  const config = configSchema.parse({});

  it('is one for all that start at once', async (t) => {
    // Each has looked for it in vain before the first one writes it.
    const { promise: allHaveLooked, resolve } = Promise.withResolvers<void>();
    const make = newKey.forAuthority;
    const { mock } = t.mock.method(newKey, 'forAuthority', async () => {
      if (mock.callCount() === 3) resolve();
      await allHaveLooked;
      return make();
    });
    const all = await Promise.all([1, 2, 3, 4].map(() => ensureAuthority(api.client, config)));
    assert.equal(new Set(all.map(({ bundlePem, keyPem }) => bundlePem + keyPem)).size, 1);
    assert.equal(api.requests.filter(({ method }) => method === 'POST').length, 4);
    assert.equal(api.objects.size, 1);
  });

  it('is read, not written, where it is there', async () => {
    const first = await ensureAuthority(api.client, config);
    api.requests.length = 0;
    assert.deepEqual(await ensureAuthority(api.client, config), first);
    assert.deepEqual(
      api.requests.map(({ method }) => method),
      ['GET'],
    );
  });

  it('that has expired is refused with the remedy', async () => {
    await ensureAuthority(api.client, config);
    const clock = new FakeClock(Date.now() + 4000 * 86_400_000);
    await assert.rejects(ensureAuthority(api.client, config, clock), /Secret frp-system\/frp-ca .*: it expired at .*; restore it/);
  });
});

describe('the caBundle of the webhook configurations', () => {
  const mutating = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/frp-k8s';
  const validating = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/frp-k8s';
  const webhooks = (caBundle?: string) => ({
    metadata: { name: 'frp-k8s' },
    webhooks: ['annotated.frp.io', 'selector.frp.io'].map((name) => ({ name, clientConfig: caBundle === undefined ? {} : { caBundle } })),
  });
  let keeper: CaBundleKeeper | undefined;
  let bundle: string;
  const keep = () => {
    bundle = 'bundle one';
    keeper = keepCaBundle({ client: api.client, bundle: () => bundle, log: pino({ level: 'silent' }), clock: new FakeClock() });
    return keeper;
  };
  afterEach(() => keeper?.close());
  const patches = () => api.requests.filter(({ method }) => method === 'PATCH');

  it('is written to every webhook in the name of a manager of its own, and nothing else with it', async () => {
    api.put(mutating, webhooks());
    api.put(validating, webhooks('b3RoZXI='));
    const { check, hasMatched } = keep();
    assert.equal(hasMatched(), false);
    await check();
    assert.equal(hasMatched(), true);
    const [first] = patches();
    assert.deepEqual(first?.query, { fieldManager: 'frp-k8s-ca', force: 'true' });
    assert.deepEqual((first.body as WebhookConfiguration).webhooks, [
      { name: 'annotated.frp.io', clientConfig: { caBundle: base64('bundle one') } },
      { name: 'selector.frp.io', clientConfig: { caBundle: base64('bundle one') } },
    ]);
    assert.deepEqual(new Set(patches().map(({ path }) => path)), new Set([mutating, validating]));
  });

  it('is not written where it is right', async () => {
    api.put(mutating, webhooks(base64('bundle one')));
    const { check, hasMatched } = keep();
    await check();
    assert.equal(hasMatched(), true);
    assert.deepEqual(patches(), []);
  });

  it('is written again when somebody reverts it, or the bundle changes', async () => {
    api.put(mutating, webhooks(base64('bundle one')));
    const { check } = keep();
    await check();
    api.put(mutating, webhooks('b3RoZXI='));
    await check();
    assert.deepEqual((api.objects.get(mutating) as WebhookConfiguration).webhooks?.[0]?.clientConfig.caBundle, base64('bundle one'));
    bundle = 'bundle two';
    await check();
    assert.deepEqual((api.objects.get(mutating) as WebhookConfiguration).webhooks?.[1]?.clientConfig.caBundle, base64('bundle two'));
  });

  it('does not match while it cannot be written, and once it matched, it stays so', async () => {
    api.put(mutating, webhooks());
    api.intercept = ({ method }) => (method === 'PATCH' ? failure(403, 'Forbidden', 'patch is forbidden') : undefined);
    const { check, hasMatched, problem } = keep();
    await check();
    assert.equal(hasMatched(), false);
    assert.match(problem() ?? '', /patch is forbidden/);
    api.intercept = () => undefined;
    await check();
    assert.equal(hasMatched(), true);
    assert.equal(problem(), undefined);
    api.intercept = () => failure(500, 'InternalError', 'down');
    await check();
    assert.equal(hasMatched(), true);
    assert.match(problem() ?? '', /down/);
  });

  it('of a configuration that does not exist calls nobody, and makes none', async () => {
    const { check, hasMatched } = keep();
    await check();
    assert.equal(hasMatched(), true);
    assert.deepEqual(patches(), []);
  });
});
