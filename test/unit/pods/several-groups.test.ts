import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema, defaultConfig, type Config } from '../../../src/config/schema.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { outdatedGroups } from '../../../webhooks/pods/outdated.ts';
import type { Pod } from '../../../webhooks/pods/pod.ts';
import { sharedSources } from '../../../webhooks/pods/projected-files.ts';
import { service, storeOf } from '../../support/services.ts';

const gateway = configSchema.parse({ gateway: { addresses: ['gw-0.example.com', 'gw-1.example.com'] } });
const manual = (certSecret: string): Partial<DistributedServiceSpec> => ({
  security: { mtls: { enabled: true, mode: 'manual', caSecret: 'ca', certSecret } },
});
const podOf = (services: readonly DistributedService[]): Pod => ({
  metadata: {
    name: 'mail-0',
    namespace: 'shop',
    annotations: Object.fromEntries([
      ['frp.io/group', services.map(({ metadata }) => metadata.name).join()],
      ...services.map(({ metadata }, index) => [`frp.io/port.${metadata.name}`, String(2500 + index)]),
    ]) as Record<string, string>,
  },
  spec: { containers: [{ name: 'app', image: 'mail:1' }] },
});
const decide = (services: DistributedService[], config: Config, pod = podOf(services)) =>
  decidePod(pod, { namespace: 'shop', services: storeOf(...services), config, selectorMode: false });
function inject(services: DistributedService[], config: Config): Required<Pod> {
  const decision = decide(services, config);
  assert.equal(decision.outcome, 'patched', decision.message);
  return jsonpatch.applyPatch(podOf(services), decision.patch as Operation[], true).newDocument as Required<Pod>;
}

interface Client {
  start?: string[];
  transport: { poolCount: number; dialServerTimeout: number; dialServerKeepalive: number };
  proxies: { name: string; localPort: number; loadBalancer?: { groupKey: string } }[];
}
const clientOf = (pod: Pod, index = 0) =>
  JSON.parse(pod.metadata!.annotations![index === 0 ? 'frp.io/frpc.json' : `frp.io/frpc-${index}.json`]!) as Client;
const groups = ['smtp', 'submission', 'submissions', 'imap', 'imaps', 'pop', 'pops', 'sieve', 'http'];
const nine = groups.map((name, index) => service(name, { serviceType: 'tcp', expose: { type: 'port', port: 20_000 + index } }));

