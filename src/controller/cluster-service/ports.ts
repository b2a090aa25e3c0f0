/** Which port of the gateway's Pods leads to which service: each has one for itself, and keeps it. */
import { createHash } from 'node:crypto';
import { clusterPorts, isClusterPort } from '../../model/cluster-service.ts';
import { serviceKey, type ServiceStore } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';

export class ClusterPorts {
  readonly #services: Pick<ServiceStore, 'byKey'>;
  /** services (namespace/name) by the port that their status has, or that they were given; the first one has it */
  readonly #holders = new Map<number, Set<string>>();
  /** ports of a service: what its status has, and what it was given */
  readonly #ports = new Map<string, { stated: number | undefined; given: number | undefined }>();
  readonly #unsubscribe: () => void;

  constructor(services: Pick<ServiceStore, 'all' | 'byKey' | 'subscribe'>) {
    this.#services = services;
    for (const service of services.all()) this.#state(serviceKey(service), service);
    this.#unsubscribe = services.subscribe((before, after) => this.#state(serviceKey((after ?? before)!), after));
  }

  close(): void {
    this.#unsubscribe();
  }

  /** The port of a service. undefined where all are in use. */
  of(service: DistributedService): number | undefined {
    const key = serviceKey(service);
    const { stated, given } = this.#ports.get(key) ?? {};
    if (stated !== undefined && this.#oldest(stated) === key) return stated;
    if (given !== undefined && this.#oldest(given) === key) return given;
    const chosen = this.#free(service.metadata.uid ?? key);
    if (chosen !== undefined) this.#change(key, { stated, given: chosen });
    return chosen;
  }

  /** The service needs none any more. */
  free(key: string): void {
    const { stated } = this.#ports.get(key) ?? {};
    this.#change(key, { stated, given: undefined });
  }

  /** A place that the service itself decides: whoever comes to a port that another one has left does not meet the next. */
  #free(seed: string): number | undefined {
    const start = createHash('sha256').update(seed).digest().readUInt32BE(0);
    for (let step = 0; step < clusterPorts.count; step++) {
      const port = clusterPorts.first + ((start + step) % clusterPorts.count);
      if (!this.#holders.has(port)) return port;
    }
    return undefined;
  }

  /** Of several that have the port by mistake, one keeps it. */
  #oldest(port: number): string | undefined {
    const createdOf = (key: string) => this.#services.byKey(key)?.metadata.creationTimestamp ?? '';
    return [...(this.#holders.get(port) ?? [])].sort((a, b) => compare(createdOf(a), createdOf(b)) || compare(a, b))[0];
  }

  #state(key: string, service: DistributedService | undefined): void {
    const port = service?.status?.clusterService?.gatewayPort;
    const stated = port !== undefined && isClusterPort(port) ? port : undefined;
    const given = service === undefined ? undefined : this.#ports.get(key)?.given;
    this.#change(key, { stated, given });
  }

  #change(key: string, { stated, given }: { stated: number | undefined; given: number | undefined }): void {
    const before = this.#ports.get(key);
    for (const port of [before?.stated, before?.given]) {
      const holders = port === undefined ? undefined : this.#holders.get(port);
      if (holders?.delete(key) && holders.size === 0) this.#holders.delete(port!);
    }
    if (stated === undefined && given === undefined) return void this.#ports.delete(key);
    this.#ports.set(key, { stated, given });
    for (const port of [stated, given]) if (port !== undefined) this.#holders.set(port, (this.#holders.get(port) ?? new Set()).add(key));
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
