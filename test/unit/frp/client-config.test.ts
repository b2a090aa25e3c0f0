import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema, defaultConfig } from '../../../src/config/schema.ts';
import { clientSettings, renderClientConfig } from '../../../src/frp/client-config.ts';
import { tuningOf } from '../../../src/frp/tuning.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

interface Rendered {
  transport: Record<string, unknown> & { tls: Record<string, unknown> };
  proxies: (Record<string, unknown> & { name: string; loadBalancer?: { group: string; groupKey: string } })[];
}

const unknownSize = { cpu: undefined, memory: undefined };

function render(spec: Partial<DistributedServiceSpec>, config = defaultConfig): Rendered {
  const subject = service('web', spec);
  const input = {
    members: [{ service: subject, localPort: 3000 }],
    namespace: 'shop',
    tuning: tuningOf(subject.spec, undefined, unknownSize),
    logLevel: 'info',
  };
  return JSON.parse(renderClientConfig(input, config)) as Rendered;
}
const proxy = (spec: Partial<DistributedServiceSpec>) => render(spec).proxies[0]!;

describe("frpc's configuration", () => {
  it('verifies the server and presents the client certificate', () => {
    assert.deepEqual(render({}).transport.tls, {
      enable: true,
      certFile: '/etc/frp/certs/tls.crt',
      keyFile: '/etc/frp/certs/tls.key',
      trustedCaFile: '/etc/frp/certs/ca.crt',
      serverName: 'frp-server.frp-system.svc',
    });
  });

  it('speaks by itself to a gateway, which ends the tunnel of a client that is silent, and not to a plain server', () => {
    const settings = (gateway?: { host: string; port: number }) =>
      clientSettings(
        { tuning: tuningOf(service('web').spec, undefined, unknownSize), logLevel: 'info', gateway },
        defaultConfig,
      ) as Rendered;
    assert.equal(settings({ host: 'gw-0.example.com', port: 7000 }).transport.heartbeatInterval, 1);
    assert.equal(settings().transport.heartbeatInterval, undefined);
  });

  it('sends udp packets of the size that the plain server takes, and says nothing of it otherwise', () => {
    const config = configSchema.parse({ frps: { udpPacketSize: 4096 }, gateway: { addresses: ['gw-0.example.com'] } });
    const settings = (gateway?: { host: string; port: number }) =>
      clientSettings({ tuning: tuningOf(service('web').spec, undefined, unknownSize), logLevel: 'info', gateway }, config) as {
        udpPacketSize?: number;
      };
    assert.equal(settings().udpPacketSize, 4096);
    assert.equal(settings({ host: 'gw-0.example.com', port: 7000 }).udpPacketSize, undefined);
    assert.equal(
      (
        clientSettings({ tuning: tuningOf(service('web').spec, undefined, unknownSize), logLevel: 'info' }, defaultConfig) as {
          udpPacketSize?: number;
        }
      ).udpPacketSize,
      undefined,
    );
    assert.ok(!configSchema.safeParse({ frps: { udpPacketSize: 7001 } }).success, 'it would not fit into a message of frp');
  });

  it('has for http one proxy for each domain and location, each in a group of its own', () => {
    const config = configSchema.parse({ baseDomain: 'apps.example.com' });
    const { proxies } = render({ expose: { type: 'domain', domain: 'a.example.com', subdomain: 'a', path: '/v1' } }, config);
    assert.deepEqual(
      proxies.map(({ type, customDomains, locations }) => [type, customDomains, locations]),
      [
        ['http', ['a.example.com'], ['/v1']],
        ['http', ['a.apps.example.com'], ['/v1']],
      ],
    );
    assert.equal(new Set(proxies.map(({ loadBalancer }) => loadBalancer!.group)).size, 2);
  });

  it('compares with the decoded path, as frps does', () => {
    const { locations } = proxy({ expose: { type: 'path', domain: 'a.example.com', path: '/caf%C3%A9/%2B' } });
    assert.deepEqual(locations, ['/café/+']);
  });

  it('has the app asked for the Host of the spec, and its health check too', () => {
    const spec = { expose: { domain: 'llm.example.com', hostHeader: 'localhost:11434' }, loadBalancing: { healthCheck: {} } };
    const { hostHeaderRewrite, healthCheck } = proxy(spec) as { hostHeaderRewrite?: string; healthCheck?: { httpHeaders?: unknown } };
    assert.equal(hostHeaderRewrite, 'localhost:11434');
    assert.deepEqual(healthCheck?.httpHeaders, [
      { name: 'Host', value: 'localhost:11434' },
      { name: 'User-Agent', value: 'frp-k8s-health' },
    ]);
    assert.equal(
      proxy({ ...spec, expose: { ...spec.expose, type: 'port', port: 20080 } }).hostHeaderRewrite,
      undefined,
      'frp refuses it of tcp',
    );
  });

  it('has frps set headers, those of the connection and of the user left out', () => {
    const set = { 'X-A': '{{ .Envs.HOME }}', 'X-Frp-Client': 'me', 'X_Real-IP': '1.2.3.4', 'Transfer-Encoding': 'chunked' };
    const { requestHeaders, responseHeaders } = proxy({
      expose: { domain: 'a.example.com', headers: { request: { set, remove: ['X-B'] }, response: { remove: ['Server'] } } },
    });
    assert.deepEqual([requestHeaders, responseHeaders], [{ set: { 'X-A': '{{ .Envs.HOME }}' } }, undefined]);
  });

  it('serves http at a port as tcp', () => {
    const { type, remotePort } = proxy({ expose: { type: 'port', domain: 'a.example.com', port: 20080 } });
    assert.deepEqual([type, remotePort], ['tcp', 20080]);
  });

  for (const serviceType of ['tcp', 'grpc'] as const) {
    it(`serves ${serviceType} at its port as tcp, also where expose.type was left at its default`, () => {
      const { type, remotePort } = proxy({ serviceType, expose: { type: 'domain', port: 20432 } });
      assert.deepEqual([type, remotePort], ['tcp', 20432]);
    });

    it(`serves ${serviceType} at a domain by the name in the TLS handshake`, () => {
      const { type, customDomains } = proxy({ serviceType, expose: { type: 'domain', domain: 'db.example.com' } });
      assert.deepEqual([type, customDomains], ['https', ['db.example.com']]);
    });
  }

  it('has no group and no health check for udp, which frp does not know', () => {
    const udp = proxy({
      serviceType: 'udp',
      expose: { type: 'port', port: 20053 },
      loadBalancing: { healthCheck: { enabled: true, type: 'tcp' } },
    });
    assert.deepEqual([udp.type, udp.remotePort, udp.loadBalancer, udp.healthCheck], ['udp', 20053, undefined, undefined]);
  });

  it('names the group after namespace, service and what its members must agree on', () => {
    const group = (domain: string) => proxy({ expose: { type: 'domain', domain } }).loadBalancer!;
    assert.match(group('a.example.com').group, /^shop\/web\/[0-9a-f]{8}$/);
    assert.notEqual(group('a.example.com').group, group('b.example.com').group);
    assert.equal(group('a.example.com').groupKey, '{{ .Envs.FRP_GROUP_KEY }}');
  });

  it('names the proxy after the Pod, so that it is unique on the frp server', () => {
    assert.match(proxy({}).name, /^shop\.web\.[0-9a-f]{8}\.\{\{ \.Envs\.POD_NAME \}\}\.\{\{ \.Envs\.POD_UID \}\}$/);
  });

  const httpHeaders = [
    { name: 'Host', value: 'web.example.com' },
    { name: 'User-Agent', value: 'frp-k8s-health' },
  ];
  const checks: [Record<string, unknown>, unknown][] = [
    [{ enabled: true }, { type: 'http', path: '/health', httpHeaders, intervalSeconds: 10, timeoutSeconds: 3, maxFailed: 3 }],
    [
      { type: 'http', path: '/ok', interval: '2m', timeout: '5s', failureThreshold: 2 },
      { type: 'http', path: '/ok', httpHeaders, intervalSeconds: 120, timeoutSeconds: 5, maxFailed: 2 },
    ],
    [{ type: 'https' }, { type: 'tcp', intervalSeconds: 10, timeoutSeconds: 3, maxFailed: 3 }],
    [{ type: 'grpc' }, { type: 'tcp', intervalSeconds: 10, timeoutSeconds: 3, maxFailed: 3 }],
    [{ enabled: false, type: 'http' }, undefined],
  ];
  for (const [healthCheck, expected] of checks) {
    it(`renders the health check ${JSON.stringify(healthCheck)}`, () => {
      assert.deepEqual(proxy({ loadBalancing: { healthCheck: healthCheck } }).healthCheck, expected);
    });
  }

  for (const [limit, expected] of [
    ['512KB', '512KB'],
    ['10MB', '10MB'],
    ['2GB', '2048MB'],
  ] as const) {
    it(`renders the bandwidth limit ${limit} as ${expected}`, () => {
      assert.deepEqual(proxy({ advanced: { bandwidth: { limit, mode: 'server' } } }).transport, {
        bandwidthLimit: expected,
        bandwidthLimitMode: 'server',
      });
    });
  }

  it('renders timeouts in seconds', () => {
    const { transport } = render({ advanced: { timeout: { dial: '1m', keepAlive: '300s' } } });
    assert.deepEqual([transport.dialServerTimeout, transport.dialServerKeepalive], [60, 300]);
  });
});

