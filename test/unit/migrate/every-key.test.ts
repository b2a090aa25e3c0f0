import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/model/json.ts';
import { migrate, type Migration } from '../../../src/migrate/migrate.ts';
import { frpSources, keysIn } from '../../support/frp-keys.ts';

/** A value of each key that is not frp's own default, so that it means something. */
type Samples = Readonly<Record<string, unknown>>;

const common: Samples = {
  'auth.additionalScopes': ['HeartBeats'],
  'auth.method': 'oidc',
  'auth.oidc': { clientID: 'x' },
  'auth.token': 'x',
  'auth.tokenSource': { type: 'file', file: { path: 'x' } },
  clientID: 'x',
  dnsServer: '192.0.2.1',
  featureGates: { VirtualNet: true },
  'log.disablePrintColor': true,
  'log.level': 'debug',
  'log.maxDays': 7,
  'log.to': 'x.log',
  loginFailExit: false,
  metadatas: { a: 'x' },
  natHoleStunServer: 'stun.example.com:3478',
  serverAddr: 'other.example.com',
  serverPort: 7001,
  start: ['other'],
  store: { path: 'x.json' },
  'transport.connectServerLocalIP': '192.0.2.1',
  'transport.dialServerKeepalive': 9,
  'transport.dialServerTimeout': 9,
  'transport.heartbeatInterval': 9,
  'transport.heartbeatTimeout': 9,
  'transport.poolCount': 9,
  'transport.protocol': 'quic',
  'transport.proxyURL': 'http://proxy.example.com:3128',
  'transport.quic': { maxIdleTimeout: 9 },
  'transport.tcpMux': false,
  'transport.tcpMuxKeepaliveInterval': 9,
  'transport.tls.certFile': 'x.crt',
  'transport.tls.disableCustomTLSFirstByte': false,
  'transport.tls.enable': false,
  'transport.tls.keyFile': 'x.key',
  'transport.tls.serverName': 'frps.example.com',
  'transport.tls.trustedCaFile': 'x.crt',
  'transport.wireProtocol': 'v2',
  udpPacketSize: 1400,
  user: 'ann',
  virtualNet: { address: '192.0.2.1/24' },
  webServer: { port: 7400 },
};

const ofEvery: Samples = {
  annotations: { a: 'x' },
  enabled: false,
  'healthCheck.httpHeaders': [{ name: 'X-Probe', value: 'x' }],
  'healthCheck.intervalSeconds': 60,
  'healthCheck.maxFailed': 9,
  'healthCheck.path': '/other',
  'healthCheck.timeoutSeconds': 2,
  'healthCheck.type': 'tcp',
  'loadBalancer.groupKey': 'x',
  localIP: '192.0.2.9',
  localPort: 81,
  metadatas: { a: 'x' },
  name: 'other',
  plugin: { type: 'socks5' },
  'transport.bandwidthLimit': '2MB',
  'transport.bandwidthLimitMode': 'server',
  'transport.proxyProtocolVersion': 'v2',
  'transport.useCompression': true,
  'transport.useEncryption': true,
};
const hosts: Samples = { customDomains: ['other.example.com'], subdomain: 'x' };
const ports: Samples = { remotePort: 6001 };
const http: Samples = {
  ...{ hostHeaderRewrite: 'app.lan', httpPassword: 'x', httpUser: 'x', locations: ['/x'], routeByHTTPUser: 'x' },
  ...{ 'requestHeaders.set': { 'x-a': 'x' }, 'responseHeaders.set': { 'x-a': 'x' }, 'loadBalancer.group': 'g' },
};
const byType: Readonly<Record<string, { structure: string; samples: Samples }>> = {
  tcp: { structure: 'TCPProxyConfig', samples: { ...ofEvery, ...ports } },
  udp: { structure: 'UDPProxyConfig', samples: { ...ofEvery, ...ports } },
  http: { structure: 'HTTPProxyConfig', samples: { ...ofEvery, ...hosts, ...http } },
  https: { structure: 'HTTPSProxyConfig', samples: { ...ofEvery, ...hosts } },
};
const terminating: Samples = { localAddr: '192.0.2.9:81', crtPath: 'x.crt', keyPath: 'x.key' };
const rewriting: Samples = { localAddr: '192.0.2.9:81', hostHeaderRewrite: 'app.lan', 'requestHeaders.set': { 'x-a': 'x' } };
const byPlugin: Readonly<Record<string, { type: string; structure: string; samples: Samples }>> = {
  https2http: { type: 'https', structure: 'HTTPS2HTTPPluginOptions', samples: { ...terminating, ...rewriting, enableHTTP2: false } },
  http2http: { type: 'http', structure: 'HTTP2HTTPPluginOptions', samples: rewriting },
  tls2raw: { type: 'https', structure: 'TLS2RawPluginOptions', samples: terminating },
};

