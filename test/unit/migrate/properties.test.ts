import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { objectsOf, parseManifests } from '../../../src/manifests/read.ts';
import { migrate } from '../../../src/migrate/migrate.ts';
import { expandTemplate } from '../../../src/migrate/template.ts';
import { parseIni } from '../../../src/migrate/ini.ts';
import { configText, documentsOf, summaryOf } from '../../../src/migrate/write.ts';
import { assertNothingVanishes, findingsOf } from '../../support/migration-losses.ts';

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const port = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 65_535 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 70_000, 443, 7000) },
);
const host = fc.constantFrom(
  '127.0.0.1',
  'localhost',
  '::1',
  '10.0.0.1',
  '10.0.0.2',
  'db',
  'app.lan',
  '169.254.1.1',
  '[fd00::1]',
  'no host',
);
const domain = fc.constantFrom('a.example.com', 'B.Example.com', '*.c.example.com', '*', 'x y', '198.51.100.1', 'a.example.com:80');
const location = fc.constantFrom('/', '', '/api', '/api/v1.0', 'api', '/.well-known', '/a_b-c');
const secret = fc.constantFrom('s3cr3t-one', 's3cr3t-two');
const map = fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), fc.constantFrom('1', 'two'), { maxKeys: 2 });
const seconds = fc.integer({ min: -1, max: 20 });

const plugin = fc.record(
  {
    type: fc.constantFrom(
      'unix_domain_socket',
      'http_proxy',
      'socks5',
      'static_file',
      'https2http',
      'https2https',
      'http2https',
      'http2http',
      'tls2raw',
      'new',
    ),
    localAddr: fc.constantFrom('127.0.0.1:80', '10.0.0.3:8080', ':81', 'nothing', '[fd00::2]:82'),
    crtPath: fc.constant('c.crt'),
    keyPath: fc.constant('c.key'),
    hostHeaderRewrite: fc.constant('app.lan'),
    requestHeaders: fc.record({ set: map }),
    httpPassword: secret,
    password: secret,
  },
  { requiredKeys: ['type'] },
);

const proxy = fc.record(
  {
    type: fc.constantFrom('tcp', 'udp', 'http', 'https', 'tcpmux', 'stcp', 'xtcp', 'sudp', 'sctp'),
    localIP: host,
    localPort: port,
    remotePort: port,
    customDomains: fc.array(domain, { maxLength: 3 }),
    subdomain: fc.constantFrom('web', 'Web', 'a.b', ''),
    locations: fc.array(location, { maxLength: 3 }),
    httpUser: fc.constantFrom('ann', ''),
    httpPassword: secret,
    routeByHTTPUser: fc.constantFrom('ann', ''),
    hostHeaderRewrite: fc.constant('app.lan'),
    requestHeaders: fc.record({ set: map }),
    responseHeaders: fc.record({ set: map }),
    secretKey: secret,
    loadBalancer: fc.record({ group: fc.constantFrom('g', 'h', ''), groupKey: secret }, { requiredKeys: [] }),
    healthCheck: fc.record(
      {
        type: fc.constantFrom('tcp', 'http', ''),
        path: fc.constantFrom('/ok', 'ok', '/a b', ''),
        intervalSeconds: seconds,
        timeoutSeconds: seconds,
        maxFailed: seconds,
      },
      { requiredKeys: ['type'] },
    ),
    transport: fc.record(
      {
        useEncryption: fc.boolean(),
        useCompression: fc.boolean(),
        bandwidthLimit: fc.constantFrom('1MB', '1.5MB', '100KB', '0.3KB', ''),
        bandwidthLimitMode: fc.constantFrom('client', 'server'),
        proxyProtocolVersion: fc.constantFrom('v1', 'v2', ''),
      },
      { requiredKeys: [] },
    ),
    metadatas: map,
    annotations: map,
    plugin,
    unknownField: fc.constantFrom('x', 1, true),
  },
  { requiredKeys: ['type'] },
);

