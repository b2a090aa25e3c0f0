/** What a cluster keeps of its joining: Secret frp-gateway-join before it, Secret frp-gateway-link after. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { parseable, splitBundle } from '../../../certs/inspect.ts';
import type { Config } from '../../config/schema.ts';
import { base64, text } from '../../kube/authority-secret.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreGone, isConflict, isNotFound } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import type { ObjectStore } from '../../kube/object-store.ts';
import { secrets, type Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { joinWith, type LinkIdentity } from '../../link/held-link.ts';
import type { Down } from '../../link/items.ts';
import { LinkError } from '../../link/protocol.ts';
import { parseToken, type JoinToken } from '../../link/token.ts';
import { addressText, gatewayAddresses, hasGateway } from '../../model/gateway.ts';
import { hasOwnGateway } from '../gateway-place.ts';
import { proxyIn } from './proxy-secret.ts';
import { annotation, joinProblemPrefix, joinSecretName, label, linkSecretName, manager, replicaSecretName } from '../../model/names.ts';

export interface LinkSecretDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  secrets: ObjectStore<Secret>;
  /** those with the label frp.io/use: "true" */
  userSecrets: ObjectStore<Secret>;
}

/** Of one change, where others write the Secret at once. */
const mostTries = 5;

const identitySchema = z.object({
  certPem: z.string().min(1),
  keyPem: z.string().min(1),
  authorityPem: z.string().min(1),
  addresses: z.array(z.string()),
  isReplicated: z.boolean().optional(),
  cluster: z.string(),
});

/** As the controller knows the Secret. */
export const linkIdentitiesIn = ({ secrets: store, config }: Pick<LinkSecretDeps, 'secrets' | 'config'>): Map<string, LinkIdentity> =>
  identitiesOf(store.get(config.namespace, linkSecretName));

/** By key of Secret frp-gateway-link, one for each gateway; what cannot be read is left out. */
export function identitiesOf(secret: Secret | undefined): Map<string, LinkIdentity> {
  const identities = new Map<string, LinkIdentity>();
  for (const key of Object.keys(secret?.data ?? {}).sort()) {
    const identity = identitySchema.safeParse(parseJson(text(secret!, key))).data;
    if (identity) identities.set(key, identity);
  }
  return identities;
}

function parseJson(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    return undefined;
  }
}

/** As the gateway's first address, as far as a Secret takes it: a person who reads the Secret finds the gateway. */
const keyFor = ({ addresses, cluster }: LinkIdentity): string =>
  `${(addresses[0] ?? cluster).replace(/[^-._a-zA-Z0-9]/g, '_').slice(0, 200)}.json`;

/** An address leads to one gateway, and the authority of its links is that of one: what is kept of it is replaced. */
const isSameGateway = (known: LinkIdentity, { addresses, authorityPem }: LinkIdentity): boolean =>
  known.addresses.some((address) => addresses.includes(address)) || ofLinks(known.authorityPem) === ofLinks(authorityPem);

/** The first of the authorities that a gateway is known by has the two ends of its links. */
const ofLinks = (pem: string): string | undefined => splitBundle(pem)[0]?.trim();

/**
 * What is kept of a gateway, after what it has said of itself over the link: other replicas, or another authority that its
 * certificate for sidecars is of. @returns undefined where nothing is different, or it says nothing that can be used
 */
export function withTold(
  known: LinkIdentity,
  told: Pick<Down<'gateway'>, 'addresses' | 'authority' | 'isReplicated'>,
): LinkIdentity | undefined {
  const { addresses, authority: authorityPem, isReplicated } = told;
  const isWhole = parseable(authorityPem).length === splitBundle(authorityPem).length;
  const isUsable = isWhole && addresses.length > 0 && hasToldOf(known, ofLinks(authorityPem));
  if (!isUsable) return undefined;
  const { isReplicated: _, ...rest } = known;
  const next = { ...rest, addresses, authorityPem, ...(isReplicated && { isReplicated }) };
  return isDeepStrictEqual(next, { ...known }) ? undefined : next;
}

/** Another authority has the links once the gateway has said so by the one before: in a rotation it is told of as a further one first. */
const hasToldOf = ({ authorityPem }: LinkIdentity, pem: string | undefined): boolean =>
  pem !== undefined && splitBundle(authorityPem).some((known) => known.trim() === pem);

/** Keeps what a gateway has renewed, or says of itself, unless the cluster has left it meanwhile. @throws KubeError */
export async function updateLinkIdentity(deps: LinkSecretDeps, key: string, identity: LinkIdentity): Promise<void> {
  const { client, config, secrets: store } = deps;
  const data = { [key]: base64(JSON.stringify(identity)) };
  for (let tries = 1; ; tries++) {
    const known = store.get(config.namespace, linkSecretName);
    if (known?.data?.[key] === undefined) return;
    const { resourceVersion } = known.metadata;
    try {
      return store.set(await client.mergePatch<Secret>(secrets, config.namespace, linkSecretName, { metadata: { resourceVersion }, data }));
    } catch (error) {
      if (isNotFound(error)) return store.delete(known);
      if (!isConflict(error) || tries === mostTries) throw error;
      store.set(await client.get<Secret>(secrets, config.namespace, linkSecretName));
    }
  }
}

