/** When certificates end, for people. */
import { inspectCertificate } from './inspect.ts';

export interface Expiry {
  /** where it is: `Secret frp-system/frp-ca` */
  name: string;
  /** what it stands for: `web.example.com` */
  subject: string;
  /** RFC 3339 */
  expires: string;
}

/** Those whose end comes first are first. */
export const byExpiry = (expiries: readonly Expiry[]): Expiry[] =>
  [...expiries].sort((one, other) => (one.expires < other.expires ? -1 : Number(one.expires > other.expires)));

/** Certificates are parsed once, as long as they are asked for. */
export class Expiries {
  #known = new Map<string, Omit<Expiry, 'name'>>();

  /** @param certificates PEM by name, of a chain the leaf first. What cannot be parsed is left out: whoever uses it says so */
  of(certificates: Iterable<readonly [name: string, pem: string]>): Expiry[] {
    const known = new Map<string, Omit<Expiry, 'name'>>();
    const expiries = [...certificates].flatMap(([name, pem]) => {
      const facts = known.get(pem) ?? this.#known.get(pem) ?? read(pem);
      if (!facts) return [];
      known.set(pem, facts);
      return [{ name, ...facts }];
    });
    this.#known = known;
    return expiries;
  }
}

function read(pem: string): Omit<Expiry, 'name'> | undefined {
  try {
    const { commonName, dnsNames, notAfter } = inspectCertificate(pem);
    return { subject: dnsNames.length > 0 ? dnsNames.join(', ') : commonName, expires: new Date(notAfter).toISOString() };
  } catch {
    return undefined;
  }
}
