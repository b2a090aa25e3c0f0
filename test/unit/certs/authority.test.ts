import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, describe, it } from 'node:test';
import tls from 'node:tls';
import { createAuthority, issue, parseAuthority, type Authority } from '../../../certs/authority.ts';
import { inspectCertificate, isSignedBy, problemOf, splitBundle, type Material } from '../../../certs/inspect.ts';

const day = 86_400_000;
const now = Date.now();

let ours: Authority;
let theirs: Authority;
before(async () => {
  ours = await createAuthority({ lifetimeMs: 3650 * day, now });
  theirs = await createAuthority({ lifetimeMs: 3650 * day, now });
});

const client = (authority: Authority) =>
  issue(authority, { commonName: 'frpc-prod-api', usages: ['clientAuth'], lifetimeMs: 30 * day, now });
const server = (authority: Authority) =>
  issue(authority, {
    commonName: 'frp-server',
    dnsNames: ['frp-server.frp-system.svc'],
    ipAddresses: ['127.0.0.1', '::1'],
    usages: ['serverAuth'],
    lifetimeMs: 30 * day,
    now,
  });

/** One TLS connection over loopback in which the server demands a client certificate. */
async function handshake(serverMaterial: Material, clientMaterial: Material, serverTrusts: string, clientTrusts: string) {
  const accepted: string[] = [];
  const listener = tls.createServer(
    { cert: serverMaterial.certPem, key: serverMaterial.keyPem, ca: serverTrusts, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      accepted.push(socket.getPeerCertificate().subject.CN as string);
      socket.end('welcome');
    },
  );
  listener.on('tlsClientError', () => {});
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  try {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      servername: 'frp-server.frp-system.svc',
      cert: clientMaterial.certPem,
      key: clientMaterial.keyPem,
      ca: clientTrusts,
    });
    const greeting = await new Promise<string>((resolve, reject) => {
      socket.on('data', (data: Buffer) => resolve(data.toString()));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('reset: closed without a word')));
    });
    socket.destroy();
    return { greeting, accepted };
  } finally {
    listener.close();
  }
}

describe('an issued certificate', () => {
  it('opens a mutual TLS connection between a client and a server of one authority', async () => {
    const answer = await handshake(await server(ours), await client(ours), ours.bundlePem, ours.bundlePem);
    assert.deepEqual(answer, { greeting: 'welcome', accepted: ['frpc-prod-api'] });
  });

  it('is refused as a client certificate of another authority', async () => {
    await assert.rejects(handshake(await server(ours), await client(theirs), ours.bundlePem, ours.bundlePem), /alert|reset|ECONN/i);
  });

  it('is refused by a client that trusts another authority', async () => {
    await assert.rejects(handshake(await server(theirs), await client(ours), ours.bundlePem, ours.bundlePem), {
      code: /SIGNED|ISSUER|VERIFY/,
    });
  });

  it('is refused as a client certificate when it is for servers only', async () => {
    await assert.rejects(handshake(await server(ours), await server(ours), ours.bundlePem, ours.bundlePem), /alert|reset|ECONN/i);
  });

  it('is accepted by whoever trusts a bundle of the old and the new authority', async () => {
    const bundle = ours.bundlePem + theirs.bundlePem;
    const answer = await handshake(await server(theirs), await client(ours), bundle, bundle);
    assert.equal(answer.greeting, 'welcome');
  });

  it('says what it is for, and begins five minutes ago', async () => {
    const facts = inspectCertificate((await server(ours)).certPem);
    assert.equal(facts.commonName, 'frp-server');
    assert.deepEqual(facts.dnsNames, ['frp-server.frp-system.svc']);
    assert.deepEqual(facts.ipAddresses, ['127.0.0.1', '0:0:0:0:0:0:0:1']);
    assert.deepEqual(facts.usages, ['serverAuth']);
    assert.equal(facts.isAuthority, false);
    const second = Math.floor(now / 1000) * 1000;
    assert.equal(facts.notBefore, second - 300_000);
    assert.equal(facts.notAfter, second + 30 * day);
  });

  it('carries the fingerprints that openssl and HAProxy print', async () => {
    const { certPem } = await client(ours);
    const facts = inspectCertificate(certPem);
    assert.match(facts.sha1, /^[0-9a-f]{40}$/);
    assert.equal(facts.sha256, new X509Certificate(certPem).fingerprint256.replaceAll(':', '').toLowerCase());
  });

  it('never outlives its authority', async () => {
    const short = await createAuthority({ lifetimeMs: day, now });
    const leaf = await client(short);
    assert.equal(inspectCertificate(leaf.certPem).notAfter, inspectCertificate(short.certPem).notAfter);
  });

  it('has a positive random serial number', async () => {
    const serials = await Promise.all(
      [client(ours), client(ours)].map(async (pair) => new X509Certificate((await pair).certPem).serialNumber),
    );
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
    assert.notEqual(serials[0], serials[1]);
  });
});

