/** Whose client certificates may open a tunnel: the installation's authority, and those that services bring (`mtls.mode`). */
import type { X509Certificate } from 'node:crypto';
import { boundsProblem, isMistakable } from '../../../certs/authority-bounds.ts';
import { parseCertificate, splitBundle } from '../../../certs/inspect.ts';
import { text } from '../../kube/authority-secret.ts';
import type { Secret } from '../../kube/types.ts';

interface Trusted {
  pem: string;
  certificate: X509Certificate;
  /** namespace of the service that brought it; empty: the installation's own */
  of: string;
}

/**
 * What cannot be used is left out and told, so that no Secret of one tenant stops the tunnels of others: a certificate
 * that is no authority, bundles out of all bounds, and authorities that could be taken for one that is trusted already,
 * the installation's own or that of a namespace with an older copy.
 * @param own bundle of the installation; @param copies of the Secrets that services name
 */
export function clientAuthorities(own: string, copies: readonly Secret[]): { authorities: string[]; problems: string[] } {
  const problems: string[] = [];
  const trusted = parsed(own, 'Secret frp-gateway-tls', '', problems);
  for (const copy of copies.toSorted(byAge)) {
    const original = copy.metadata.annotations?.['frp.io/copy-of'] ?? copy.metadata.name;
    const bundle = text(copy, 'ca.crt');
    const outOfBounds = boundsProblem(bundle);
    if (outOfBounds !== undefined) problems.push(`Secret ${original}: ca.crt ${outOfBounds}`);
    else
      for (const each of parsed(bundle, `Secret ${original}`, original.split('/')[0]!, problems)) {
        const other = trusted.find(({ of, certificate }) => of !== each.of && isMistakable(certificate, each.certificate));
        if (other) problems.push(mistaken(original, each, other));
        else trusted.push(each);
      }
  }
  return { authorities: [...new Set(trusted.map(({ pem }) => pem))], problems };
}

const mistaken = (original: string, { certificate }: Trusted, { of }: Trusted): string =>
  `Secret ${original}: an authority in ca.crt has the name ${JSON.stringify(certificate.subject)} of ${of === '' ? "the installation's" : `one of namespace ${of}`}, with another key; give it a name of its own`;

const byAge = ({ metadata: a }: Secret, { metadata: b }: Secret): number =>
  (a.creationTimestamp ?? '').localeCompare(b.creationTimestamp ?? '') || a.name.localeCompare(b.name);

function parsed(bundle: string, name: string, of: string, problems: string[]): Trusted[] {
  return splitBundle(bundle).flatMap((pem): Trusted[] => {
    try {
      const certificate = parseCertificate(pem);
      if (certificate.ca) return [{ pem, certificate, of }];
      problems.push(`${name}: a certificate in ca.crt is no authority`);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
    }
    return [];
  });
}
