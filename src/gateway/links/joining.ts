/** Tokens are made, and clusters join with them: the gateway's authority signs what they are known by from then on. */
import { randomBytes } from 'node:crypto';
import { certify, type Authority } from '../../../certs/authority.ts';
import { keyOfRequest } from '../../../certs/signing-request.ts';
import { inspectCertificate, splitBundle } from '../../../certs/inspect.ts';
import { clockProblem, durationWords } from '../../link/clock-words.ts';
import { certificateLifetimeMs, clusterDnsName } from '../../link/identity.ts';
import type { JoinAnswer, JoinRequest, RenewRequest } from '../../link/joining.ts';
import { LinkError } from '../../link/protocol.ts';
import { digestOfSecret, formatToken, isSecret, newTokenSecret, pinOf } from '../../link/token.ts';
import type { Grant } from './grant.ts';
import type { ClusterRecord, LinkStore } from './link-store.ts';

export interface JoiningDeps {
  store: LinkStore;
  /** signs what the two ends of links are known by; another one in a rotation, also while this runs */
  authority: () => Authority;
  /** HOST:PORT, as sidecars dial the gateway */
  addresses: readonly string[];
  /** whether each address is that of a replica, which has links of its own; default false: they all lead to one gateway */
  isReplicated?: boolean;
  /** PEM of those that sign the certificate for sidecars where `authority` does not */
  authoritiesPem?: () => string;
  now?: () => number;
}

/** @param ttlMs how long it may be used @returns the token, for people to carry */
export async function createToken(
  { store, authority, addresses, now = Date.now }: Pick<JoiningDeps, 'store' | 'addresses' | 'now'> & { authority: { certPem: string } },
  { cluster, grant, ttlMs }: { cluster: string; grant: Grant; ttlMs: number },
): Promise<string> {
  const { id, secret } = newTokenSecret();
  await store.addToken({ id, digest: digestOfSecret(secret), cluster, grant, expires: now() + ttlMs });
  return formatToken({ addresses: [...addresses], pin: pinOf(authority.certPem), id, secret });
}

/** A cluster joins. @throws LinkError why it may not, in words for its people */
export async function join(deps: JoiningDeps, { id, secret, request, now: theirs }: JoinRequest): Promise<JoinAnswer> {
  const { store, now = Date.now } = deps;
  const found = await store.token(id);
  // Compared in any case: how long it takes tells nobody which tokens there are.
  const isRight = isSecret(secret, found?.token.digest ?? digestOfNothing);
  if (!found || !isRight)
    throw new LinkError('TokenUnknown', 'this gateway has made no such token; it may be of another gateway, or have been used long ago');
  const { token, isUsed } = found;
  if (isUsed) throw used(token.cluster);
  if (token.expires <= now()) {
    const clock = clockProblem(theirs, now());
    throw new LinkError(
      'TokenExpired',
      `the token expired ${durationWords(now() - token.expires)} ago${clock === undefined ? '' : ` (the cluster's ${clock})`}; make another one`,
    );
  }
  const key = await readKey(request);
  if (!(await store.useToken(id))) throw used(token.cluster);
  const before = (await store.clusters()).get(token.cluster);
  const cluster: ClusterRecord = {
    name: token.cluster,
    id: randomBytes(10).toString('hex'),
    grant: token.grant,
    joined: before?.joined ?? now(),
    certificateExpires: 0,
  };
  const answer = certified(deps, cluster, key).then(async ({ certificate, certificateExpires }) => {
    await store.putCluster({ ...cluster, certificateExpires });
    return answerOf(deps, cluster, certificate);
  });
  return answer.catch(async (error: unknown) => {
    // It has joined nothing, so the token is as good as before.
    await store.giveTokenBack(id);
    throw error;
  });
}

/** The next certificate of a cluster that has joined. @throws LinkError */
export async function renew(deps: JoiningDeps, cluster: ClusterRecord, { request }: RenewRequest): Promise<JoinAnswer> {
  const { certificate, certificateExpires } = await certified(deps, cluster, await readKey(request));
  if (await deps.store.renewed({ ...cluster, certificateExpires })) return answerOf(deps, cluster, certificate);
  throw new LinkError('ClusterRemoved', 'the cluster was removed from the gateway, or has joined again since; join with a new token');
}

async function certified({ authority, now = Date.now }: JoiningDeps, cluster: ClusterRecord, publicKey: string) {
  const certificate = await certify(authority(), publicKey, {
    commonName: `cluster ${cluster.name}`.slice(0, 64),
    dnsNames: [clusterDnsName(cluster.id)],
    usages: ['clientAuth'],
    lifetimeMs: certificateLifetimeMs,
    now: now(),
  });
  return { certificate, certificateExpires: inspectCertificate(certificate).notAfter };
}

const answerOf = (deps: JoiningDeps, { name }: ClusterRecord, certificate: string): JoinAnswer => ({
  certificate,
  authority: authoritiesOf(deps),
  cluster: name,
  addresses: [...deps.addresses],
  isReplicated: deps.isReplicated ?? false,
});

/** PEM of those that a cluster knows the gateway by, the one that has the links first. */
export function authoritiesOf({ authority, authoritiesPem = () => '' }: Pick<JoiningDeps, 'authority' | 'authoritiesPem'>): string {
  const { certPem, bundlePem } = authority();
  const all = [certPem, ...splitBundle(bundlePem), ...splitBundle(authoritiesPem())].map((pem) => pem.trim());
  return `${[...new Set(all)].join('\n')}\n`;
}

const digestOfNothing = digestOfSecret('');

const used = (cluster: string) =>
  new LinkError(
    'TokenUsed',
    `the token for cluster ${cluster} has been used; if that was not this cluster, remove it (frp-k8s gateway clusters remove ${cluster}) and make another one`,
  );

async function readKey(request: string): Promise<string> {
  try {
    return await keyOfRequest(request);
  } catch (error) {
    throw new LinkError('RequestInvalid', `the certificate request cannot be used: ${(error as Error).message}`, { cause: error });
  }
}
