/** Annotations of Namespaces as defaults for the sidecars of their Pods. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema, defaultConfig, type Config } from '../../../src/config/schema.ts';
import { Reflector } from '../../../src/kube/reflector.ts';
import { namespaces as namespaceResource } from '../../../src/kube/types.ts';
import { KnownNamespaces } from '../../../src/webhook/namespaces.ts';
import { webhooksOf } from '../../../src/webhook/webhooks.ts';
import { annotation } from '../../../src/model/names.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { namespaceDefaults, withDefaults } from '../../../webhooks/pods/namespace-defaults.ts';
import type { Container, Pod } from '../../../webhooks/pods/pod.ts';
import type { AdmissionRequest } from '../../../webhooks/review/types.ts';
import { logTo } from '../../../src/log.ts';
import { service, storeOf } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';

type Annotations = Record<string, string>;

function decide(ofNamespace: Annotations, ofPod: Annotations = {}, config: Config = defaultConfig) {
  const pod: Pod = {
    metadata: { annotations: { 'frp.io/group': 'web', ...ofPod } },
    spec: { containers: [{ name: 'app', image: 'nginx:1', ports: [{ containerPort: 80 }] }] },
  };
  const known = new KnownNamespaces();
  known.replace([{ metadata: { name: 'shop', annotations: ofNamespace } }]);
  const decision = decidePod(pod, { namespace: 'shop', services: storeOf(service('web')), config, namespaces: known, selectorMode: false });
  const injected = jsonpatch.applyPatch(structuredClone(pod), (decision.patch ?? []) as Operation[], true).newDocument;
  return { ...decision, injected };
}
const sidecar = (annotations: Annotations, ofPod?: Annotations, config?: Config): Container =>
  decide(annotations, ofPod, config).injected.spec!.initContainers!.find(({ name }) => name === 'frpc')!;
const configOf = ({ injected }: ReturnType<typeof decide>) =>
  JSON.parse(injected.metadata!.annotations!['frp.io/frpc.json']!) as { log: { level: string }; proxies: { localIP: string }[] };

describe('a Namespace’s annotations', () => {
  it('are the defaults of all that a Pod may say of its sidecar', () => {
    const annotations = {
      'frp.io/sidecar-image': 'registry.example.com/frpc:1',
      'frp.io/sidecar-cpu-request': '20m',
      'frp.io/sidecar-cpu-limit': '300m',
      'frp.io/sidecar-memory-request': '48Mi',
      'frp.io/sidecar-memory-limit': 'none',
      'frp.io/sidecar-log-level': 'debug',
      'frp.io/drain': '9s',
      'frp.io/app-address': 'podIP',
    };
    const decision = decide(annotations);
    assert.deepEqual(decision.warnings, []);
    const { image, resources, lifecycle } = sidecar(annotations);
    assert.deepEqual(
      { image, resources, lifecycle },
      {
        image: 'registry.example.com/frpc:1',
        resources: { requests: { cpu: '20m', memory: '48Mi' }, limits: { cpu: '300m' } },
        lifecycle: { preStop: { sleep: { seconds: 9 } } },
      },
    );
    assert.equal(configOf(decision).log.level, 'debug');
    assert.match(configOf(decision).proxies[0]!.localIP, /POD_IP/);
  });

  it('come after the Pod’s own and before those that the configuration has for the namespace', () => {
    const config = configSchema.parse({
      sidecar: { image: 'all', drain: '1s', namespaces: [{ namespaces: ['shop'], image: 'some', logLevel: 'warn', memoryLimit: '99Mi' }] },
    });
    const given = sidecar(
      { 'frp.io/sidecar-image': 'own', 'frp.io/sidecar-memory-limit': '200Mi' },
      { 'frp.io/sidecar-image': 'pods' },
      config,
    );
    assert.equal(given.image, 'pods');
    assert.equal((given.resources as { limits: { memory: string } }).limits.memory, '200Mi');
    assert.equal(sidecar({ 'frp.io/sidecar-image': 'own' }, {}, config).image, 'own');
    assert.equal(sidecar({}, {}, config).image, 'some');
    assert.equal(configOf(decide({}, {}, config)).log.level, 'warn');
  });

  it('lower a request by their limit, and are raised by a Pod’s own request', () => {
    const limits = { 'frp.io/sidecar-memory-limit': '16Mi' };
    assert.deepEqual(sidecar(limits).resources, { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '16Mi' } });
    assert.deepEqual(sidecar(limits, { 'frp.io/sidecar-memory-request': '64Mi' }).resources, {
      requests: { cpu: '10m', memory: '64Mi' },
      limits: { memory: '64Mi' },
    });
  });

  it('that are wrong refuse no Pod and have no effect; the warning names namespace, key and remedy', () => {
    const decision = decide({ 'frp.io/sidecar-cpu-limit': 'much', 'frp.io/sidecar-log-level': 'debug' });
    assert.equal(decision.outcome, 'patched');
    assert.deepEqual(decision.warnings, [
      'namespace shop: annotation frp.io/sidecar-cpu-limit has no effect: invalid value "much": must be a Kubernetes quantity such as 10m, 64Mi or 1, or none; correct it, or take it off: kubectl annotate namespace shop frp.io/sidecar-cpu-limit-',
    ]);
    assert.equal(configOf(decision).log.level, 'debug');
    const crossed = decide({ 'frp.io/sidecar-cpu-request': '2', 'frp.io/sidecar-cpu-limit': '100m' });
    assert.match(
      crossed.warnings[0]!,
      /^namespace shop: annotation frp\.io\/sidecar-cpu-request has no effect, nor has .*: 2 is above 100m/,
    );
    assert.deepEqual(crossed.injected, decide({}).injected);
  });

  it('warn where the Pod ends before their drain time does, with what to change', () => {
    const { outcome, warnings } = decide({ 'frp.io/drain': '60s' });
    assert.equal(outcome, 'patched');
    assert.deepEqual(warnings, [
      'annotation frp.io/drain of namespace shop: 60 s is not below terminationGracePeriodSeconds (30 s), so 29 s are used; ' +
        'give the Pod terminationGracePeriodSeconds: 61, or frp.io/drain: 29s',
    ]);
    assert.match(
      decide({ 'frp.io/drain': '60s' }, { 'frp.io/drain': '40s' }).warnings.join(),
      /^annotation frp\.io\/drain of the Pod: 40 s/,
    );
    assert.deepEqual(decide({ 'frp.io/drain': '20s' }).warnings, []);
  });

  it('cannot say what is not a Namespace’s to say', () => {
    const others = Object.fromEntries(
      Object.values(annotation)
        .filter((key) => !/sidecar|drain|app-address/.test(key))
        .map((key) => [key, 'true']),
    );
    const decision = decide({ ...others, 'frp.io/sidecar-user': '0' });
    assert.deepEqual(decision.injected, decide({}).injected);
    assert.equal(decision.warnings.length, 6);
    assert.match(decision.warnings[0]!, /annotation frp\.io\/group is for Pods only/);
    assert.match(decision.warnings.at(-1)!, /^namespace shop: [0-9]+ more annotations/);
  });

  it('whatever they are, refuse nothing and give what the configuration may hold', () => {
    const texts = fc.oneof(fc.string(), fc.constantFrom('none', '5s', '100m', '64Mi', 'debug', 'podIP', 'a/b:c'));
    const keys = fc.constantFrom(...Object.values(annotation), 'frp.io/x', 'constructor', '__proto__');
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, texts)), (entries) => {
        const defaults = namespaceDefaults('shop', Object.fromEntries(entries));
        const { sidecar: made } = withDefaults(defaultConfig, defaults);
        assert.deepEqual(Object.keys(made).sort(), Object.keys(defaultConfig.sidecar).sort());
        const { drain, ...rest } = made;
        assert.ok(configSchema.safeParse({ sidecar: { ...rest, drain: `${drain}ms` } }).success);
        assert.ok((defaults?.warnings ?? []).every((warning) => warning.length < 700));
        assert.ok((defaults?.warnings.length ?? 0) <= 6);
      }),
    );
  });
});

describe('the Namespaces that the webhook follows', { timeout: 30_000 }, () => {
  it('count from the moment that the watch tells them, without a call for a review; of others nothing is kept', async (t) => {
    const api = await ApiServer.start();
    t.after(() => api.close());
    const put = (name: string, annotations?: Annotations) =>
      api.put(`/api/v1/namespaces/${name}`, { metadata: { name, ...(annotations && { annotations }) } });
    for (let i = 0; i < 50; i++) put(`other-${i}`, { 'example.com/team': 'a' });
    put('shop', { 'frp.io/sidecar-image': 'first' });
    const known = new KnownNamespaces();
    const reflector = new Reflector({
      client: api.client,
      resource: namespaceResource,
      log: logTo({ write: () => {} }, 'error'),
      sink: known,
    });
    t.after(() => reflector.close());
    await reflector.synced;
    assert.equal(known.size, 1);

    const store = storeOf({ ...service('web'), metadata: { name: 'web', namespace: 'shop', creationTimestamp: '2020-01-01T00:00:00Z' } });
    const webhook = webhooksOf(store, defaultConfig, known).find(({ path }) => path === '/mutate/pods')!;
    const object = {
      metadata: { annotations: { 'frp.io/group': 'web' } },
      spec: { containers: [{ name: 'app', ports: [{ containerPort: 80 }] }] },
    };
    const request = { uid: 'u', operation: 'CREATE', namespace: 'shop', object } as unknown as AdmissionRequest;
    const image = async () => /"image":"([^"]*)"/.exec(JSON.stringify((await webhook.decide(request, { timeoutMs: 10_000 })).patch))?.[1];
    assert.equal(await image(), 'first');
    assert.equal(await image(), 'first');
    assert.equal(api.requests.filter(({ query }) => query.watch === undefined).length, 1);
    await until(() => api.watching === 1);
    put('shop', { 'frp.io/sidecar-image': 'second' });
    await until(() => known.get('shop')?.values.image === 'second');
    assert.equal(await image(), 'second');
    api.remove('/api/v1/namespaces/shop');
    await until(() => known.size === 0);
    assert.equal(await image(), defaultConfig.sidecar.image);
  });
});
