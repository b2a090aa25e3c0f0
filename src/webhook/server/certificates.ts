/** The serving certificate of a TLS server: checked before it is used, and swapped while connections stay up. */
import type { Server, ServerOptions } from 'node:https';
import { problemOf, type Material } from '../../../certs/inspect.ts';
import type { ClientTrust } from './clients.ts';

/** kube-apiserver itself refuses anything older. */
const minVersion = 'TLSv1.2';

/**
 * TLS options for a certificate.
 * @throws when it cannot be used. node:tls would take the key of another certificate, and then fail each handshake.
 */
export function secureOptions(material: Material, trust?: ClientTrust): Pick<ServerOptions, 'cert' | 'key' | 'minVersion' | 'ca'> {
  const problem = problemOf(material, { now: Date.now(), usage: 'serverAuth' });
  if (problem !== undefined) throw new Error(`the serving certificate cannot be used: ${problem}`);
  return { cert: material.certPem, key: material.keyPem, minVersion, ...(trust && { ca: trust.caPem }) };
}

/** Puts a certificate into a running server; connections that are up keep theirs. @throws as secureOptions */
export function useCertificate(server: Server, material: Material, trust?: ClientTrust): void {
  server.setSecureContext(secureOptions(material, trust));
}
