/** What this cluster wants of the gateways that it has joined, and what they need to know for it: the same for each of them. */
import type { Authority } from '../../../certs/authority.ts';
import type { Config } from '../../config/schema.ts';
import { podFactsOf } from '../../frp/pod-facts.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreNotFound } from '../../kube/errors.ts';
import type { Sink } from '../../kube/reflector.ts';
import { byUid } from '../../kube/sinks.ts';
import { configMaps, type KubeObject } from '../../kube/types.ts';
import type { Up } from '../../link/items.ts';
import { OwnItems } from '../../link/own-items.ts';
import type { Item } from '../../link/protocol.ts';
import type { Log } from '../../log.ts';
import { usesGateway } from '../../model/gateway.ts';
import { revokedConfigMapNames } from '../../model/names.ts';
import { serviceKey, type ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';

export interface ClusterItemsDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  services: ServiceReader;
  authority: () => Authority;
  /** copies for the gateway (gateway-secrets/copies.ts, copiesElsewhere) */
  copies: () => { known: ReadonlyMap<string, Record<string, string>>; unknown: ReadonlySet<string>; until: number };
}

export const clientAuthority = { kind: 'authority', key: 'clients' } as const;
const tokenKeys = { kind: 'keys', key: 'tokens' } as const;

export class ClusterItems {
  readonly items = new OwnItems();
  readonly #deps: ClusterItemsDeps;
  /** fed by the watches of Pods that have tunnels: those with a sidecar, and connectors */
  readonly pods = { injected: this.#podSink(), connectors: this.#podSink() };

  constructor(deps: ClusterItemsDeps) {
    this.#deps = deps;
  }

  /** Everything but Pods, which come by the watches; what look() finds is not known before it has. */
  start(): void {
    for (const key of revokedConfigMapNames) this.items.leave({ kind: 'revoked', key });
    this.items.leave(tokenKeys);
    for (const service of this.#deps.services.all()) this.serviceChanged(undefined, service);
    this.authorityChanged();
    this.copiesChanged();
  }

  serviceChanged(before: DistributedService | undefined, after: DistributedService | undefined): void {
    const key = serviceKey((after ?? before)!);
    if (!after || !usesGateway(after.spec, this.#deps.config)) return this.items.delete({ kind: 'service', key });
    const { name, namespace, uid, generation, creationTimestamp, deletionTimestamp } = after.metadata;
    const metadata = { name, namespace, uid, generation, creationTimestamp, deletionTimestamp };
    this.#tell({ kind: 'service', key, value: { metadata, spec: after.spec } });
  }

  authorityChanged(): void {
    this.#tell({ ...clientAuthority, value: { bundle: this.#deps.authority().bundlePem } });
  }

  /** PEM, as it is told at present: those that sign the certificates of sidecars */
  get authoritiesPem(): string | undefined {
    const told = this.items.collection.get(clientAuthority);
    return told && (told.value as Up<'authority'>).bundle;
  }

  /** @returns when to look again though nothing changes, milliseconds since the epoch */
  copiesChanged(): number {
    const { known, unknown, until } = this.#deps.copies();
    const items = [...known].map(([key, data]) => plain({ kind: 'secret', key, value: { data } }));
    this.items.replace('secret', items, unknown);
    return until;
  }

  /** Looks at what has no watch here: revocations, keys of tokens. Never rejects. */
  async look(): Promise<void> {
    await Promise.all([this.#lookAtRevoked(), this.#lookAtKeys()]).catch((error: Error) =>
      this.#deps.log.warn(`what the gateway is to know cannot be read: ${error.message}`),
    );
  }

  #podSink(): Sink<KubeObject> {
    return byUid(podFactsOf, {
      set: (key, value) => this.#tell({ kind: 'pod', key, value }),
      delete: (key) => this.items.delete({ kind: 'pod', key }),
    });
  }

  #tell(item: { kind: string; key: string; value: unknown }): void {
    if (this.items.set(plain(item))) return;
    this.#deps.log.warn({ kind: item.kind, key: item.key }, 'the gateway is not told of an object that is too large');
  }

  async #lookAtRevoked(): Promise<void> {
    const { client, config } = this.#deps;
    for (const name of revokedConfigMapNames) {
      const list = await client.get(configMaps, config.namespace, name).catch(ignoreNotFound);
      if (list) this.#tell({ kind: 'revoked', key: name, value: { data: list.data ?? {} } });
      else this.items.delete({ kind: 'revoked', key: name });
    }
  }

  /** As kube-apiserver publishes them (RFC 8414, KEP-1393). */
  async #lookAtKeys(): Promise<void> {
    const { client } = this.#deps;
    const [{ issuer }, { keys }] = await Promise.all([
      client.raw<{ issuer?: string }>('/.well-known/openid-configuration'),
      client.raw<{ keys?: unknown[] }>('/openid/v1/jwks'),
    ]);
    if (issuer !== undefined && keys) this.#tell({ ...tokenKeys, value: { issuer, keys } });
  }
}

/** Without what is undefined, as the other end has it. */
const plain = ({ kind, key, value }: { kind: string; key: string; value: unknown }): Item => ({
  kind,
  key,
  value: JSON.parse(JSON.stringify(value)) as Item['value'],
});