const common = fc.record(
  {
    serverAddr: fc.constantFrom('vps.example.com', '198.51.100.7', '127.0.0.1', '2001:db8::1'),
    serverPort: port,
    user: fc.constant('ann'),
    auth: fc.record(
      { method: fc.constantFrom('token', 'oidc'), token: secret, oidc: fc.record({ clientSecret: secret }) },
      { requiredKeys: [] },
    ),
    metadatas: fc.record({ token: secret }),
    transport: fc.record(
      {
        protocol: fc.constantFrom('tcp', 'quic', 'wss'),
        poolCount: fc.integer({ min: -1, max: 300 }),
        proxyURL: fc.constant('http://u:s3cr3t-one@proxy:3128'),
        tcpMux: fc.boolean(),
        dialServerTimeout: seconds,
        dialServerKeepalive: seconds,
      },
      { requiredKeys: [] },
    ),
    webServer: fc.record({ port, password: secret }),
    log: fc.record({ level: fc.constantFrom('debug', 'info', 'loud'), to: fc.constant('x.log') }),
    unknownField: fc.constant('x'),
  },
  { requiredKeys: [] },
);

const assumptions = fc.record({
  namespace: maybe(fc.constant('home')),
  baseDomain: maybe(fc.constant('base.example.com')),
  localHost: maybe(fc.constant('192.168.1.9')),
});
const configuration = fc.record({
  common,
  proxies: fc
    .array(proxy, { maxLength: 5 })
    .map((list) => list.map((item, index) => ({ name: index % 2 === 0 ? `p${index}` : `app-${'abcde'[index]!}`, ...item }))),
});

suite('any configuration of frpc', () => {
  test('migrates with all its meaning, or names what is lost, and becomes documents without a secret', () => {
    fc.assert(
      fc.property(configuration, assumptions, ({ common: own, proxies }, assumed) => {
        const loaded = { clients: [{ file: 'frpc.toml', common: own, proxies, visitors: [], findings: [] }], manifests: [] };
        const migration = migrate(loaded, assumed);
        assertNothingVanishes(migration, proxies, assumed);
        for (const { name, unknownField } of proxies)
          if (unknownField !== undefined) assert.ok(findingsOf(migration, name).some(({ field }) => field === 'unknownField'));
        const text = documentsOf(migration);
        for (const out of [text, configText(migration), summaryOf(migration)]) assert.ok(!out.includes('s3cr3t'));
        assert.equal(parseManifests('output', text).flatMap(objectsOf).length, migration.services.length);
        assert.equal(documentsOf(migrate(loaded, assumed)), text);
      }),
      { numRuns: 300 },
    );
  });
});

suite('any text', () => {
  test('is expanded as a template, or refused, by its size', () => {
    const part = fc.constantFrom(
      '{{',
      '}}',
      '{{-',
      '-}}',
      ' range $_, $v := ',
      'parseNumberRange "1-9"',
      '.Envs.A',
      '$v',
      'end',
      '"',
      '`',
      '/*',
      '*/',
      ' ',
      'x',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        try {
          assert.equal(typeof expandTemplate(parts.join(''), { A: '1-3' }).text, 'string');
        } catch (error) {
          assert.ok(error instanceof SyntaxError || error instanceof RangeError, String(error));
        }
      }),
    );
  });

  test('is read as INI, or refused with its line', () => {
    const part = fc.constantFrom('[', ']', 'a', '.', '=', ':', '\n', ' ', '"', '`', '\\', '#', ';', '%(a)s', 'range:');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        try {
          for (const section of parseIni(parts.join('')).sections.values())
            for (const key of section.keys()) assert.equal(typeof section.get(key), 'string');
        } catch (error) {
          assert.equal(typeof (error as { line?: unknown }).line, 'number');
        }
      }),
    );
  });
});
