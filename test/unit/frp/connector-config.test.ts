import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configSchema, defaultConfig, type Config } from '../../../src/config/schema.ts';
import { renderClientConfig } from '../../../src/frp/client-config.ts';
import { backendId, endpointId, endpointsIn, renderConnectorConfig, type Endpoint } from '../../../src/frp/connector-config.ts';
import { originOf, originsIn } from '../../../src/frp/origins.ts';
import { ownerOf } from '../../../src/frp/proxy-names.ts';
import { tuningOf } from '../../../src/frp/tuning.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

interface Proxy {
  name: string;
  localIP: string;
  localPort: number;
  [field: string]: unknown;
}
type Rendered = Record<string, unknown> & { proxies: Proxy[] };

const endpoints: Endpoint[] = [
  { address: '10.0.0.6', port: 80 },
  { address: '10.0.0.5', port: 8080 },
];
const render = (subject: ReturnType<typeof service>, members = endpoints) =>
  JSON.parse(renderConnectorConfig(subject, members, defaultConfig)) as Rendered;

function sidecarOf(subject: ReturnType<typeof service>): Rendered {
  const tuning = tuningOf(subject.spec, undefined, { cpu: undefined, memory: undefined });
  const members = [{ service: subject, localPort: 3000 }];
  const input = { members, namespace: subject.metadata.namespace ?? '', tuning, logLevel: 'info' };
  return JSON.parse(renderClientConfig(input, defaultConfig)) as Rendered;
}

const specs: Record<string, Partial<DistributedServiceSpec>> = {
  http: { expose: { type: 'path', domain: 'a.example.com', path: '/v1' } },
  tcp: { serviceType: 'tcp', expose: { type: 'port', port: 20432 } },
  grpc: { serviceType: 'grpc', expose: { type: 'domain', domain: 'g.example.com' } },
  udp: { serviceType: 'udp', expose: { type: 'port', port: 20053 } },
};

describe("a connector's configuration", () => {
  for (const [kind, spec] of Object.entries(specs)) {
    it(`makes each ${kind} endpoint what a sidecar would be, of the same group`, () => {
      const subject = service('web', spec);
      const [sidecar] = sidecarOf(subject).proxies;
      const { proxies } = render(subject);
      assert.equal(proxies.length, 2);
      for (const proxy of proxies) {
        const { name: _n, localIP: _i, localPort: _p, ...rest } = proxy;
        const { name: _sn, localIP: _si, localPort: _sp, ...expected } = sidecar!;
        assert.deepEqual(rest, expected);
      }
    });
  }

  it('dials the endpoints', () => {
    const { proxies } = render(service('web', specs.http));
    assert.deepEqual(
      proxies.map(({ localIP, localPort }) => `${localIP}:${localPort}`),
      ['10.0.0.5:8080', '10.0.0.6:80'],
    );
  });

  it('connects as a sidecar does, with an admin API inside the Pod alone, behind a password', () => {
    const subject = service('web', specs.http);
    const { proxies: _c, webServer, ...connector } = render(subject);
    const { proxies: _s, ...sidecar } = sidecarOf(subject);
    assert.deepEqual(connector, sidecar);
    assert.deepEqual(webServer, { addr: '127.0.0.1', port: 7400, user: 'frpc', password: '{{ .Envs.FRP_GROUP_KEY }}' });
  });

  it('names proxies so that the endpoint and the connector Pod can be told', () => {
    const subject = service('web', specs.http);
    const name = render(subject)
      .proxies[0]!.name.replace('{{ .Envs.POD_NAME }}', 'frp-web-connector-x')
      .replace('{{ .Envs.POD_UID }}', 'uid-1');
    const { namespace, name: of } = subject.metadata;
    const { service: owner, id } = ownerOf(name)!;
    assert.deepEqual({ owner, id }, { owner: `${namespace}/${of}`, id: backendId(subject, endpoints[1]!, 'uid-1') });
  });

  it('changes nothing of an endpoint that stays, whoever else comes or goes', () => {
    const port = fc.integer({ min: 1, max: 65535 });
    const lists = fc.uniqueArray(fc.record({ address: fc.ipV4(), port }), {
      maxLength: 20,
      selector: ({ address, port: of }) => `${address}:${of}`,
    });
    const subject = service('web', specs.http);
    fc.assert(
      fc.property(lists, lists, (before, after) => {
        const of = (members: Endpoint[]) =>
          new Map(render(subject, members).proxies.map((proxy) => [`${proxy.localIP}:${proxy.localPort}`, proxy]));
        const old = of(before);
        for (const [key, proxy] of of(after)) if (old.has(key)) assert.deepEqual(proxy, old.get(key));
      }),
    );
  });

  it('is the same text for the same endpoints in any order', () => {
    const subject = service('web', specs.http);
    assert.equal(
      renderConnectorConfig(subject, endpoints, defaultConfig),
      renderConnectorConfig(subject, [...endpoints].reverse(), defaultConfig),
    );
  });

  it('tells the gateway which of the endpoints that the user named an address is of, and never with which weight', () => {
    const gateway = configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] } });
    const [a, b] = [
      { host: 'a.example.com', port: 80, weight: 7 },
      { host: 'b.example.com', port: 80, weight: 3 },
    ];
    const text = (config: Config, ...origins: { host: string; port: number; weight: number }[]) =>
      renderConnectorConfig(service('web'), [{ address: '10.0.0.5', port: 80, origins: origins.map(originOf) }], config);
    const metadatas = (JSON.parse(text(gateway, a, b)) as Rendered).proxies.map((proxy) => proxy.metadatas);
    assert.deepEqual(originsIn(metadatas[0]).toSorted(), [originOf(a), originOf(b)].toSorted());
    assert.equal(text(gateway, a, b), text(gateway, { ...b, weight: 1 }, a));
    assert.notEqual(text(gateway, a), text(gateway, b));
    assert.ok(!text(defaultConfig, a).includes('metadatas'));
  });

  it('gives an endpoint of another service another id', () => {
    assert.notEqual(endpointId(service('web'), endpoints[0]!), endpointId(service('api'), endpoints[0]!));
  });

  it("never lets a user's text reach the template engine", () => {
    const subject = service('web', { expose: { type: 'path', domain: 'a.example.com', path: '/{{ .Envs.FRP_GROUP_KEY }}' } });
    const text = renderConnectorConfig(subject, endpoints, defaultConfig);
    assert.doesNotMatch(text.replaceAll(/"(groupKey|password)":"\{\{ \.Envs\.FRP_GROUP_KEY \}\}"/g, ''), /\{\{ ?\.Envs\.FRP_GROUP_KEY/);
  });
});

describe('a connector of a service with several ports', () => {
  const ports = [
    { name: 'smtp', port: 2525, backendPort: 25 },
    { name: 'imap', port: 1143 },
  ];
  const subject = service('mail', { serviceType: 'tcp', expose: { type: 'port', ports } });
  const gateway = configSchema.parse({ gateway: { addresses: ['gw-0'] } });

  for (const [server, config] of Object.entries({ 'plain server': defaultConfig, gateway }))
    it(`dials each port of each endpoint, through the ${server}, and the endpoints are read back as they were`, () => {
      const text = renderConnectorConfig(subject, endpoints, config);
      assert.deepEqual(
        (JSON.parse(text) as Rendered).proxies.map(({ localIP, localPort }) => `${localIP}:${localPort}`),
        ['10.0.0.5:25', '10.0.0.5:1143', '10.0.0.6:25', '10.0.0.6:1143'],
      );
      assert.deepEqual(endpointsIn(text), [...endpoints].reverse());
    });
});
