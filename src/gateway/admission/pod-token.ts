/**
 * Who a sidecar is: its Pod's projected service account token says it (KEP-1205), verified here against the keys of each
 * trusted cluster, with no call to the API server for each login.
 */
import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import type { KeySource } from '../oidc/key-source.ts';
import { refused, type Refusal } from './refusals.ts';
import type { Identity } from '../pod-identity.ts';

export interface TrustedCluster {
  /** empty: the gateway's own */
  name: string;
  /** undefined while it is not known */
  issuer: () => string | undefined;
  keys: Pick<KeySource, 'resolve'>;
  trusts: (namespace: string) => boolean;
  /** whether the Pod is there; undefined where the cluster is not watched */
  isAlive: ((identity: Identity) => Promise<boolean>) | undefined;
}

export type Verified = { ok: true; identity: Identity } | Refusal;

/** What Kubernetes signs with, and frps' library verifies. */
export const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
/** Nodes' clocks differ a little. */
const clockToleranceSeconds = 5;

/** @param audience that the token must be for */
export async function verifyToken(token: string, clusters: readonly TrustedCluster[], audience: string): Promise<Verified> {
  if (token === '')
    return refused('NoToken', 'there is no service account token; the sidecar of this gateway presents one (auth.method oidc)');
  const issuer = issuerOf(token);
  if (issuer === undefined) return refused('TokenInvalid', 'the token is no service account token: it is not a signed JWT with an issuer');
  const candidates = clusters.filter((cluster) => cluster.issuer() === issuer);
  if (candidates.length === 0)
    return refused(
      'UnknownIssuer',
      `the token's issuer ${shown(issuer)} is that of no cluster which this gateway serves: neither its own nor one that has joined it`,
    );
  const refusals: Refusal[] = [];
  // Clusters may share an issuer; the key decides. One that shows the public keys of another does not keep its Pods out.
  for (const cluster of candidates) {
    const verified = await verifyAt(cluster, token, audience);
    if (verified.ok) return verified;
    refusals.push(verified);
  }
  return refusals.find(({ reason }) => reason !== 'TokenInvalid') ?? refusals[0]!;
}

async function verifyAt(cluster: TrustedCluster, token: string, audience: string): Promise<Verified> {
  let payload: JWTPayload;
  try {
    const options = { audience, algorithms, clockTolerance: clockToleranceSeconds, requiredClaims: ['exp'] };
    ({ payload } = await jwtVerify(token, cluster.keys.resolve, options));
  } catch (error) {
    return refusalOf(error as Error, audience);
  }
  const identity = identityOf(payload, cluster.name);
  if (!identity) return refused('NotAPod', 'the token is not bound to a Pod; a projected service account token is (KEP-1205)');
  if (!cluster.trusts(identity.namespace))
    return refused(
      'NamespaceNotTrusted',
      `cluster ${cluster.name} has no grant for namespace ${identity.namespace} at this gateway`,
      identity,
    );
  if (cluster.isAlive && !(await cluster.isAlive(identity)))
    return refused(
      'PodGone',
      `there is no Pod ${identity.namespace}/${identity.pod} with UID ${identity.uid} and a sidecar; it may have been deleted`,
      identity,
    );
  return { ok: true, identity };
}

function refusalOf(error: Error, audience: string): Refusal {
  if (error instanceof errors.JWTExpired)
    return refused('TokenExpired', 'the token has expired; the kubelet renews it in the file that frpc reads');
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
    return refused('WrongAudience', `the token is for another audience; this gateway wants ${audience}`);
  return refused('TokenInvalid', `the token cannot be verified: ${error.message}`);
}

function issuerOf(token: string): string | undefined {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

/** Kubernetes' private claims (pkg/serviceaccount/claims.go). */
function identityOf(payload: JWTPayload, cluster: string): Identity | undefined {
  const { namespace, pod } = (payload['kubernetes.io'] ?? {}) as { namespace?: unknown; pod?: { name?: unknown; uid?: unknown } };
  const { name, uid } = pod ?? {};
  if (!isLabel(namespace) || !isName(name) || !isLabel(uid)) return undefined;
  return { cluster, namespace, pod: name, uid };
}

/** Names become parts of longer names with dots between, so nothing else than Kubernetes' own characters. */
const isLabel = (value: unknown): value is string => typeof value === 'string' && /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value);
const isName = (value: unknown): value is string => typeof value === 'string' && /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(value);

const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
