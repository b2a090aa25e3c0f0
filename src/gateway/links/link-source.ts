/** What a cluster that has joined wants of the gateway, as far as it may have it: a source like the gateway's own cluster. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type * as z from 'zod';
import { upKinds, type Up } from '../../link/items.ts';
import type { Json, Reference } from '../../link/protocol.ts';
import type { Config } from '../../config/schema.ts';
import { base64 } from '../../kube/authority-secret.ts';
import type { Sink } from '../../kube/reflector.ts';
import type { ConfigMap, KubeObject } from '../../kube/types.ts';
import { decodingFindings } from '../../model/decoding.ts';
import { exposuresOf } from '../../model/exposure.ts';
import { annotation, apiVersion, kind } from '../../model/names.ts';
import { schemaFindings } from '../../model/schema-findings.ts';
import { ServiceStore } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import { keySet } from '../oidc/key-source.ts';
import { isProfile } from '../../model/profiles.ts';
import { PodIndex } from '../sources/pod-index.ts';
import { Copies } from '../sources/secret-copies.ts';
import type { Source, SourceEvents, TokenTrust } from '../sources/source.ts';
import { givesNamespace, grantProblem, type Grant } from './grant.ts';
import type { KeyOwners } from './key-owners.ts';
import type { PodOwners } from './pod-owners.ts';
import type { ClusterRecord } from './link-store.ts';
import type { ItemRefusal } from '../../model/reasons/links.ts';

/** An item as it is kept on disk (sources/journal.ts): its kind is the namespace, its key the name. */
export interface KeptItem extends KubeObject {
  value: Json;
}

export interface Refused {
  reason: ItemRefusal;
  message: string;
}

type Kind = keyof typeof upKinds;
type Values = { [K in Kind]: Up<K> };

export interface LinkSourceDeps {
  events: SourceEvents;
  config: Config;
  owners: KeyOwners;
  podOwners: PodOwners;
  /** whether the link is up, and has told all */
  isCurrent: () => boolean;
}

export class LinkSource implements Source, Sink<KeptItem> {
  readonly cluster: string;
  readonly services = new ServiceStore();
  readonly pods: PodIndex;
  readonly copies: Copies;
  readonly revoked = new Map<string, ConfigMap>();
  readonly tokens: TokenTrust;
  readonly synced: Promise<void> = Promise.resolve();
  readonly isCurrent: () => boolean;
  readonly #events: SourceEvents;
  readonly #config: Config;
  readonly #owners: KeyOwners;
  readonly #podOwners: PodOwners;
  #record: ClusterRecord;
  /** what is here, by kind and key; the grant may give another part of it later */
  readonly #items = new Map<string, KeptItem>();
  /** why an item is not believed, by kind and key */
  readonly #refused = new Map<string, Refused>();
  readonly #unknown = new Set<string>();
  #issuer: string | undefined;
  #keys: JSONWebKeySet | undefined;
  #resolve: JWTVerifyGetKey | undefined;

