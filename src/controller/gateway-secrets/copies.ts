/**
 * What the gateway may read of users' Secrets, copied into its namespace: the agent has no right to any other. One copy
 * for each Secret and use; what no service refers to any more goes.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import { base64, text } from '../../kube/authority-secret.ts';
import { ignoreGone } from '../../kube/errors.ts';
import { secrets, type Metadata, type Secret } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { hostsOf } from '../../model/exposure.ts';
import { hasGateway, usesGateway } from '../../model/gateway.ts';
import { annotation, gatewayCopyName, label, manager, replicaSecretName } from '../../model/names.ts';
import { serviceKey, type ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import { hasOwnGateway } from '../gateway-place.ts';
import type { CertificatesOutcome, Problem } from '../problem.ts';
import { create, type OwnedSecretsDeps, type Refused, type Whose } from '../identity/owned-secrets.ts';
import { contentOf, missing, referencesOf, type Content, type Reference } from '../../kube/secret-references.ts';
import type { ObjectStore } from '../../kube/object-store.ts';

export interface GatewayCopiesDeps extends OwnedSecretsDeps {
  config: Config;
  clock: Clock;
  log: Log;
  services: ServiceReader;
  /** Secrets of users that carry the label frp.io/use: "true", and no others */
  userSecrets: ObjectStore<Secret>;
  /** whether the user's Secrets of a namespace are known; of one that is not, copies stay as they are */
  isKnown: (namespace: string) => boolean;
  /** answers to challenges of ACME for the service's hosts: key authorizations by token; absent: there are none */
  answersOf?: (service: DistributedService) => Record<string, string>;
}
type Reading = Omit<GatewayCopiesDeps, 'client' | 'secrets' | 'log'>;

/** What stands against a service's Secrets, and when that changes though nothing else does (milliseconds since the epoch). */
export interface ReferencesOutcome {
  /** of credentials */
  problem?: Problem;
  /** of the certificate for users */
  certificates: CertificatesOutcome;
  until: number;
}

/**
 * What a service's references come to. The service is served all the same, as far as it can be: users without a
 * credential that the gateway knows are refused there.
 */
export function checkReferences(deps: Reading, service: DistributedService): ReferencesOutcome {
  const uses = credentialUses(deps, service.metadata.namespace ?? '');
  const contents = followed(service, deps.config).map((reference) => ({ reference, ...resolve(deps, service, reference, uses) }));
  const [certificates, others] = [
    contents.filter(({ reference }) => reference.kind === 'tls'),
    contents.filter(({ reference }) => reference.kind !== 'tls'),
  ];
  const problem = others.find((content) => content.problem)?.problem;
  return {
    ...(problem && { problem }),
    certificates: certificatesOf(certificates),
    until: Math.min(Infinity, ...contents.map(({ until = Infinity }) => until)),
  };
}

function certificatesOf(contents: readonly Content[]): CertificatesOutcome {
  const problem = contents.find((content) => content.problem)?.problem;
  if (problem) return { ready: false, ...problem };
  const expiring = contents.find((content) => content.expiring)?.expiring;
  return { ready: true, ...(expiring && { expiring }) };
}

/**
 * Makes the copies what they should be; a gateway elsewhere has none here.
 * @returns when to look again though nothing changes, milliseconds since the epoch @throws KubeError: try again later
 */
export async function reconcileCopies(deps: GatewayCopiesDeps): Promise<number> {
  const { wanted, kept, until } = hasOwnGateway(deps) ? copiesOf(deps) : none;
  const there = new Map([...deps.secrets.all()].filter(isCopy(deps.config)).map((secret) => [secret.metadata.name, secret]));
  for (const { metadata, data } of wanted.values()) {
    const known = there.get(metadata.name);
    if (known && isDeepStrictEqual(known.data, data) && hasAnnotations(known, metadata)) continue;
    deps.log.info({ secret: metadata.annotations?.[annotation.copyOf], copy: metadata.name }, 'copying a Secret for the gateway');
    const { refused } = known
      ? await rewrite(deps, known, metadata, data!)
      : await create(deps, { metadata, type: 'Opaque', data: data! }, whose);
    if (refused) deps.log.error({ secret: `${metadata.namespace}/${metadata.name}` }, refused.message);
  }
  for (const [name, secret] of there) {
    if (wanted.has(name) || kept.has(name) || name === replicaSecretName) continue;
    const { namespace, uid } = secret.metadata;
    await deps.client.delete(secrets, namespace, name, uid).catch(ignoreGone);
    deps.secrets.delete(secret);
  }
  return until;
}

/** A merge patch, which takes off the keys that are no more; of the version that was seen. */
async function rewrite(
  deps: GatewayCopiesDeps,
  known: Secret,
  { annotations, labels }: Metadata,
  data: Record<string, string>,
): Promise<{ refused?: Refused }> {
  const { namespace, name, resourceVersion } = known.metadata;
  const gone = Object.fromEntries(Object.keys(known.data ?? {}).map((key) => [key, null]));
  const patch = { metadata: { resourceVersion, annotations, labels }, data: { ...gone, ...data } };
  deps.secrets.set(await deps.client.mergePatch<Secret>(secrets, namespace, name, patch));
  return {};
}

/** Copies by name, and the names of those that stay as they are, with what they are copies of. */
interface Copies {
  wanted: Map<string, Secret>;
  kept: Map<string, string>;
  until: number;
}

const none: Copies = { wanted: new Map(), kept: new Map(), until: Infinity };

