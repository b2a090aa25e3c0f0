import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema, defaultConfig } from '../../../src/config/schema.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import type { Container, Pod, Volume } from '../../../webhooks/pods/pod.ts';
import { createPodReviewer } from '../../../webhooks/pods/review.ts';
import { webhooksOf } from '../../../src/webhook/webhooks.ts';
import { service, storeOf } from '../../support/services.ts';

const app = { name: 'app', image: 'nginx:1', ports: [{ containerPort: 8080 }] };
const podWith = (annotations: Record<string, string> = {}, spec: Record<string, unknown> = {}, labels = { app: 'web' }): Pod => ({
  metadata: { labels, annotations },
  spec: { containers: [app], ...spec },
});
const annotated = (annotations: Record<string, string> = {}, spec: Record<string, unknown> = {}) =>
  podWith({ 'frp.io/group': 'web', ...annotations }, spec);

function inject(pod: Pod, spec: Partial<DistributedServiceSpec> = {}, config = defaultConfig): Required<Pod> {
  const decision = decidePod(pod, {
    namespace: 'shop',
    services: storeOf(service('web', spec), service('admin')),
    config,
    selectorMode: true,
  });
  assert.notEqual(decision.outcome, 'denied', decision.message);
  return jsonpatch.applyPatch(structuredClone(pod), (decision.patch ?? []) as Operation[], true).newDocument as Required<Pod>;
}
const sidecar = (pod: Pod, spec?: Partial<DistributedServiceSpec>, config?: typeof defaultConfig): Container =>
  inject(pod, spec, config).spec!.initContainers![0]!;

