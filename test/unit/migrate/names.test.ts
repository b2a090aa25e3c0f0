import assert from 'node:assert/strict';
import { test } from 'node:test';
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
