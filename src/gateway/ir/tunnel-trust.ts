/** What the HAProxy in front of frps needs: the server's certificate, the authorities of clients, and who is turned away. */
import { keyProblem, splitBundle } from '../../../certs/inspect.ts';
import { clientAuthorities } from './client-authorities.ts';
import { text } from '../../kube/authority-secret.ts';
import type { ConfigMap, Secret } from '../../kube/types.ts';
import { parseRevoked } from '../../model/revocation.ts';

export interface TunnelMaterial {
  /** chain and key */
  serverPem: string;
  clientCaPem: string;
  /** SHA-256 fingerprints, lower-case hex, sorted */
  revoked: string[];
  /** of those that were revoked because their service was deleted: its namespace */
  deletedIn: ReadonlyMap<string, string>;
}

export interface TunnelSources {
  /** Secret frp-gateway-tls */
  server: Secret | undefined;
  /** copies of the authorities that services with `mtls.mode: manual` name */
  clientAuthorities: readonly Secret[];
  /** the lists of revoked certificates: fingerprint → text (model/revocation.ts) */
  revoked: Iterable<ConfigMap>;
  /** milliseconds since the epoch */
  now: number;
}

/** What cannot be used is left out and told, so that one tenant's Secret cannot stop the tunnels of others. */
export function tunnelMaterial({ server, clientAuthorities: copies, revoked, now }: TunnelSources): {
  material: TunnelMaterial | undefined;
  problems: string[];
  /** when the next certificate is to be turned away; infinite: none is listed for later */
  again: number;
} {
  const problems: string[] = [];
  const listed = [...revoked].flatMap(({ data }) => Object.entries(data ?? {})).filter(([key]) => /^[0-9a-f]{64}$/.test(key));
  const { fingerprints, deletedIn, again } = due(listed, now);
  const material = server && serverMaterial(server, problems);
  if (!material)
    return {
      material: undefined,
      problems: server ? problems : ['Secret frp-gateway-tls is not there yet; the controller makes it'],
      again,
    };
  const trusted = clientAuthorities(material.ca, copies);
  problems.push(...trusted.problems);
  return {
    material: { serverPem: material.serverPem, clientCaPem: `${trusted.authorities.join('\n')}\n`, revoked: fingerprints, deletedIn },
    problems,
    again,
  };
}

function due(
  listed: readonly [fingerprint: string, text: string][],
  now: number,
): { fingerprints: string[]; deletedIn: Map<string, string>; again: number } {
  const fingerprints = new Set<string>();
  const byHand = new Set<string>();
  const deletedIn = new Map<string, string>();
  let again = Infinity;
  for (const [fingerprint, text] of listed) {
    const { from, namespace } = parseRevoked(text);
    if (from > now) {
      again = Math.min(again, from);
      continue;
    }
    fingerprints.add(fingerprint);
    if (namespace === '') byHand.add(fingerprint);
    else deletedIn.set(fingerprint, namespace);
  }
  for (const fingerprint of byHand) deletedIn.delete(fingerprint);
  return { fingerprints: [...fingerprints].sort(), deletedIn, again };
}

function serverMaterial(secret: Secret, problems: string[]): { serverPem: string; ca: string } | undefined {
  const [cert, key, ca] = [text(secret, 'tls.crt'), text(secret, 'tls.key'), text(secret, 'ca.crt')];
  try {
    const fault = keyProblem({ certPem: cert, keyPem: key });
    if (fault !== undefined) throw new Error(fault);
    if (splitBundle(ca).length === 0) throw new Error('it has no ca.crt');
    return { serverPem: `${cert.trim()}\n${key.trim()}\n`, ca };
  } catch (error) {
    problems.push(`Secret frp-gateway-tls cannot be used: ${(error as Error).message}`);
    return undefined;
  }
}
