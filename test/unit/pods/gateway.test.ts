import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema, defaultConfig } from '../../../src/config/schema.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { outdatedGroups } from '../../../webhooks/pods/outdated.ts';
import type { Pod } from '../../../webhooks/pods/pod.ts';
import { until } from '../../support/until.ts';
import { service, storeOf } from '../../support/services.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com', 'gw-1.example.com:7443'] } });
const podOf = (groups: string, annotations: Record<string, string> = {}): Pod => ({
  metadata: { name: 'app-1', namespace: 'shop', annotations: { 'frp.io/group': groups, ...annotations } },
  spec: { containers: [{ name: 'app', image: 'nginx:1', ports: [{ containerPort: 8080 }] }] },
});
const decide = (pod: Pod, services: DistributedService[], used = config) =>
  decidePod(pod, { namespace: 'shop', services: storeOf(...services), config: used, selectorMode: false });

function inject(pod: Pod, services: DistributedService[], used = config): Pod {
  const decision = decide(pod, services, used);
  assert.equal(decision.outcome, 'patched', decision.message);
  return jsonpatch.applyPatch(structuredClone(pod), decision.patch as Operation[], true).newDocument;
}

interface Client {
  serverAddr: string;
  serverPort: number;
  auth?: unknown;
  transport: { tls: { serverName: string } };
  proxies: { name: string; type: string; [field: string]: unknown }[];
}
const configured = (pod: Pod): Client[] =>
  ['frpc', 'frpc-1', 'frpc-2']
    .map((name) => pod.metadata!.annotations![`frp.io/${name}.json`])
    .filter((text) => text !== undefined)
    .map((text) => JSON.parse(text) as Client);

