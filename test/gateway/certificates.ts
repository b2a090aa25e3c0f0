/** Certificates for the tests of TLS, by openssl. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { directory } from './haproxy-harness.ts';

export interface Pair {
  cert: string;
  key: string;
}

/** A certificate by openssl, signed by itself or by a CA. */
export function certificate(t: TestContext, name: string, ca?: Pair): Pair {
  const at = directory(t);
  const file = (end: string) => join(at, end);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe', cwd: at });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'key',
    '-out',
    'crt',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-addext',
    `subjectAltName=DNS:${name}`,
  );
  if (ca) {
    execFileSync('bash', ['-c', 'cat > ca.crt <<< "$0"; cat > ca.key <<< "$1"', ca.cert, ca.key], { cwd: at });
    openssl('req', '-new', '-key', 'key', '-out', 'csr', '-subj', `/CN=${name}`);
    openssl('x509', '-req', '-in', 'csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'crt', '-days', '2');
  }
  return { cert: readFileSync(file('crt'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
}

/** As HAProxy wants them in one file. */
export const both = ({ cert, key }: Pair) => `${cert}\n${key}`;