/** Said of the form of the file, not of what it does; a member's group, of one member, balances nothing. */
const structural = ['version', 'includes', 'type', 'loadBalancer.group'];

const base: JsonObject = { serverAddr: 'vps.example.com', auth: { token: 't' }, transport: { tls: { trustedCaFile: 'ca.crt' } } };
const proxyOf = (type: string): JsonObject => ({
  name: type,
  type,
  localIP: '192.0.2.1',
  localPort: 80,
  ...(type.startsWith('http') ? { customDomains: ['a.example.com'] } : { remotePort: 6000 }),
  transport: { bandwidthLimit: '1MB' },
  healthCheck: { type: 'http', path: '/' },
});

const put = (object: JsonObject, key: string, value: unknown): JsonObject => {
  const [first = '', ...rest] = key.split('.');
  return { ...object, [first]: rest.length === 0 ? value : put((object[first] ?? {}) as JsonObject, rest.join('.'), value) };
};

const of = (server: JsonObject, proxy: JsonObject): Migration =>
  migrate(
    { clients: [{ file: 'frpc.toml', common: server, proxies: [proxy], visitors: [], findings: [] }], manifests: [] },
    { namespace: undefined, baseDomain: 'example.org', localHost: undefined },
  );

/** @param key with the object that it is in: all of it may be told of at once */
function assertTold(key: string, before: Migration, after: Migration): void {
  const made = ({ config, services }: Migration) => JSON.stringify([config, services.map(({ service }) => service)]);
  const fields = [...after.remarks, ...after.services].flatMap(({ findings }) => findings.flatMap(({ field }) => field.split(', ')));
  const isNamed = fields.some((field) => field !== '' && (field === key || key.startsWith(`${field}.`)));
  assert.ok(isNamed || made(before) !== made(after), `${key} changes nothing, and no finding names it: ${fields.join(', ')}`);
}

suite("every key of frp's configuration is migrated or named:", () => {
  for (const [key, value] of Object.entries(common))
    test(key, () => assertTold(key, of(base, proxyOf('udp')), of(put(base, key, value), proxyOf('udp'))));

  for (const [type, { samples }] of Object.entries(byType))
    test(`those of a proxy of type ${type}`, () => {
      const proxy = proxyOf(type);
      for (const [key, value] of Object.entries(samples)) assertTold(key, of(base, proxy), of(base, put(proxy, key, value)));
    });

  for (const [plugin, { type, samples }] of Object.entries(byPlugin))
    test(`those of plugin ${plugin}`, () => {
      const proxy = { ...proxyOf(type), plugin: { type: plugin, localAddr: '192.0.2.1:80' } };
      for (const [key, value] of Object.entries(samples))
        assertTold(`plugin.${key}`, of(base, proxy), of(base, put(proxy, `plugin.${key}`, value)));
    });

  test('those of a type or a plugin without a counterpart go with it, which is named', () => {
    for (const type of ['stcp', 'xtcp', 'sudp', 'tcpmux'])
      assert.match(JSON.stringify(of(base, proxyOf(type)).remarks), /"lost","field":"type"/, type);
    for (const plugin of ['unix_domain_socket', 'http_proxy', 'socks5', 'static_file', 'virtual_net', 'https2https', 'http2https'])
      assert.match(JSON.stringify(of(base, { ...proxyOf('tcp'), plugin: { type: plugin } }).remarks), /"lost","field":"plugin"/, plugin);
  });
});

const sources = frpSources();
test("the tables above have the keys of frp's own structures", { skip: sources === undefined && "frp's sources are not here" }, () => {
  const keys = keysIn(sources!);
  const known = (samples: Samples): string[] =>
    Object.keys(samples)
      .filter((key) => !structural.includes(key))
      .sort();
  const frps = (structure: string): string[] => keys(structure).filter((key) => !structural.includes(key));
  assert.deepEqual(known(common), frps('ClientCommonConfig'));
  for (const { structure, samples } of [...Object.values(byType), ...Object.values(byPlugin)])
    assert.deepEqual(known(samples), frps(structure), structure);
});
