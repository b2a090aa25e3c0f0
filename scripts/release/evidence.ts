/** What lets others see that a release is what it says: checksums, where it comes from, and a signature. */
import { createHash, createPrivateKey, createPublicKey, createSign } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Release } from './release.ts';

const sums = 'SHA256SUMS';

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const files = (out: string): string[] => readdirSync(out).sort();

/**
 * An in-toto statement with a SLSA provenance (slsa.dev/spec/v1.0/provenance) over everything that is there so far.
 * @param parameters what the release was made with, beside its sources
 */
export function provenance({ out, version, commit, time }: Release, parameters: Readonly<Record<string, unknown>>): void {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: files(out).map((name) => ({ name, digest: { sha256: sha256(join(out, name)) } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://slsa.dev/spec/v1.0/provenance#script',
        externalParameters: { script: 'scripts/release/run-release.ts', version, ...parameters },
        resolvedDependencies: [
          { name: 'sources', digest: { gitCommit: commit } },
          { name: 'package-lock.json', digest: { sha256: sha256('package-lock.json') } },
        ],
      },
      runDetails: {
        builder: { id: process.env['RELEASE_BUILDER'] ?? 'https://slsa.dev/spec/v1.0/provenance#local' },
        metadata: { startedOn: new Date(time * 1000).toISOString() },
      },
    },
  };
  writeFileSync(join(out, `frp-k8s-${version}.intoto.json`), `${JSON.stringify(statement, undefined, 2)}\n`);
}

export function checksums({ out }: Release): void {
  const lines = files(out).map((name) => `${sha256(join(out, name))}  ${name}\n`);
  writeFileSync(join(out, sums), lines.join(''));
}

/**
 * Signs the checksums as `cosign sign-blob` does with a key: ECDSA over SHA-256, in base64.
 * @param pem a private key on the curve P-256. @throws Error where it is another
 */
export function signature({ out }: Release, pem: string): void {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('the key must be of ECDSA on the curve P-256');
  const signed = createSign('sha256')
    .update(readFileSync(join(out, sums)))
    .sign(key);
  writeFileSync(join(out, `${sums}.sig`), `${signed.toString('base64')}\n`);
  writeFileSync(join(out, 'frp-k8s.pub'), createPublicKey(key).export({ type: 'spki', format: 'pem' }));
}
