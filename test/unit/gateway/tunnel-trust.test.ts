import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import '../../support/few-keys.ts';
import { splitBundle } from '../../../certs/inspect.ts';
import { authorityBounds } from '../../../certs/authority-bounds.ts';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { tunnelMaterial } from '../../../src/gateway/ir/tunnel-trust.ts';
import { revokedText } from '../../../src/model/revocation.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { Secret } from '../../../src/kube/types.ts';
import { impersonatorOf } from '../../support/impersonator.ts';

const hour = 3_600_000;

describe('what the tunnels are served with', () => {
  let authority: Authority;
  let server: Secret;
  before(async () => {
    const now = Date.now();
    authority = await createAuthority({ lifetimeMs: hour, now });
    const pair = await issue(authority, { commonName: 'gw', dnsNames: ['gw'], usages: ['serverAuth'], lifetimeMs: hour, now });
    server = secret({ 'tls.crt': pair.certPem, 'tls.key': pair.keyPem, 'ca.crt': authority.bundlePem });
  });
  const secret = (data: Record<string, string>): Secret => ({
    metadata: { name: 'x', annotations: { 'frp.io/copy-of': 'shop/own-ca' } },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
  });

  it('is the certificate, every authority of clients once, and the fingerprints of who is turned away', async () => {
    const other = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const revoked = [
      { metadata: { name: 'frp-revoked' }, data: { ['b'.repeat(64)]: '', nonsense: '' } },
      { metadata: { name: 'frp-revoked-1' }, data: { ['b'.repeat(64)]: '', ['a'.repeat(64)]: '' } },
    ];
    const clientAuthorities = [secret({ 'ca.crt': other.bundlePem + authority.bundlePem })];
    const { material, problems } = tunnelMaterial({ server, clientAuthorities, revoked, now: 0 });
    assert.deepEqual(problems, []);
    assert.equal(material!.clientCaPem.match(/BEGIN CERTIFICATE/g)!.length, 2);
    assert.deepEqual(material!.revoked, ['a'.repeat(64), 'b'.repeat(64)]);
  });

  it('turns a certificate away from the time that the list names, and says when to look again', () => {
    const listed = { end: 9000, namespace: 'shop' };
    const data = {
      ['a'.repeat(64)]: revokedText({ ...listed, from: 1000 }),
      ['b'.repeat(64)]: revokedText({ ...listed, from: 3000 }),
      ['c'.repeat(64)]: revokedText({ ...listed, from: 2000 }),
    };
    const at = (now: number) => {
      const { material, again } = tunnelMaterial({
        server,
        clientAuthorities: [],
        revoked: [{ metadata: { name: 'frp-revoked' }, data }],
        now,
      });
      return [material!.revoked.map((fingerprint) => fingerprint[0]).join(''), again];
    };
    assert.deepEqual(
      [at(999), at(1000), at(2500), at(3000)],
      [
        ['', 1000],
        ['a', 2000],
        ['ac', 3000],
        ['abc', Infinity],
      ],
    );
  });

  it('says of a certificate that it was of a deleted service, and in which namespace, but not of one that is listed by hand too', () => {
    const listed = revokedText({ end: hour, namespace: 'shop', from: 0 });
    const [deleted, both, byHand] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];
    const revoked = [
      { metadata: { name: 'frp-revoked' }, data: { [deleted]: listed, [both]: listed, [byHand]: '' } },
      { metadata: { name: 'by-hand' }, data: { [both]: '' } },
    ];
    const { material } = tunnelMaterial({ server, clientAuthorities: [], revoked, now: 1 });
    assert.deepEqual(material!.revoked, [deleted, both, byHand]);
    assert.deepEqual([...material!.deletedIn], [[deleted, 'shop']]);
  });

  it("is not spoilt by a Secret of one tenant, and that tenant's fault is told", () => {
    const broken = [
      secret({ 'ca.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
      secret({ 'ca.crt': Buffer.from(server.data!['tls.crt']!, 'base64').toString() }),
    ];
    const { material, problems } = tunnelMaterial({ server, clientAuthorities: broken, revoked: [], now: 0 });
    assert.equal(material!.clientCaPem.match(/BEGIN CERTIFICATE/g)!.length, 1);
    assert.equal(problems.length, 2);
    for (const problem of problems) assert.match(problem, /^Secret shop\/own-ca/);
  });

  it('has no authority that could be taken for one that is trusted already, the own one or that of an older copy', async () => {
    const theirs = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const copy = (name: string, creationTimestamp: string, pem: string): Secret => ({
      metadata: { name, creationTimestamp, annotations: { 'frp.io/copy-of': `${name}/ca` } },
      data: { 'ca.crt': base64(pem) },
    });
    const own = copy('thief', '2026-01-01T00:00:00Z', impersonatorOf(authority.certPem));
    const older = copy('bank', '2026-01-02T00:00:00Z', theirs.certPem);
    const younger = copy('attic', '2026-01-03T00:00:00Z', impersonatorOf(theirs.certPem));
    const same = copy('branch', '2026-01-04T00:00:00Z', theirs.certPem);
    const { material, problems } = tunnelMaterial({ server, clientAuthorities: [younger, own, same, older], revoked: [], now: 0 });
    assert.deepEqual(splitBundle(material!.clientCaPem), splitBundle(authority.certPem + theirs.certPem));
    assert.match(problems[0]!, /^Secret thief\/ca: .* of the installation's, with another key; give it a name of its own$/);
    assert.match(problems[1]!, /^Secret attic\/ca: .* of one of namespace bank, with another key/);
    assert.equal(problems.length, 2);
  });

  it('has nothing of a bundle without bounds', async () => {
    const many = [];
    for (let index = 0; index <= authorityBounds.count; index++)
      many.push((await createAuthority({ lifetimeMs: hour, now: Date.now() })).certPem);
    const { material, problems } = tunnelMaterial({
      server,
      clientAuthorities: [secret({ 'ca.crt': many.join('') })],
      revoked: [],
      now: 0,
    });
    assert.equal(splitBundle(material!.clientCaPem).length, 1);
    assert.deepEqual(problems, ['Secret shop/own-ca: ca.crt has 17 certificates, and 16 is the limit']);
  });

  it('is not there without a usable server certificate', async () => {
    const none = { clientAuthorities: [], revoked: [], now: 0 };
    assert.match(tunnelMaterial({ server: undefined, ...none }).problems[0]!, /not there yet/);
    const other = await issue(authority, { commonName: 'x', dnsNames: ['x'], usages: ['serverAuth'], lifetimeMs: hour, now: Date.now() });
    const mixed = { ...server, data: { ...server.data, 'tls.key': base64(other.keyPem) } };
    assert.equal(tunnelMaterial({ server: mixed, ...none }).material, undefined);
  });
});