describe('a Pod of several groups', () => {
  it('has one sidecar for the plain frp server, and one for each replica of the gateway, whatever the number of groups', () => {
    for (const [config, containers] of [
      [defaultConfig, ['frpc']],
      [gateway, ['frpc', 'frpc-1']],
    ] as const) {
      const pod = inject(nine, config);
      assert.deepEqual(
        pod.spec!.initContainers!.map(({ name }) => name),
        containers,
      );
      for (const index of containers.keys())
        assert.deepEqual(
          clientOf(pod, index).proxies.map(({ localPort }) => localPort),
          nine.map((_, place) => 2500 + place),
        );
    }
  });

  it('begins on the plain frp server with the groups whose key is there, each with its own key', () => {
    const { start, proxies } = clientOf(inject(nine.slice(0, 2), defaultConfig));
    assert.deepEqual(
      start,
      proxies.map(({ name }, index) => `{{ if .Envs.FRP_GROUP_KEY_${index} }}${name}{{ end }}`),
    );
    assert.deepEqual(
      proxies.map(({ loadBalancer }) => loadBalancer?.groupKey),
      ['{{ .Envs.FRP_GROUP_KEY_0 }}', '{{ .Envs.FRP_GROUP_KEY_1 }}'],
    );
    assert.equal(clientOf(inject(nine.slice(0, 2), gateway)).start, undefined);
  });

  it('has the largest pool and the longest dial time that one of them asks for, and the shortest keepalive', () => {
    const asking = (size: number, dial: string, keepAlive: string) => ({ connectionPool: { size }, timeout: { dial, keepAlive } });
    const services = [service('a', { advanced: asking(3, '20s', '90s') }), service('b', { advanced: asking(9, '5s', '15s') })];
    const { poolCount, dialServerTimeout, dialServerKeepalive } = clientOf(inject(services, defaultConfig)).transport;
    assert.deepEqual([poolCount, dialServerTimeout, dialServerKeepalive], [9, 20, 15]);
  });

  it('keeps the port that each group had when another injector adds ports', () => {
    const services = [service('a'), service('b')];
    const pod: Pod = {
      metadata: { annotations: { 'frp.io/group': 'a,b', 'frp.io/port.b': '9000' } },
      spec: { containers: [{ name: 'app', image: 'app:1', ports: [{ containerPort: 8080 }] }] },
    };
    const injected = jsonpatch.applyPatch(pod, decide(services, defaultConfig, pod).patch as Operation[]).newDocument;
    injected.spec!.containers!.push({ name: 'other', image: 'other:1', ports: [{ containerPort: 15_000 }] });
    assert.equal(decide(services, defaultConfig, injected).reason, 'UpToDate');
  });

  it('is outdated for the group whose proxy changed, and for all that share the tunnel where that changed', () => {
    const [a, b] = [service('a'), service('b')];
    const pod = inject([a, b], defaultConfig);
    const outdated = (...services: DistributedService[]) => outdatedGroups(pod, storeOf(...services), defaultConfig);
    assert.deepEqual(outdated(a, b), []);
    assert.deepEqual(outdated(a, service('b', { advanced: { bandwidth: { limit: '1MB' } } })), ['b']);
    assert.deepEqual(outdated(a, service('b', { advanced: { timeout: { dial: '25s' } } })), ['a', 'b']);
  });

  const warned = (...specs: Partial<DistributedServiceSpec>[]) =>
    decide(
      specs.map((spec, index) => service(`s${index}`, spec)),
      defaultConfig,
    ).warnings.filter((warning) => /share a sidecar/.test(warning));

  it('is told where certificates that are not frp-k8s’s differ, because the sidecar can show one', () => {
    const external: Partial<DistributedServiceSpec> = { security: { mtls: { enabled: true, mode: 'external' } } };
    assert.deepEqual(warned(manual('mine'), manual('mine')), []);
    assert.deepEqual(warned(manual('mine')), []);
    assert.deepEqual(warned(external), []);
    assert.deepEqual(warned({}, {}), []);
    for (const [a, b] of [
      [manual('mine'), {}],
      [manual('mine'), manual('other')],
      [manual('mine'), external],
      [external, external],
    ] as const)
      assert.match(
        warned(a, b).join(),
        /^groups "s0", "s1" share a sidecar, which shows one certificate: that of frp-k8s, .* manual in each of them, with the same certSecret$/,
      );
  });

  it('is told which setting the tunnel has where they ask for different ones', () => {
    const asking = (size: number, dial: string, keepAlive: string) => ({
      advanced: { connectionPool: { size }, timeout: { dial, keepAlive } },
    });
    assert.deepEqual(warned(asking(3, '20s', '90s'), asking(12, '5s', '2m')), [
      'groups "s0", "s1" share a sidecar and differ in spec.advanced.connectionPool: its tunnel has the largest, 12',
      'groups "s0", "s1" share a sidecar and differ in spec.advanced.timeout.dial: its tunnel has the longest, 20s',
      'groups "s0", "s1" share a sidecar and differ in spec.advanced.timeout.keepAlive: its tunnel has the shortest, 90s',
    ]);
    assert.deepEqual(warned({ advanced: { connectionPool: { enabled: false } } }, { advanced: { connectionPool: { size: 2 } } }), [
      'groups "s0", "s1" share a sidecar and differ in spec.advanced.connectionPool: its tunnel has the largest, 2',
    ]);
    assert.deepEqual(warned({ advanced: { connectionPool: { size: 7 } } }, {}), []);
  });
});

type Secrets = Record<string, Record<string, string>>;
interface Source {
  secret?: { name: string; optional: boolean; items?: { key: string; path: string }[] };
  serviceAccountToken?: { path: string };
}