function copiesOf(deps: Reading): Copies {
  const { config, services } = deps;
  const copies: Copies = { wanted: new Map(), kept: new Map(), until: Infinity };
  const usesOf = new Map<string, Uses>();
  for (const service of services.all()) {
    const { namespace = '' } = service.metadata;
    const answers = isServed(service, config) ? (deps.answersOf?.(service) ?? {}) : {};
    if (Object.keys(answers).length > 0) {
      const copy = copyOf(serviceKey(service), 'challenges', answers, config);
      copies.wanted.set(copy.metadata.name, copy);
    }
    for (const reference of followed(service, config)) {
      if (!usesOf.has(namespace)) usesOf.set(namespace, credentialUses(deps, namespace));
      const { data, isBroken, until = Infinity } = resolve(deps, service, reference, usesOf.get(namespace)!);
      const original = `${namespace}/${reference.secret}`;
      const name = gatewayCopyName(original, reference.kind);
      copies.until = Math.min(copies.until, until);
      if (data) copies.wanted.set(name, copyOf(original, reference.kind, data, config));
      else if (isBroken) copies.kept.set(name, keyElsewhere(reference.kind, original));
    }
  }
  return copies;
}

/**
 * What a gateway elsewhere is to know, by use and namespace/name of the Secret: `known` is decoded; of `unknown` the gateway
 * keeps what it has, as they cannot be read at present or are worse than before; `until` is when that changes though
 * nothing else does, in milliseconds since the epoch.
 */
export function copiesElsewhere(deps: Reading) {
  const { wanted, kept, until } = copiesOf(deps);
  const known = new Map(
    [...wanted.values()].map((secret) => {
      const { [annotation.copyKind]: kind = '', [annotation.copyOf]: original = '' } = secret.metadata.annotations ?? {};
      return [keyElsewhere(kind, original), Object.fromEntries(Object.keys(secret.data ?? {}).map((key) => [key, text(secret, key)]))];
    }),
  );
  return { known, unknown: new Set([...kept.values()].filter((key) => !known.has(key))), until };
}

const keyElsewhere = (kind: string, original: string): string => `${kind} ${original}`;

const copyOf = (original: string, kind: string, data: Record<string, string>, { gateway }: Config): Secret => ({
  metadata: {
    name: gatewayCopyName(original, kind),
    namespace: gateway.namespace,
    labels: { [label.managedBy]: manager, [label.gatewayCopy]: 'true' },
    annotations: { [annotation.copyOf]: original, [annotation.copyKind]: kind },
  },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
});

const isServed = (service: DistributedService, config: Config): boolean =>
  service.metadata.deletionTimestamp === undefined && hasGateway(config) && usesGateway(service.spec, config);

const followed = (service: DistributedService, config: Config): Reference[] => (isServed(service, config) ? referencesOf(service) : []);

function resolve(deps: Reading, service: DistributedService, reference: Reference, uses: Uses): Content {
  const { namespace = '' } = service.metadata;
  const others = reference.kind === 'credentials' ? (uses.get(reference.secret) ?? []) : [];
  const rival = others.find(({ type }) => type !== reference.type);
  if (rival) return { problem: ambiguous(reference, namespace, rival.service) };
  if (!deps.isKnown(namespace)) return { isBroken: true };
  const secret = deps.userSecrets.get(namespace, reference.secret);
  if (!secret) return reference.isOptional ? {} : { problem: missing(reference, namespace) };
  const { baseDomain, gateway } = deps.config;
  return contentOf(reference, secret, {
    hosts: hostsOf(service.spec, baseDomain),
    now: deps.clock.now(),
    allowHttp: gateway.allowHttpIssuers,
  });
}

/** By Secret: the services that read it as credentials, and of which type. */
type Uses = Map<string, { service: string; type: Reference['type'] }[]>;

/**
 * There is one copy for all that use a Secret, and what is a name in one type of authentication is a key in another: the
 * public issuer of oauth2 would be an API key. So where the types differ, nobody gets it.
 */
function credentialUses({ services, config }: Reading, namespace: string): Uses {
  const uses: Uses = new Map();
  for (const name of services.names(namespace)) {
    for (const { kind, secret, type } of followed(services.get(namespace, name)!, config))
      if (kind === 'credentials') uses.set(secret, [...(uses.get(secret) ?? []), { service: name, type }]);
  }
  return uses;
}

const ambiguous = ({ secret, field }: Reference, namespace: string, other: string): Problem => ({
  reason: 'SecretAmbiguous',
  message: `Secret ${namespace}/${secret} (${field}) is also used by DistributedService "${other}", with another type of authentication; use one Secret for each type`,
});

/** The services of a namespace that name a Secret which this one names too, itself included. */
export function sharers(services: ServiceReader, service: DistributedService): DistributedService[] {
  const named = new Set(referencesOf(service).map(({ secret }) => secret));
  const { namespace = '' } = service.metadata;
  if (named.size === 0) return [];
  return services
    .names(namespace)
    .map((name) => services.get(namespace, name)!)
    .filter((other) => referencesOf(other).some(({ secret }) => named.has(secret)));
}

/** Whether a Secret of this program is a copy for the gateway. */
export const isCopy =
  ({ gateway }: Config) =>
  ({ metadata }: Secret): boolean =>
    metadata.namespace === gateway.namespace && metadata.labels?.[label.gatewayCopy] === 'true';

const hasAnnotations = (known: Secret, { annotations = {} }: Metadata): boolean =>
  Object.entries(annotations).every(([key, value]) => known.metadata.annotations?.[key] === value);

export const whose: Whose = ({ labels }) =>
  labels?.[label.managedBy] === manager && labels[label.gatewayCopy] === 'true' ? 'ours' : 'foreign';