/** Keeps what the cluster is known by to one gateway. @param replaced keys that go */
async function keepLinkIdentity(
  { client, config, secrets: store }: LinkSecretDeps,
  key: string,
  identity: LinkIdentity,
  replaced: readonly string[] = [],
): Promise<void> {
  const metadata = { name: linkSecretName, namespace: config.namespace, labels: { [label.managedBy]: manager } };
  const data = { [key]: base64(JSON.stringify(identity)) };
  const gone = Object.fromEntries(replaced.filter((each) => each !== key).map((each) => [each, null]));
  const known = store.get(config.namespace, linkSecretName);
  store.set(
    known
      ? await client.mergePatch<Secret>(secrets, config.namespace, linkSecretName, { data: { ...gone, ...data } })
      : await client.create<Secret>(secrets, { metadata, type: 'Opaque', data }, fieldManager.controller),
  );
}

/** In place of what is there of the same gateway. */
async function keepJoined(deps: LinkSecretDeps, identity: LinkIdentity): Promise<void> {
  const known = [...linkIdentitiesIn(deps)].filter(([, each]) => isSameGateway(each, identity)).map(([key]) => key);
  await keepLinkIdentity(deps, keyFor(identity), identity, known);
}

/** What only another token mends; everything else is tried again. */
const isFinal = (error: unknown): boolean =>
  error instanceof LinkError && ['TokenInvalid', 'TokenUsed', 'TokenExpired', 'TokenUnknown', 'PinDiffers'].includes(error.reason);

/**
 * What keeps the cluster from using a gateway elsewhere although it may join it, so that the token would be used up in vain.
 * A gateway beside one that it has joined is of use once sidecars dial it; the first may have another name there.
 * @throws LinkError NotConfigured, with what to set or to take away
 */
function checkConfigured(deps: LinkSecretDeps, { addresses }: JoinToken): void {
  const { gateway } = deps.config;
  const joined = [...linkIdentitiesIn(deps).values()].flatMap((identity) => identity.addresses);
  const isAnother = joined.length > 0 && !addresses.some((address) => joined.includes(address));
  const dialled = gatewayAddresses({ gateway }).map(addressText);
  const isDialled = isAnother ? addresses.some((address) => dialled.includes(address)) : hasGateway({ gateway });
  const wanted = [...(isAnother ? gateway.addresses : []), ...addresses];
  if (hasOwnGateway(deps))
    throw new LinkError(
      'NotConfigured',
      `this cluster has a gateway of its own (Secret ${gateway.namespace}/${replicaSecretName}), and its services go through that one; the token has not been used: let the other cluster join this gateway, or take this one away (kubectl delete -k manifests/gateway) and run frp-k8s join with the token again`,
    );
  if (isDialled) return;
  throw new LinkError(
    'NotConfigured',
    `the configuration of this cluster (config.yaml in ConfigMap frp-k8s-config) lacks gateway.addresses: [${wanted.map((address) => JSON.stringify(address)).join(', ')}]; the token has not been used: once that is set and the Deployments have restarted, the controller joins with it`,
  );
}

const prefixOf = (error: LinkError): string => {
  if (error.reason === 'NotConfigured') return joinProblemPrefix.notConfigured;
  return isFinal(error) ? joinProblemPrefix.final : '';
};

/**
 * Joins with the token that is there, if there is one that has not failed for good. The token goes when it has been used.
 * @returns whether to try again
 * @throws KubeError
 */
export async function joinIfAsked(deps: LinkSecretDeps, signal: AbortSignal): Promise<{ isToBeTriedAgain: boolean }> {
  const { client, config, log, secrets: store } = deps;
  const secret = store.get(config.namespace, joinSecretName);
  if (!secret) return { isToBeTriedAgain: false };
  const { uid, annotations } = secret.metadata;
  const told = annotations?.[annotation.joinProblem];
  if (told?.startsWith(joinProblemPrefix.final)) return { isToBeTriedAgain: false };
  try {
    const token = parseToken(text(secret, 'token'));
    checkConfigured(deps, token);
    const identity = await joinWith(token, signal, proxyIn(deps));
    await keepJoined(deps, identity);
    log.info({ cluster: identity.cluster, addresses: identity.addresses }, `joined the gateway as cluster ${identity.cluster}`);
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    log.error({ reason: error.reason }, `the cluster has not joined the gateway: ${error.message}`);
    const prefix = prefixOf(error);
    const problem = `${prefix}${error.message}`.slice(0, 2000);
    if (problem !== told) {
      const patch = { metadata: { annotations: { [annotation.joinProblem]: problem } } };
      store.set(await client.mergePatch<Secret>(secrets, config.namespace, joinSecretName, patch));
    }
    return { isToBeTriedAgain: prefix === '' };
  }
  await client.delete(secrets, config.namespace, joinSecretName, uid).catch(ignoreGone);
  store.delete(secret);
  return { isToBeTriedAgain: false };
}
