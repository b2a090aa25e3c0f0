/** Certificates: those of the cluster as they are stored and served, and those that the installation did not make. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import type { Usage } from '../../../certs/inspect.ts';
import { system } from './cluster.ts';
import { conditionOf, statusOf } from './controller.ts';
import { get, items } from './kubectl.ts';
import { eventually } from './run.ts';

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

export const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();

/** SHA-256 of the certificate in a Secret, as ConfigMap frp-revoked has it. */
export async function fingerprint(namespace: string, secret: string): Promise<string> {
  const { data } = await get(namespace, 'secret', secret);
  return fingerprintOf(Buffer.from(String(data['tls.crt']), 'base64').toString());
}

/** SHA-256 of the certificate that each replica of the webhooks presents; with `ca`, each is verified against it. */
export async function servingCertificates(ca?: string): Promise<string[]> {
  const replicas = (await items(system, 'pod', '-l', 'app=frp-webhook')) as {
    metadata: { deletionTimestamp?: string };
    status: { podIP: string };
  }[];
  const running = replicas.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return Promise.all(running.map(({ status }) => servedAt(status.podIP, 8443, ca)));
}

export function servedAt(host: string, port: number, ca?: string, servername = 'frp-webhook.frp-system.svc'): Promise<string> {
  const verification = ca === undefined ? { rejectUnauthorized: false } : { ca };
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername, ...verification }, () => {
      resolve(fingerprintOf(socket.getPeerX509Certificate()!.toString()));
      socket.end();
    });
    socket.on('error', reject);
  });
}

/** Waits for a condition of a service to say `REASON: MESSAGE`. */
export const conditionBecomes = (namespace: string, name: string, type: string, expected: RegExp): Promise<void> =>
  eventually(`${type} of ${name} says ${expected.source}`, async () => {
    const { reason, message } = conditionOf(await statusOf(namespace, name), type) ?? {};
    assert.match(`${reason}: ${message}`, expected);
  });

export const certificatesReadyBecomes = (namespace: string, name: string, expected: RegExp): Promise<void> =>
  conditionBecomes(namespace, name, 'CertificatesReady', expected);

/** A client certificate and its key, as the data of a Secret. */
export async function clientPair(
  authority: Authority,
  { usages = ['clientAuth'] as Usage[], lifetimeMs = 86_400_000 } = {},
): Promise<Record<string, string>> {
  const { certPem, keyPem } = await issue(authority, { commonName: 'edge', usages, lifetimeMs, now: Date.now() });
  return { 'tls.crt': certPem, 'tls.key': keyPem };
}
