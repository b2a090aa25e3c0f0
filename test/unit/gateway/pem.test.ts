/** Certificates of users that HAProxy would refuse, and with them the configuration of everybody. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import forge from 'node-forge';
import { validCertificate, validPublicKey } from '../../../src/gateway/haproxy/config/pem.ts';

const rsa = (modulusLength: number, publicExponent = 65_537) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
};
const [authority, own] = [rsa(2048), rsa(2048)];

interface Options {
  md?: forge.md.MessageDigest;
  issuer?: string;
  names?: number;
  key?: ReturnType<typeof rsa>;
}

/** Of a.example.com, issued by the authority unless the issuer is another name. */
function certificate({ md = forge.md.sha256.create(), issuer = 'authority', names = 1, key = own }: Options = {}): string {
  const made = forge.pki.createCertificate();
  const name = (value: string) => [{ name: 'commonName', value }];
  made.serialNumber = '01';
  made.publicKey = forge.pki.publicKeyFromPem(key.publicPem);
  made.validity.notAfter = new Date(Date.now() + 3_600_000);
  made.setSubject(name('a.example.com'));
  made.setIssuer(name(issuer));
  const altNames = Array.from({ length: names }, (_, index) => ({ type: 2, value: `${index}.${'a'.repeat(60)}.example.com` }));
  made.setExtensions([{ name: 'subjectAltName', altNames }]);
  made.sign(forge.pki.privateKeyFromPem(issuer === 'authority' ? authority.privatePem : key.privatePem), md);
  return forge.pki.certificateToPem(made);
}

const problemOf = (...parts: string[]): string | undefined => {
  const checked = validCertificate(parts.join('\n'));
  return 'problem' in checked ? checked.problem : undefined;
};

describe('a certificate of users', () => {
  it('is taken with SHA-256, and signed by itself with whatever it is', () => {
    assert.equal(problemOf(certificate(), own.privatePem), undefined);
    assert.equal(problemOf(certificate({ issuer: 'a.example.com', md: forge.md.sha1.create() }), own.privatePem), undefined);
  });

  it('is not taken where it, or one of its chain, is signed with SHA-1 or MD5', () => {
    for (const md of [forge.md.sha1, forge.md.md5]) {
      const weak = certificate({ md: md.create() });
      assert.match(problemOf(weak, own.privatePem) ?? '', /signed with (sha1|md5)WithRSAEncryption is not accepted; use SHA-256/);
      assert.match(problemOf(certificate(), weak, own.privatePem) ?? '', /is not accepted/);
    }
  });

  it('is not taken where it is longer than a command of HAProxy may be', () => {
    assert.match(problemOf(certificate({ names: 150 }), own.privatePem) ?? '', /above the limit of 15000/);
  });

  it('is not taken with a key whose handshakes would cost everybody', () => {
    const key = rsa(4104);
    assert.match(problemOf(certificate({ key }), key.privatePem) ?? '', /4096 bits at most/);
  });
});

it('a key for tokens is not used where checking a signature would cost everybody', () => {
  const usable = (key: ReturnType<typeof rsa>) =>
    validPublicKey({ kid: undefined, alg: 'RS256', publicKeyPem: key.publicPem }) !== undefined;
  assert.equal(usable(own), true);
  assert.equal(usable(rsa(1024)), false);
});