describe('an authority', () => {
  it('is an authority, and signed by itself', () => {
    assert.equal(inspectCertificate(ours.certPem).isAuthority, true);
    assert.equal(isSignedBy(ours.certPem, ours.bundlePem), true);
    assert.equal(isSignedBy(ours.certPem, theirs.bundlePem), false);
  });

  it('is found in a bundle by its key', () => {
    const parsed = parseAuthority(theirs.bundlePem + ours.bundlePem, ours.keyPem);
    assert.equal(inspectCertificate(parsed.certPem).sha256, inspectCertificate(ours.certPem).sha256);
    assert.equal(splitBundle(parsed.bundlePem).length, 2);
  });

  it('is refused when its key is another', () => {
    assert.throws(() => parseAuthority(theirs.bundlePem, ours.keyPem), /no certificate of the bundle belongs to the private key/);
  });

  it('is refused when the certificate is a leaf', async () => {
    const leaf = await server(ours);
    assert.throws(() => parseAuthority(leaf.certPem, leaf.keyPem), /not an authority/);
  });

  it('issues nothing after its end', async () => {
    const short = await createAuthority({ lifetimeMs: day, now });
    await assert.rejects(
      issue(short, { commonName: 'x', usages: [], lifetimeMs: day, now: now + 2 * day }),
      /the authority frp-k8s CA .* expired at/,
    );
  });

  it('issues nothing for a name that is too long or an address that is none', async () => {
    await assert.rejects(issue(ours, { commonName: 'x'.repeat(65), usages: [], lifetimeMs: day, now }), /longer than 64/);
    await assert.rejects(
      issue(ours, { commonName: 'x', ipAddresses: ['10.0.0'], usages: [], lifetimeMs: day, now }),
      /10\.0\.0 is not an IP address/,
    );
  });
});

describe('what is wrong with a pair', () => {
  const cases: [
    name: string,
    material: () => Promise<Material>,
    expected: Omit<Parameters<typeof problemOf>[1], 'now'>,
    problem: RegExp | undefined,
    at?: number,
  ][] = [
    ['nothing', () => client(ours), { usage: 'clientAuth', commonName: 'frpc-prod-api' }, undefined],
    ['the key', async () => ({ ...(await client(ours)), keyPem: (await client(ours)).keyPem }), {}, /private key does not belong/],
    ['no key', async () => ({ ...(await client(ours)), keyPem: 'x' }), {}, /private key cannot be parsed/],
    ['no certificate', async () => ({ ...(await client(ours)), certPem: '' }), {}, /no PEM block "CERTIFICATE"/],
    [
      'rubbish',
      async () => ({ keyPem: '', certPem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
      {},
      /cannot be parsed/,
    ],
    ['its end', () => client(ours), {}, /expired at 20/, now + 31 * day],
    ['its beginning', () => client(ours), {}, /not valid before 20/, now - day],
    ['its use', () => server(ours), { usage: 'clientAuth' }, /lacks the extended key usage clientAuth/],
    ['its common name', () => client(ours), { commonName: 'frpc-prod-web' }, /is for frpc-prod-api, not frpc-prod-web/],
    ['its names', () => server(ours), { names: ['127.0.0.1', 'frp.example.com'] }, /does not carry the name frp\.example\.com$/],
  ];
  for (const [name, material, expected, problem, at = now] of cases) {
    it(`is ${name}`, async () => {
      const found = problemOf(await material(), { ...expected, now: at });
      if (problem) assert.match(found ?? '', problem);
      else assert.equal(found, undefined);
    });
  }

  it('is not reported where a name is only written another way', async () => {
    assert.equal(problemOf(await server(ours), { now, names: ['::1', '0:0::1', 'FRP-server.frp-system.svc'] }), undefined);
  });

  it('is reported when another authority has signed it', async () => {
    assert.match(problemOf(await client(theirs), { now, signedBy: ours.bundlePem }) ?? '', /signed by another authority/);
    assert.equal(problemOf(await client(theirs), { now, signedBy: ours.bundlePem + theirs.bundlePem }), undefined);
  });
});
