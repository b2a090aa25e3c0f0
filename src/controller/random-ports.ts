/** Which port a service has that asks for any (`port: 0`): it is said in the status, and stays. */
import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import { exposuresOf } from '../model/exposure.ts';
import { usesGateway } from '../model/gateway.ts';
import { asWritten, randomPortNames, randomPorts, type AssignedPort } from '../model/random-ports.ts';
import { serviceKey, type ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';

export class RandomPorts {
  readonly #services: Pick<ServiceStore, 'all'>;
  readonly #config: Config;
  readonly #isLost: (service: DistributedService, port: number) => boolean;
  /** by service (namespace/name): what was picked, which its status may not say yet */
  readonly #given = new Map<string, readonly AssignedPort[]>();

  /** @param isLost whether the service may not have a port that it claims */
  constructor(
    services: Pick<ServiceStore, 'all' | 'subscribe'>,
    config: Config,
    isLost: (service: DistributedService, port: number) => boolean,
  ) {
    this.#services = services;
    this.#config = config;
    this.#isLost = isLost;
    services.subscribe((before, after) => after === undefined && this.#given.delete(serviceKey(before!)));
  }

  /** The ports of a service, for its status; undefined where it asks for none. A port is missing where all are in use. */
  of(service: DistributedService): AssignedPort[] | undefined {
    const key = serviceKey(service);
    const { spec } = asWritten(service);
    // A plain frp server is asked for no such port (webhooks/distributedservices/ports.ts).
    const names = usesGateway(spec, this.#config) ? randomPortNames(spec) : [];
    if (names.length === 0) {
      this.#given.delete(key);
      return undefined;
    }
    const known = [...(service.status?.ports ?? []), ...(this.#given.get(key) ?? [])];
    let taken: Set<number> | undefined;
    const ports = names.flatMap((name): AssignedPort[] => {
      const own = known.find((each) => each.name === name && isRandom(each.port) && !this.#isLost(service, each.port));
      taken ??= own ? undefined : this.#taken(key);
      const port = own?.port ?? free(`${service.metadata.uid ?? key} ${name ?? ''}`, taken!);
      if (port === undefined) return [];
      taken?.add(port);
      return [{ ...(name !== undefined && { name }), port }];
    });
    this.#given.set(key, ports);
    return ports;
  }

  /** Ports that services have, whether by their user or by this class. */
  #taken(own: string): Set<number> {
    const claimed = [...this.#services.all()].flatMap((service) =>
      exposuresOf(service.spec, this.#config.baseDomain).flatMap((exposure) => ('port' in exposure ? [exposure.port] : [])),
    );
    const given = [...this.#given].flatMap(([key, ports]) => (key === own ? [] : ports.map(({ port }) => port)));
    return new Set([...claimed, ...given]);
  }
}

const isRandom = (port: number): boolean => port >= randomPorts.first && port <= randomPorts.last;

/** A place that the service itself decides: whoever comes to a port that another one has left does not meet the next. */
function free(seed: string, taken: ReadonlySet<number>): number | undefined {
  const start = createHash('sha256').update(seed).digest().readUInt32BE(0);
  for (let step = 0; step < randomPorts.count; step++) {
    const port = randomPorts.first + ((start + step) % randomPorts.count);
    if (!taken.has(port)) return port;
  }
  return undefined;
}
