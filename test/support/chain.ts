/** A chain as an enterprise's authority makes it, by openssl: root, two intermediates, and what the lower one issues. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Chain {
  root: string;
  upper: string;
  lower: string;
  /** of the lower intermediate's, for one more life of it */
  lowerExpired: string;
  /** signed by `edge`, which is no authority */
  byLeaf: string;
  edge: { certPem: string; keyPem: string };
}

const ca = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign';
const leaf = (usage: string) =>
  `basicConstraints=critical,CA:FALSE\nextendedKeyUsage=${usage}\nsubjectAltName=DNS:frp-webhook.frp-system.svc`;

/** @param usage extended key usage of `edge`. Valid from now for ten years; `lowerExpired` for a day. PEM throughout. */
export function makeChain(usage: 'clientAuth' | 'serverAuth'): Chain {
  const folder = mkdtempSync(join(tmpdir(), 'frp-k8s-chain-'));
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const read = (name: string) => readFileSync(at(name), 'utf8');
  const request = (name: string) =>
    openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.csr`),
    );
  const sign = (name: string, issuer: string, extensions: string, days = 3650, out = name) => {
    writeFileSync(at('extensions'), extensions);
    const by =
      name === issuer ? ['-signkey', at(`${name}.key`)] : ['-CA', at(`${issuer}.crt`), '-CAkey', at(`${issuer}.key`), '-CAcreateserial'];
    openssl('x509', '-req', '-in', at(`${name}.csr`), ...by, '-days', String(days), '-extfile', at('extensions'), '-out', at(`${out}.crt`));
  };
  try {
    for (const name of ['root', 'upper', 'lower', 'edge', 'by-leaf']) request(name);
    sign('root', 'root', ca);
    sign('upper', 'root', ca);
    sign('lower', 'upper', ca);
    sign('lower', 'upper', ca, 1, 'lower-expired');
    sign('edge', 'lower', leaf(usage));
    sign('by-leaf', 'edge', leaf(usage));
    return {
      root: read('root.crt'),
      upper: read('upper.crt'),
      lower: read('lower.crt'),
      lowerExpired: read('lower-expired.crt'),
      byLeaf: read('by-leaf.crt'),
      edge: { certPem: read('edge.crt'), keyPem: read('edge.key') },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
