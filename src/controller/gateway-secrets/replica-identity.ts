/**
 * The certificate that replicas of the gateway know each other by, and that their status API shows. Its authority signs this
 * one certificate and its key is thrown away: nothing else, of sidecars or users, can ever be taken for a replica.
 */
import { createAuthority, issue } from '../../../certs/authority.ts';
import { inspectCertificate, splitBundle } from '../../../certs/inspect.ts';
import { base64, text } from '../../kube/authority-secret.ts';
import type { Config } from '../../config/schema.ts';
import type { ObjectStore } from '../../kube/object-store.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { secrets, type Secret } from '../../kube/types.ts';
import { gatewayHosts } from '../../model/gateway.ts';
import { annotation, gatewayName, label, manager, replicaSecretName } from '../../model/names.ts';
import { seeksOwnGateway } from '../gateway-place.ts';
import { create } from '../identity/owned-secrets.ts';
import { whose, type GatewayCopiesDeps } from './copies.ts';

type Deps = Pick<GatewayCopiesDeps, 'client' | 'config' | 'clock' | 'log' | 'secrets'>;

/** Until it is looked again whether the gateway's namespace is there. Milliseconds. */
const absentMs = 15_000;

/**
 * Makes it, and makes it anew in the last third of its life; then replicas trust the one before too, until all have the new one.
 * Where the gateway's namespace is not there, or not the controller's to write to, this cluster has no gateway yet.
 * @returns when to look again, milliseconds since the epoch @throws KubeError: try again later
 */
export async function ensureReplicaIdentity(deps: Deps): Promise<number> {
  const { config, clock, secrets: store, log } = deps;
  if (!seeksOwnGateway(deps)) return Infinity;
  const now = clock.now();
  const lifetimeMs = config.certificates.serverLifetime;
  const known = store.get(config.gateway.namespace, replicaSecretName);
  const renewAt = known && renewalOf(known, lifetimeMs, config);
  if (renewAt !== undefined && now < renewAt) return renewAt;
  const authority = await createAuthority({ lifetimeMs, now });
  const request = { commonName: gatewayName, dnsNames: gatewayHosts(config), usages: ['serverAuth' as const, 'clientAuth' as const] };
  const { certPem, keyPem } = await issue(authority, { ...request, lifetimeMs, now });
  const before = known ? splitBundle(text(known, 'ca.crt')).slice(0, 1) : [];
  const data = {
    'tls.crt': base64(certPem),
    'tls.key': base64(keyPem),
    'ca.crt': base64([authority.certPem, ...before].map((pem) => `${pem.trim()}\n`).join('')),
  };
  try {
    const refused = known ? await rewrite(deps, known, data) : await make(deps, data);
    if (refused !== undefined) throw new Error(refused);
  } catch (error) {
    if (!isForbidden(error) && !isNotFound(error)) throw error;
    log.debug(`there is no gateway in this cluster so far: ${(error as Error).message}`);
    return now + absentMs;
  }
  log.info({ secret: replicaSecretName }, "wrote the certificate of the gateway's replicas");
  return now + (2 * lifetimeMs) / 3;
}

/** PEM; undefined while there is no certificate. */
export function replicaAuthorityIn(store: ObjectStore<Secret>, { gateway }: Pick<Config, 'gateway'>): string | undefined {
  const secret = store.get(gateway.namespace, replicaSecretName);
  return secret && text(secret, 'ca.crt');
}

async function make(deps: Deps, data: Record<string, string>): Promise<string | undefined> {
  const metadata = {
    name: replicaSecretName,
    namespace: deps.config.gateway.namespace,
    labels: { [label.managedBy]: manager, [label.gatewayCopy]: 'true' },
    annotations: { [annotation.copyOf]: replicaSecretName, [annotation.copyKind]: 'replicas' },
  };
  const { refused } = await create(deps, { metadata, type: 'Opaque', data }, whose);
  return refused?.message;
}

/** Of the version that was seen. */
async function rewrite({ client, secrets: store }: Deps, known: Secret, data: Record<string, string>): Promise<undefined> {
  const { namespace, name, resourceVersion } = known.metadata;
  store.set(await client.mergePatch<Secret>(secrets, namespace, name, { metadata: { resourceVersion }, data }));
}

/** undefined where it cannot be used as it is. */
function renewalOf(secret: Secret, lifetimeMs: number, config: Deps['config']): number | undefined {
  try {
    const { notAfter, dnsNames } = inspectCertificate(text(secret, 'tls.crt'));
    const isComplete = gatewayHosts(config).every((host) => dnsNames.includes(host)) && text(secret, 'tls.key') !== '';
    return isComplete ? notAfter - lifetimeMs / 3 : undefined;
  } catch {
    return undefined;
  }
}