describe('the tuning of a tunnel', () => {
  const gb = 1024 ** 3;
  const sizes: [cpu: number | undefined, memory: number | undefined, pool: number][] = [
    [4, 8 * gb, 8],
    [8, 2 * gb, 4],
    [64, 512 * gb, 20],
    [0.25, 8 * gb, 1],
    [2, undefined, 4],
    [undefined, 1.2 * gb, 2],
    [undefined, undefined, 5],
  ];
  for (const [cpu, memory, pool] of sizes) {
    it(`has a pool of ${pool} for ${cpu ?? 'unknown'} cores and ${memory === undefined ? 'unknown memory' : `${memory / gb} GB`}`, () => {
      assert.equal(tuningOf(service('web').spec, undefined, { cpu, memory }).poolCount, pool);
    });
  }

  it('takes the pool of the spec before that of the profile and of the size', () => {
    const { spec } = service('web', { advanced: { connectionPool: { enabled: true, size: 33 } } });
    assert.equal(tuningOf(spec, 'ollama', { cpu: 1, memory: gb }).poolCount, 33);
  });

  it('has no pool where the pool is disabled', () => {
    const { spec } = service('web', { advanced: { connectionPool: { enabled: false, size: 33 } } });
    assert.equal(tuningOf(spec, undefined, unknownSize).poolCount, 0);
  });

  it('applies the profile of language models', () => {
    assert.deepEqual(tuningOf(service('web').spec, 'ollama', unknownSize), {
      poolCount: 5,
      dialServerTimeout: 30,
      dialServerKeepalive: 30,
      heartbeatTimeout: 180,
    });
  });

  it('takes the timeouts of the spec before those of the profile', () => {
    const { spec } = service('web', { advanced: { timeout: { dial: '7s' } } });
    assert.equal(tuningOf(spec, 'ollama', unknownSize).dialServerTimeout, 7);
  });
});
