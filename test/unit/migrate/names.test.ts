import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/model/json.ts';
import { migrate, type Migration } from '../../../src/migrate/migrate.ts';

/** A proxy of type http, with these fields. */
function migrated(fields: object): Migration & { findings: string[] } {
  const proxy = { name: 'web', type: 'http', localIP: '10.0.0.1', localPort: 80, customDomains: ['a.example.com'], ...fields };
  const made = migrate(
    { clients: [{ file: 'frpc.toml', common: {}, proxies: [proxy], visitors: [], findings: [] }], manifests: [] },
    { namespace: undefined, baseDomain: 'example.org', localHost: undefined },
  );
  const findings = [...made.services, ...made.remarks].flatMap((each) =>
    each.findings.map(({ level, field, message }) => `${level} ${field}: ${message}`),
  );
  return { ...made, findings: findings.filter((text) => !/healthCheck|transport\.tls/.test(text)) };
}

const exposed = ({ services }: Migration): unknown[] => services.map(({ service }) => (service.spec as { expose: unknown }).expose);

test('a host with capitals, a final dot or letters beyond ASCII is kept in the form that browsers ask for, and a note says so', () => {
  const made = migrated({ customDomains: ['Shop.Example.COM.', 'shop.example.com', '*.Bücher.example.'], subdomain: 'Grüße' });
  assert.deepEqual(exposed(made), [{ domain: 'shop.example.com', subdomain: 'xn--gre-6ka8l' }, { domain: '*.xn--bcher-kva.example' }]);
  assert.deepEqual(made.findings, [
    'differs customDomains: "Shop.Example.COM." is written shop.example.com, as browsers ask for it',
    'differs customDomains: "*.Bücher.example." is written *.xn--bcher-kva.example, as browsers ask for it',
    'differs subdomain: "Grüße" is written xn--gre-6ka8l, as browsers ask for it',
  ]);
});

test('what is no host stays lost, whatever letters it has', () => {
  for (const domain of ['bü/x.example', 'bü@a.example', 'bü:80', 'b%fc.ü', 'a..', '.', 'ü.'.repeat(90)])
    assert.match(migrated({ customDomains: [domain] }).findings.join('\n'), /^lost customDomains: /m, domain);
});

test('the value of a header beyond ASCII is lost with the reason, and is not quoted', () => {
  const [finding, ...others] = migrated({ requestHeaders: { set: { 'x-name': 'Müller' } } }).findings;
  assert.deepEqual(others, []);
  assert.match(finding!, /^lost requestHeaders: the value of x-name has characters beyond ASCII, .*percent-encode/);
  assert.doesNotMatch(finding!, /Müller/);
});

test('an address that no service takes gets no exception for connectors', () => {
  const { config, findings } = migrated({ localIP: 'fe80::1%eth0' });
  assert.equal(config.connectors, undefined);
  assert.match(findings.join('\n'), /^lost localIP: "fe80::1%eth0" is neither/m);
  assert.deepEqual(migrated({ localIP: 'fe80::1' }).config.connectors, { allowAddresses: ['fe80::1/128'] });
});

test('a service that is refused leaves nothing in the configuration, and nothing to do for it', () => {
  const made = (...proxies: JsonObject[]) => {
    const common = { serverAddr: 'vps.example.com', udpPacketSize: 4000 };
    return migrate(
      { clients: [{ file: 'frpc.toml', common, proxies, visitors: [], findings: [] }], manifests: [] },
      { namespace: undefined, baseDomain: undefined, localHost: undefined },
    );
  };
  const ssh = { name: 'ssh', type: 'tcp', localIP: '169.254.1.1', localPort: 22, remotePort: 6000 };
  const twin = { ...ssh, name: 'twin', localIP: '169.254.1.2' };
  const game = { name: 'game', type: 'udp', localIP: '169.254.1.3', localPort: 7777, remotePort: 7777 };
  const both = made(ssh, twin);
  assert.deepEqual(
    both.services.map(({ service }) => (service.metadata as JsonObject).name),
    ['ssh'],
  );
  assert.deepEqual(both.config.connectors, { allowAddresses: ['169.254.1.1/32'] });
  assert.doesNotMatch(JSON.stringify(both.remarks), /169\.254\.1\.2/);
  assert.match(JSON.stringify(both.services), /169\.254\.1\.1\/32 by exception only/);
  const sizeOf = ({ config }: Migration) => (config.frps as JsonObject).udpPacketSize;
  assert.equal(sizeOf(made(ssh, game)), 4000);
  const lost = made(ssh, { ...game, remotePort: 70_000 });
  assert.deepEqual([lost.services.length, sizeOf(lost), lost.config.connectors], [1, undefined, { allowAddresses: ['169.254.1.1/32'] }]);
});