/** Files of a projected volume, as the kubelet collects them (pkg/volume/projected/projected.go, collectData). */
function collected(sources: readonly Source[], secrets: Secrets): Record<string, string> {
  const files: Record<string, string> = {};
  for (const { secret, serviceAccountToken } of sources) {
    if (serviceAccountToken) files[serviceAccountToken.path] = 'token';
    if (!secret) continue;
    assert.ok(secret.optional);
    const data = secrets[secret.name] ?? {};
    const items = secret.items ?? Object.keys(data).map((key) => ({ key, path: key }));
    for (const { key, path } of items) if (data[key] !== undefined) files[path] = data[key];
  }
  return files;
}

/** Paths that the API server compares (pkg/apis/core/validation, validateProjectionSources). */
const named = (sources: readonly Source[]): string[] =>
  sources.flatMap(({ secret, serviceAccountToken }) => [
    ...(secret?.items ?? []).map(({ path }) => path),
    ...(serviceAccountToken ? [serviceAccountToken.path] : []),
  ]);

const secretsOf = (name: string): Secrets => ({
  [`frp-${name}-tls`]: { 'tls.crt': `cert ${name}`, 'tls.key': `key ${name}`, 'ca.crt': 'the authority', 'replaced.crt': 'old' },
  [`frp-${name}-group`]: { key: `group key ${name}`, 'frps.token': 'token of frps', 'frps-ca.crt': 'who signed', proxy: 'http://proxy' },
});

describe('the files of a sidecar of several groups', () => {
  const installations = fc.constantFrom(
    { config: configSchema.parse({ frps: { auth: { tokenSecret: 't' }, caSecret: 'c' } }), audience: undefined },
    {
      config: configSchema.parse({ gateway: { addresses: ['gw.example.com'], proxyURL: 'http://proxy:3128', proxySecret: 'way-out' } }),
      audience: 'frp.io/gateway',
    },
  );

  it('are there while one of the groups is: certificate and key of one and the same, the first of those that are left', () => {
    fc.assert(
      fc.property(fc.subarray(groups, { minLength: 1 }), installations, (left, { config, audience }) => {
        const sources = sharedSources(nine, audience, config) as Source[];
        const files = collected(sources, Object.assign({}, ...left.map(secretsOf)) as Secrets);
        assert.deepEqual([files['tls.crt'], files['tls.key'], files['ca.crt']], [`cert ${left[0]}`, `key ${left[0]}`, 'the authority']);
        if (audience === undefined) {
          assert.deepEqual([files['frps.token'], files['frps-ca.crt']], ['token of frps', 'who signed']);
          const keys = groups.map((group) => (left.includes(group) ? `group key ${group}` : undefined));
          assert.deepEqual(
            groups.map((_, index) => files[`group-${index}.key`]),
            keys,
          );
        } else assert.deepEqual([files.token, files.proxy], ['token', 'http://proxy']);
        assert.equal(new Set(named(sources)).size, named(sources).length, 'the API server refuses a path that is named twice');
      }),
    );
  });

  it('are a certificate of the user’s own where each group names it, and the authority of the installation all the same', () => {
    const secrets: Secrets = {
      ...secretsOf('a'),
      ...secretsOf('b'),
      mine: { 'tls.crt': 'mine', 'tls.key': 'my key', 'ca.crt': 'another authority', token: 'of mine' },
    };
    const shown = (...certSecrets: string[]) => {
      const services = certSecrets.map((certSecret, index) => service('ab'[index]!, certSecret === '' ? {} : manual(certSecret)));
      const files = collected(sharedSources(services, 'frp.io/gateway', gateway), secrets);
      return [files['tls.crt'], files['tls.key'], files['ca.crt'], files.token];
    };
    assert.deepEqual(shown('mine', 'mine'), ['mine', 'my key', 'the authority', 'token']);
    assert.deepEqual(shown('mine', ''), ['cert a', 'key a', 'the authority', 'token']);
    assert.deepEqual(shown('mine', 'other'), ['cert a', 'key a', 'the authority', 'token']);
  });
});
