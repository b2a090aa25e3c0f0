/** Certificates that the installation did not make. */
import { createAuthority, issue } from '../../../certs/authority.ts';

const validity = { lifetimeMs: 86_400_000, now: Date.now() };

/** A client certificate like a sidecar's, of an authority that is not the installation's. */
export async function foreignClient(): Promise<{ certPem: string; keyPem: string }> {
  return issue(await createAuthority(validity), { commonName: 'frpc-ollama', usages: ['clientAuth'], ...validity });
}

/** What a TLS backend of a user presents, for node's `tls` and `http2` servers. */
export async function backendTls(...dnsNames: string[]): Promise<{ cert: string; key: string }> {
  const { certPem, keyPem } = await issue(await createAuthority(validity), {
    commonName: dnsNames[0]!,
    dnsNames,
    usages: ['serverAuth'],
    ...validity,
  });
  return { cert: certPem, key: keyPem };
}