  constructor(record: ClusterRecord, { events, config, owners, podOwners, isCurrent }: LinkSourceDeps) {
    this.isCurrent = isCurrent;
    this.cluster = record.name;
    this.#record = record;
    this.#events = events;
    this.#config = config;
    this.#owners = owners;
    this.#podOwners = podOwners;
    this.pods = new PodIndex(() => events.changed());
    this.copies = new Copies(() => {
      events.changed();
      events.tunnelChanged();
    });
    const own = () => ({ set: this.#keys, resolve: this.#resolve });
    const resolve: JWTVerifyGetKey = (header, token) => {
      const { resolve } = own();
      if (!resolve) throw new errors.JWKSNoMatchingKey();
      return resolve(header, token);
    };
    this.tokens = {
      issuer: () => this.#issuer,
      keys: {
        resolve,
        get set() {
          return own().set;
        },
        problem: undefined,
      },
      trusts: (namespace) => givesNamespace(this.#record.grant, namespace),
    };
  }

  /** A cluster that is away keeps nobody waiting. */
  problem(): undefined {
    return undefined;
  }

  async close(): Promise<void> {}

  get grant(): Grant {
    return this.#record.grant;
  }

  /** Why items are not believed, by their kind and key. */
  get refused(): ReadonlyMap<string, Refused> {
    return this.#refused;
  }

  /** Kinds and fields that this gateway does not know. */
  get unknown(): ReadonlySet<string> {
    return this.#unknown;
  }

  /** The cluster has joined anew, or its grant is another one. */
  setRecord(record: ClusterRecord): void {
    this.#record = record;
    for (const item of this.#items.values()) this.#apply(item);
  }

  /** What another cluster had may be this one's. */
  again(itemKind: Kind, key: string): void {
    const item = this.#items.get(idOf({ metadata: { namespace: itemKind, name: key } }));
    if (item) this.#apply(item);
  }

  replace(items: KeptItem[]): void {
    const keep = new Set(items.map(idOf));
    for (const item of [...this.#items.values()]) if (!keep.has(idOf(item))) this.delete(item);
    for (const item of items) this.set(item);
  }

  set(item: KeptItem): void {
    this.#items.set(idOf(item), item);
    this.#apply(item);
  }

  delete(item: KubeObject): void {
    const { namespace: itemKind = '', name: key } = item.metadata;
    this.#items.delete(idOf(item));
    this.#refused.delete(idOf(item));
    if (Object.hasOwn(upKinds, itemKind)) this.#withdraw(itemKind as Kind, key);
  }

  #apply(item: KeptItem): void {
    const { namespace: itemKind = '', name: key } = item.metadata;
    this.#refused.delete(idOf(item));
    if (!Object.hasOwn(upKinds, itemKind)) return this.notUnderstood(itemKind);
    const known = itemKind as Kind;
    const schema: z.ZodType<Values[Kind]> = upKinds[known];
    const parsed = schema.safeParse(item.value);
    const problem: Refused | undefined = parsed.success
      ? this.#putSafely(known, key, parsed.data)
      : { reason: 'NotValid', message: describeIssue(parsed.error) };
    if (!problem) return;
    this.#refused.set(idOf(item), problem);
    this.#withdraw(known, key);
  }

  /** Whatever an item does, those that are kept beside it are read at the next start. */
  #putSafely<K extends Kind>(known: K, key: string, value: Up<K>): Refused | undefined {
    try {
      return this.#put[known](key, value);
    } catch (error) {
      return { reason: 'NotValid', message: `this gateway cannot take it: ${(error as Error).message}`.slice(0, 1000) };
    }
  }

  readonly #put: { [K in Kind]: (key: string, value: Up<K>) => Refused | undefined } = {
    service: (key, value) => this.#putService(key, value),
    pod: (uid, { namespace, name, isReady, weight, ip, profile, ports }) => {
      if (!givesNamespace(this.grant, namespace)) return notGranted(namespace);
      if (!this.#podOwners.claim(this.cluster, uid)) return podTaken(namespace, name, uid);
      // A profile that a newer cluster knows means nothing here.
      const known = profile !== undefined && isProfile(profile) ? { profile } : {};
      this.pods.setFacts(uid, { namespace, name, isReady, weight, ip, ...known, ports });
      return undefined;
    },
    secret: (key, { data }) => {
      const [use = '', original = ''] = key.split(' ');
      if (!['credentials', 'tls', 'client-ca', 'challenges'].includes(use) || !/^[^/]+\/[^/]+$/.test(original))
        return { reason: 'NotValid', message: `a Secret is told under its use and its name, not under ${JSON.stringify(key)}` };
      const namespace = original.split('/')[0]!;
      if (!givesNamespace(this.grant, namespace)) return notGranted(namespace);
      this.copies.set(this.#copy(use, original, data));
      return undefined;
    },
    authority: (_key, { bundle }) => {
      this.copies.set(this.#copy('client-ca', 'clients', { 'ca.crt': bundle }));
      return undefined;
    },
    revoked: (name, { data }) => {
      this.revoked.set(name, { metadata: { name }, data });
      this.#events.tunnelChanged();
      return undefined;
    },
    keys: (_key, { issuer, keys }) => {
      try {
        const set = keySet({ keys });
        const taken = this.#owners.claim(this.cluster, set);
        if (taken !== undefined) return keyTaken(taken);
        this.#keys = set;
        this.#resolve = createLocalJWKSet(set);
      } catch (error) {
        return { reason: 'NotValid', message: `the keys of tokens cannot be used: ${(error as Error).message}` };
      }
      this.#issuer = issuer;
      return undefined;
    },
  };

  #putService(key: string, { metadata, spec }: Up<'service'>): Refused | undefined {
    if (key !== `${metadata.namespace}/${metadata.name}`)
      return { reason: 'NotValid', message: `the service under ${JSON.stringify(key)} has another name` };
    const object = { apiVersion, kind, metadata, spec } as const;
    for (const { path } of decodingFindings(object)) this.notUnderstood(`service.${path}`);
    const [finding] = schemaFindings(object);
    if (finding) return { reason: 'NotValid', message: `${finding.path}: ${finding.message}`.slice(0, 1000) };
    const service = object as unknown as DistributedService;
    const problem = grantProblem(this.grant, metadata.namespace, exposuresOf(service.spec, this.#config.baseDomain));
    if (problem !== undefined) return { reason: 'NotGranted', message: problem };
    this.services.set(service);
    return undefined;
  }

  #withdraw(itemKind: Kind, key: string): void {
    switch (itemKind) {
      case 'service': {
        const [namespace = '', name = ''] = key.split('/');
        return this.services.delete(namespace, name);
      }
      case 'pod':
        this.#podOwners.release(this.cluster, key);
        return this.pods.deleteFacts(key);
      case 'secret': {
        const [use = '', original = ''] = key.split(' ');
        return this.copies.delete(this.#copy(use, original, {}));
      }
      case 'authority':
        return this.copies.delete(this.#copy('client-ca', 'clients', {}));
      case 'revoked':
        this.revoked.delete(key);
        return this.#events.tunnelChanged();
      case 'keys':
        this.#issuer = this.#keys = this.#resolve = undefined;
    }
  }

  /** Authorities are told apart by whose they are (ir/client-authorities.ts), so their names say the cluster. */
  #copy(use: string, original: string, data: Record<string, string>) {
    const of = use === 'client-ca' ? `${this.cluster}:${original}` : original;
    return {
      metadata: {
        name: `${use} ${original}`,
        creationTimestamp: new Date(this.#record.joined).toISOString(),
        annotations: { [annotation.copyOf]: of, [annotation.copyKind]: use },
      },
      data: Object.fromEntries(Object.entries(data).map(([name, value]) => [name, base64(value)])),
    };
  }

  /** Something that only a newer controller knows. */
  notUnderstood(what: string): void {
    if (this.#unknown.size < unknownLimit) this.#unknown.add(what.slice(0, 300));
  }
}

const unknownLimit = 100;

const notGranted = (namespace: string): Refused => ({
  reason: 'NotGranted',
  message: `this cluster has no grant for namespace ${namespace} at the gateway`,
});

const keyTaken = (id: string): Refused => ({
  reason: 'KeyTaken',
  message: `key ${JSON.stringify(id.slice(0, 100))} of tokens is that of another cluster at the gateway; where this cluster has joined under another name before, remove that one there`,
});

const podTaken = (namespace: string, name: string, uid: string): Refused => ({
  reason: 'PodTaken',
  message: `UID ${uid} of Pod ${namespace}/${name} is that of a Pod which the gateway knows from elsewhere already; make the Pod anew, and where this cluster is a copy of another one, all of its Pods`,
});

const describeIssue = ({ issues: [issue] }: z.ZodError): string => `${issue?.path.join('.')}: ${issue?.message}`.slice(0, 1000);

const idOf = ({ metadata: { namespace, name } }: KubeObject): string => `${namespace} ${name}`;

export const keptItem = ({ kind: itemKind, key, value }: Reference & { value: Json | undefined }): KeptItem => ({
  metadata: { namespace: itemKind, name: key },
  value: value ?? null,
});
export const itemOf = ({ metadata: { namespace = '', name }, value }: KeptItem) => ({ kind: namespace, key: name, value });
