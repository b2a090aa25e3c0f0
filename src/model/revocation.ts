/** Entries of the lists of revoked certificates (ConfigMaps frp-revoked…): SHA-256 fingerprint → a text. */

export interface RevokedEntry {
  /** when the certificate ends; milliseconds since the epoch, like all times here */
  end: number;
  /** of the service that had it */
  namespace: string;
  /** from when on it is turned away */
  from: number;
}

export const revokedText = ({ end, namespace, from }: RevokedEntry): string => [iso(end), namespace, iso(from)].join(' ');

/** Of a text that nobody can read: it has ended, and is turned away as long as it is listed. */
export function parseRevoked(text: string): RevokedEntry {
  const [end = '', namespace = '', from = ''] = text.split(' ', 3);
  return { end: Date.parse(end) || 0, namespace, from: Date.parse(from) || 0 };
}

const iso = (time: number): string => new Date(time).toISOString();