describe('the sidecar', () => {
  it('is a native sidecar, first among the init containers', () => {
    const { initContainers } = inject(annotated({}, { initContainers: [{ name: 'migrate', image: 'x' }] })).spec!;
    assert.deepEqual(
      initContainers!.map(({ name, restartPolicy }) => [name, restartPolicy]),
      [
        ['frpc', 'Always'],
        ['migrate', undefined],
      ],
    );
  });

  it('meets Pod Security "restricted" whatever the Pod says', () => {
    assert.deepEqual(sidecar(annotated({}, { securityContext: { runAsUser: 0, runAsNonRoot: false } })).securityContext, {
      runAsUser: 65532,
      runAsGroup: 65532,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });

  it('has no startup or readiness probe: a tunnel that is down must not hold the app back', () => {
    const container = sidecar(annotated());
    assert.ok(!('startupProbe' in container) && !('readinessProbe' in container));
  });

  it('has the environment of the design, with the group key optional', () => {
    const env = Object.fromEntries(
      sidecar(annotated({ 'frp.io/port': '9000' })).env!.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]),
    );
    assert.deepEqual(Object.keys(env), ['POD_NAME', 'POD_UID', 'FRP_GROUP', 'LOCAL_SERVICE_PORT', 'FRP_GROUP_KEY']);
    assert.deepEqual([env.FRP_GROUP, env.LOCAL_SERVICE_PORT], ['web', '9000']);
    assert.deepEqual(env.FRP_GROUP_KEY, { secretKeyRef: { name: 'frp-web-group', key: 'key', optional: true } });
  });

  it('mounts optional Secrets only, and no emptyDir', () => {
    const { volumes } = inject(annotated()).spec!;
    const sources = volumes!.flatMap(
      (volume: Volume) => (volume.projected as { sources: { secret: { name: string; optional: boolean } }[] } | undefined)?.sources ?? [],
    );
    assert.deepEqual(
      sources.map(({ secret }) => [secret.name, secret.optional]),
      [
        ['frp-web-tls', true],
        ['frp-web-group', true],
      ],
    );
    assert.ok(volumes!.every((volume) => !('emptyDir' in volume)));
  });

  it("takes the client certificate from the user's Secret in mode manual, and the CA of the server from ours", () => {
    const spec = {
      security: { mtls: { enabled: true, mode: 'manual', caSecret: 'ca', certSecret: 'mine' } },
    } as Partial<DistributedServiceSpec>;
    const certs = inject(annotated(), spec).spec!.volumes!.find(({ name }) => name === 'frpc-certs')!;
    const { sources } = certs.projected as { sources: { secret: { name: string; items: { key: string }[] } }[] };
    assert.deepEqual(
      sources.map(({ secret }) => [secret.name, secret.items.map(({ key }) => key)]),
      [
        ['mine', ['tls.crt', 'tls.key']],
        ['frp-web-tls', ['ca.crt']],
        ['frp-web-group', ['key']],
      ],
    );
  });

  const drains: [annotation: string | undefined, grace: number | undefined, seconds: number | undefined][] = [
    [undefined, undefined, 5],
    ['2s', undefined, 2],
    ['1500ms', undefined, 2],
    ['0s', undefined, undefined],
    ['1m', undefined, 29],
    ['1m', 120, 60],
    [undefined, 5, 4],
    [undefined, 0, undefined],
  ];
  for (const [drain, grace, seconds] of drains) {
    it(`sleeps ${seconds ?? 'not at all'}${seconds === undefined ? '' : ' s'} before it stops, for a drain of ${drain ?? 'nothing said'} and a grace period of ${grace ?? 30} s`, () => {
      const container = sidecar(
        annotated(
          drain === undefined ? {} : { 'frp.io/drain': drain },
          grace === undefined ? {} : { terminationGracePeriodSeconds: grace },
        ),
      );
      assert.deepEqual(container.lifecycle, seconds === undefined ? undefined : { preStop: { sleep: { seconds } } });
    });
  }

  it('keeps a Pod of class Guaranteed in its class', () => {
    const guaranteed = { ...app, resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1Gi' } } };
    const { requests, limits } = sidecar(annotated({}, { containers: [guaranteed] })).resources!;
    assert.deepEqual(requests, limits);
    assert.deepEqual(Object.keys(limits!), ['cpu', 'memory']);
  });

  it('raises a default limit below the request that the Pod asks for', () => {
    assert.deepEqual(sidecar(annotated({ 'frp.io/sidecar-memory-request': '1Gi' })).resources, {
      requests: { cpu: '10m', memory: '1Gi' },
      limits: { memory: '1Gi' },
    });
  });

  it('recomputes whatever a user put into its annotations', () => {
    const { annotations } = inject(
      annotated({ 'frp.io/frpc.json': '{"serverAddr":"evil"}', 'frp.io/injected': '{"hash":"evil"}', 'frp.io/frpc-7.json': 'x' }),
    ).metadata!;
    assert.ok(!JSON.stringify(annotations).includes('evil'));
    assert.ok(!('frp.io/frpc-7.json' in annotations!));
  });

  it('survives other webhooks that change its image and add to it', () => {
    const pod = inject(annotated());
    const [container] = pod.spec!.initContainers!;
    container!.image = 'mirror.local/frpc:v0.71.0';
    container!.env!.push({ name: 'HTTPS_PROXY', value: 'http://proxy:3128' });
    container!.terminationMessagePath = '/dev/termination-log';
    assert.deepEqual(inject(pod), pod);
  });
});

describe('selector mode', () => {
  const bySelector = (matchLabels: Record<string, string>) => ({
    backends: { discovery: { mode: 'selector' as const, selector: { matchLabels } } },
  });

  it('takes in a Pod without annotation that the selector matches', () => {
    assert.equal(sidecar(podWith(), bySelector({ app: 'web' })).name, 'frpc');
  });

  it('leaves a Pod alone that no selector matches, and one for an empty selector', () => {
    for (const selector of [{ app: 'other' }, {}] as Record<string, string>[]) {
      assert.deepEqual(inject(podWith(), bySelector(selector)), podWith());
    }
  });
});

describe('a review of a Pod', () => {
  const request = (pod: Pod, dryRun = false) =>
    ({ uid: '1', kind: {}, resource: {}, namespace: 'shop', operation: 'CREATE', object: pod, dryRun }) as never;

  it('waits for a service that is on its way', async () => {
    const store = storeOf();
    const decision = createPodReviewer(store, defaultConfig).decide(request(annotated()), 10_000);
    assert.ok(decision instanceof Promise);
    store.set(service('web'));
    assert.equal((await decision).reason, 'Injected');
  });

  it('waits for the Secrets of a service that was just created', async () => {
    const young = { ...service('web'), metadata: { name: 'web', namespace: 'shop', creationTimestamp: new Date().toISOString() } };
    const store = storeOf(young);
    const decision = createPodReviewer(store, defaultConfig).decide(request(annotated()), 10_000);
    assert.ok(decision instanceof Promise);
    store.set({ ...young, status: { conditions: [{ type: 'CertificatesReady', status: 'True' }] } });
    assert.equal((await decision).reason, 'Injected');
  });

  it('answers at once on a dry run, and where the request has no time left', () => {
    const reviewer = createPodReviewer(storeOf(), defaultConfig);
    assert.equal((reviewer.decide(request(annotated(), true), 10_000) as { reason: string }).reason, 'UnknownGroup');
    assert.equal((reviewer.decide(request(annotated()), 400) as { reason: string }).reason, 'UnknownGroup');
  });

  it('lets at most a hundred wait', async () => {
    const reviewer = createPodReviewer(storeOf(), configSchema.parse({}));
    const answers = Array.from({ length: 101 }, () => reviewer.decide(request(annotated()), 600));
    assert.deepEqual([answers.filter((answer) => answer instanceof Promise).length, answers.at(-1) instanceof Promise], [100, false]);
    await Promise.all(answers.filter((answer) => answer instanceof Promise));
  });
});

describe('a Pod of a service whose host is the namespace of an older one', () => {
  it('is denied, with whose it is', () => {
    const aged = (namespace: string, creationTimestamp: string) => ({
      ...service('web', {}, namespace),
      metadata: { name: 'web', namespace, creationTimestamp },
    });
    const store = storeOf(aged('first', '2026-01-01T00:00:00Z'), aged('shop', '2026-01-02T00:00:00Z'));
    const webhook = webhooksOf(store, defaultConfig).find(({ path }) => path === '/mutate/pods')!;
    const decide = (namespace: string) =>
      webhook.decide({ uid: '1', namespace, operation: 'CREATE', object: annotated() } as never, { timeoutMs: 10_000 }) as {
        reason: string;
        message: string;
      };
    assert.equal(decide('first').reason, 'Injected');
    assert.equal(decide('shop').reason, 'HostConflict');
    assert.match(decide('shop').message, /web\.example\.com\/ is already exposed by DistributedService first\/web/);
  });
});