describe('a Pod of a service behind the gateway', () => {
  it('has user and password of the proxy on the way from a Secret, and nothing of them in itself; a plain one has no proxy', () => {
    const closed = configSchema.parse({
      gateway: { addresses: ['gw.example.com'], proxyURL: 'http://proxy:3128', proxySecret: 'way-out' },
    });
    const pod = inject(
      podOf('web,plain', { 'frp.io/port.web': '80', 'frp.io/port.plain': '80' }),
      [service('web'), service('plain', { gateway: false })],
      closed,
    );
    const [web, plain] = pod.spec!.initContainers! as unknown as { command: string[] }[];
    assert.match(pod.metadata!.annotations!['frp.io/frpc.json']!, /"proxyURL":"\{\{ \.Envs\.FRP_PROXY_URL \}\}"/);
    assert.match(
      web!.command[2]!,
      /\[ -s \/etc\/frp\/certs\/proxy\.url \]; do[^]*export FRP_PROXY_URL="\$\(cat \/etc\/frp\/certs\/proxy\.url\)"\n/,
    );
    const items = (name: string) => JSON.stringify(pod.spec!.volumes!.find((volume) => volume.name === name));
    assert.match(
      items('frpc-certs'),
      /\{"secret":\{"name":"frp-web-group","optional":true,"items":\[\{"key":"proxy","path":"proxy\.url"\}\]/,
    );
    assert.doesNotMatch(pod.metadata!.annotations!['frp.io/frpc-1.json']! + plain!.command[2]! + items('frpc-1-certs'), /proxy/i);
  });

  it('starts its frpc anew when user or password of the proxy change', async (t) => {
    const gateway = { addresses: ['gw.example.com'], proxyURL: 'http://proxy:3128', proxySecret: 'way-out' };
    const pod = inject(podOf('web'), [service('web')], configSchema.parse({ gateway }));
    const app = createServer().listen(0, '127.0.0.1');
    await once(app, 'listening');
    const at = mkdtempSync(join(tmpdir(), 'frp-k8s-start-'));
    t.after(() => {
      app.close();
      rmSync(at, { recursive: true });
    });
    mkdirSync(join(at, 'certs'));
    const give = (name: string, text: string) => writeFileSync(join(at, 'certs', name), text);
    for (const [name, text] of Object.entries({ 'tls.crt': 'x', token: 'x', 'proxy.url': 'http://u:old@proxy' })) give(name, text);
    writeFileSync(join(at, 'frpc'), '#!/bin/sh\necho "frpc by $FRP_PROXY_URL"\nexec sleep 60\n', { mode: 0o755 });
    const [sidecar] = pod.spec!.initContainers! as unknown as { command: string[] }[];
    const [shell = '', ...rest] = sidecar!.command.map((text) => text.replaceAll('/etc/frp', at).replaceAll('sleep 5;', 'sleep 0.05;'));
    const LOCAL_SERVICE_PORT = String((app.address() as AddressInfo).port);
    const child = spawn(shell, rest, { env: { PATH: `${at}:${process.env.PATH}`, LOCAL_SERVICE_PORT }, detached: true });
    // With all that the shell has started, as a container ends.
    t.after(() => process.kill(-child.pid!, 'SIGKILL'));
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('frpc by http://u:old@proxy'));
    // The kubelet starts a native sidecar again that has ended.
    const ended = once(child, 'exit');
    give('proxy.url', 'http://u:new@proxy');
    assert.deepEqual(await ended, [null, 'SIGTERM']);
  });

  it('has a sidecar for each of its addresses, which verifies that name', () => {
    assert.deepEqual(
      configured(inject(podOf('web'), [service('web')])).map(({ serverAddr, serverPort, transport }) => [
        serverAddr,
        serverPort,
        transport.tls.serverName,
      ]),
      [
        ['gw-0.example.com', 7000, 'gw-0.example.com'],
        ['gw-1.example.com', 7443, 'gw-1.example.com'],
      ],
    );
  });

  it('logs in with its own token, and has one proxy that holds nothing of the exposure', () => {
    const spec: Partial<DistributedServiceSpec> = {
      expose: { type: 'domain', domain: 'a.example.com', subdomain: 'a', path: '/v1' },
      loadBalancing: { healthCheck: { type: 'http' } },
      advanced: { bandwidth: { limit: '1MB' } },
    };
    const [{ auth, proxies } = { auth: undefined, proxies: [] }] = configured(inject(podOf('web'), [service('web', spec)]));
    assert.deepEqual(auth, { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: '/etc/frp/certs/token' } } } });
    assert.equal(proxies.length, 1);
    const { name, ...rest } = proxies[0]!;
    assert.match(name, /^shop\.web\.[0-9a-f]{8}\.\{\{ \.Envs\.POD_NAME \}\}\.\{\{ \.Envs\.POD_UID \}\}$/);
    assert.deepEqual(rest, {
      localIP: 'localhost',
      localPort: 8080,
      type: 'tcp',
      transport: { bandwidthLimit: '1MB', bandwidthLimitMode: 'client' },
    });
  });

  it('mounts that token beside the certificate, and no group key', () => {
    const { initContainers, volumes } = inject(podOf('web'), [service('web')]).spec!;
    const certs = volumes!.find(({ name }) => name === 'frpc-1-certs') as unknown as { projected: { sources: Record<string, unknown>[] } };
    assert.deepEqual(certs.projected.sources.slice(1), [
      { serviceAccountToken: { path: 'token', audience: 'frp.io/gateway', expirationSeconds: 3600 } },
    ]);
    assert.ok(!JSON.stringify([initContainers, volumes]).includes('group.key'));
    assert.deepEqual(
      initContainers![0]!.env!.map(({ name }) => name),
      ['POD_NAME', 'POD_UID', 'FRP_GROUP', 'LOCAL_SERVICE_PORT'],
    );
  });

  it('may be in a plain group too', () => {
    const injected = inject(podOf('plain,web'), [service('plain', { gateway: false }), service('web')]);
    assert.deepEqual(
      configured(injected).map(({ serverAddr, auth }) => [serverAddr, auth !== undefined]),
      [
        ['frp-server.frp-system.svc', false],
        ['gw-0.example.com', true],
        ['gw-1.example.com', true],
      ],
    );
    const { gateway, groups } = JSON.parse(injected.metadata!.annotations!['frp.io/injected']!) as Record<string, unknown>;
    assert.deepEqual([groups, gateway], [['plain', 'web'], 'frp-server.frp-system.svc:7000,gw-0.example.com:7000,gw-1.example.com:7443']);
  });

  it('is not outdated by what the gateway does for it, and is by what its tunnel needs', () => {
    const pod = inject(podOf('web'), [service('web')]);
    const outdated = (spec: Partial<DistributedServiceSpec>, used = config) => outdatedGroups(pod, storeOf(service('web', spec)), used);
    const shaping: Partial<DistributedServiceSpec>[] = [
      { expose: { type: 'path', domain: 'new.example.com', path: '/new', tls: { secretName: 'tls' } } },
      { loadBalancing: { algorithm: 'ip-hash', healthCheck: { type: 'tcp', interval: '1s' }, sessionAffinity: { enabled: true } } },
      { security: { authentication: { type: 'apikey', tokenSecret: 'keys' }, rateLimit: { connections: 1 } } },
      { routes: [{ path: '/a', groups: [{ name: 'other', weight: 1 }] }], advanced: { compression: true, retry: { maxAttempts: 5 } } },
    ];
    for (const spec of shaping) assert.deepEqual(outdated(spec), [], JSON.stringify(spec));
    assert.deepEqual(outdated({ advanced: { bandwidth: { limit: '1MB' } } }), ['web']);
    assert.deepEqual(outdated({ gateway: false }), ['web']);
    const more = configSchema.parse({ gateway: { addresses: [...config.gateway.addresses, 'gw-2.example.com'] } });
    assert.deepEqual(outdated({}, more), ['web']);
    const fewer = configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] } });
    assert.deepEqual(outdated({}, fewer), ['web']);
  });

  it('waits for its registration where it asks for it, beside the gates that it has', () => {
    const asking = podOf('web', { 'frp.io/readiness-gate': 'true' });
    assert.deepEqual(inject(asking, [service('web')]).spec!.readinessGates, [{ conditionType: 'frp.io/registered' }]);
    const own = { ...asking, spec: { ...asking.spec, readinessGates: [{ conditionType: 'example.com/warm' }] } };
    assert.deepEqual(inject(own, [service('web')]).spec!.readinessGates, [
      { conditionType: 'example.com/warm' },
      { conditionType: 'frp.io/registered' },
    ]);
    const plain = decide(asking, [service('web')], defaultConfig);
    assert.match(plain.warnings.join(), /frp\.io\/readiness-gate has no effect on a plain frp server/);
    assert.equal(inject(asking, [service('web')], defaultConfig).spec!.readinessGates, undefined);
  });

  it('is refused where there is no gateway, with what to do', () => {
    const { reason, message } = decide(podOf('web'), [service('web', { gateway: true })], defaultConfig);
    assert.equal(reason, 'GatewayRequired');
    assert.match(message, /install the frp-k8s gateway \(configuration gateway\.addresses\), or remove spec\.gateway$/);
  });

  it('is refused for udp, with what to do', () => {
    const udp = service('dns', { serviceType: 'udp', expose: { type: 'port', port: 5353 } });
    const { reason, message } = decide(podOf('dns', { 'frp.io/port': '53' }), [udp]);
    assert.equal(reason, 'UdpNeedsPlainServer');
    assert.match(message, /set spec\.gateway: false/);
  });

  it('is served with the protection that a plain frp server lacks', () => {
    const protectedSpec: Partial<DistributedServiceSpec> = { security: { authentication: { type: 'apikey', tokenSecret: 'keys' } } };
    assert.equal(decide(podOf('web'), [service('web', protectedSpec)]).outcome, 'patched');
    assert.equal(decide(podOf('web'), [service('web', { ...protectedSpec, gateway: false })]).reason, 'GatewayRequired');
    for (const spec of [{ security: { rateLimit: { connections: 5 } } }, { expose: { domain: 'a.b', tls: { secretName: 'tls' } } }])
      assert.equal(decide(podOf('web'), [service('web', spec)], defaultConfig).reason, 'GatewayRequired', JSON.stringify(spec));
  });
});
