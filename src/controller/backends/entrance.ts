/**
 * Where users come in, and where sidecars dial: what can be seen from here of the way to a server beside its own API. The
 * Service for users says which ports are published and at which address; a connection to each address of the gateway says
 * whether it is right.
 */
import { connect } from 'node:net';
import type { Config } from '../../config/schema.ts';
import { pause } from '../../kube/backoff.ts';
import { Loop } from '../../kube/loop.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { services, type ClusterService } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import type { Exposure } from '../../model/exposure.ts';
import { addressText, gatewayAddresses, type GatewayAddress } from '../../model/gateway.ts';
import type { Problem } from '../problem.ts';

/** What keeps users, or sidecars, away. `isPartial`: they have another way. */
export interface EntranceProblem extends Problem {
  isPartial: boolean;
}

export interface EntranceDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  /** something of it has changed */
  changed: () => void;
  periodMs?: number;
}

interface Published {
  namespace: string;
  name: string;
  /** undefined: not known, or not there */
  service: ClusterService | undefined;
  /** others of its namespace that lead to the same Pods: users may have their own beside it */
  beside: readonly ClusterService[];
  reflector: Pick<Reflector<ClusterService>, 'synced' | 'close'>;
}

const periodMs = 10_000;
const timeoutMs = 3000;
/** How long the Services are waited for: without the right to read them nobody ever knows. */
const knownMs = 1000;
/** One connection that fails says nothing yet: a replica may be restarting. */
const failuresUntilTold = 3;

export class Entrance {
  readonly #deps: EntranceDeps;
  readonly #loop = new Loop();
  /** by whether it is the gateway's */
  readonly #published = new Map<boolean, Published>();
  /** failures in a row, and the last one, by address */
  readonly #failures = new Map<string, { count: number; why: string }>();

  constructor(deps: EntranceDeps) {
    this.#deps = deps;
    const { config } = deps;
    const [, name, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\..*)?$/.exec(config.frps.address) ?? [];
    if (name !== undefined) this.#follow(false, namespace!, name);
  }

  /** @param isOwn whether the gateway is in this cluster, with a Service for its users */
  followGateway(isOwn: boolean): void {
    const { namespace, usersService } = this.#deps.config.gateway;
    const known = this.#published.get(true);
    if (isOwn === (known !== undefined) || usersService === '') return;
    if (isOwn) return this.#follow(true, namespace, usersService);
    this.#published.delete(true);
    void known!.reflector.close();
  }

  /** Begins to look at the gateway's addresses. */
  start(): void {
    this.#loop.start(() => this.look(), this.#deps.periodMs ?? periodMs);
  }

  async close(): Promise<void> {
    await Promise.all([this.#loop.close(), ...[...this.#published.values()].map(({ reflector }) => reflector.close())]);
  }

  /** Resolves when the Services are known, or in a while: without the right to read them nothing is said of them. */
  async known(): Promise<void> {
    const all = Promise.all([...this.#published.values()].map(({ reflector }) => reflector.synced));
    await Promise.race([all, pause(knownMs, this.#loop.signal)]);
  }

  /** Where users reach the ports of a server; undefined where nobody says it. */
  addressOf(isGateway: boolean): string | undefined {
    const { gateway, frps } = this.#deps.config;
    const { service, name, namespace, beside = [] } = this.#published.get(isGateway) ?? {};
    const [ingress] = [service, ...beside].flatMap((each) => each?.status?.loadBalancer?.ingress ?? []);
    const inCluster = service && `${name}.${namespace}.svc`;
    return (isGateway ? gateway : frps).publicAddress ?? ingress?.hostname ?? ingress?.ip ?? service?.spec?.externalIPs?.[0] ?? inCluster;
  }

  /** @param isServed a backend of the service is online there @param isNamed it has a name in the cluster (expose.clusterService) */
  problemOf(exposures: readonly Exposure[], isGateway: boolean, isServed: boolean, isNamed = false): EntranceProblem | undefined {
    return this.#unpublished(exposures, isGateway, isNamed) ?? (isGateway ? this.#unreachable(isServed) : undefined);
  }

  #unpublished(exposures: readonly Exposure[], isGateway: boolean, isNamed: boolean): EntranceProblem | undefined {
    const { service, name, namespace, beside = [] } = this.#published.get(isGateway) ?? {};
    if (!service) return undefined;
    const published = [service, ...beside].flatMap(({ spec }) => spec?.ports ?? []);
    const ports = new Set(published.map(({ port, protocol = 'TCP' }) => `${protocol} ${port}`));
    const missing = exposures.flatMap((exposure) => {
      if (!('port' in exposure)) return [];
      const protocol = exposure.kind === 'udp' ? 'UDP' : 'TCP';
      return ports.has(`${protocol} ${exposure.port}`) ? [] : [{ kind: exposure.kind, port: exposure.port, protocol }];
    });
    const [first] = missing;
    if (!first) return undefined;
    const entries = missing.map(({ kind, port, protocol }) => ({ name: `${kind}-${port}`, port, protocol, targetPort: port }));
    const patch = JSON.stringify(entries.map((value) => ({ op: 'add', path: '/spec/ports/-', value })));
    const [are, them] = missing.length === 1 ? ['port', 'it'] : ['ports', 'them'];
    const message =
      `${first.protocol} ${are} ${missing.map(({ port }) => port).join(', ')} ${missing.length === 1 ? 'is' : 'are'} not among the ports of Service ${namespace}/${name}, ` +
      `so users ${isNamed ? 'outside the cluster ' : ''}do not reach ${them}; ` +
      `add ${them} to ${whereItIsWritten(service, isGateway)}, or now: kubectl -n ${namespace} patch service ${name} --type=json -p '${patch}'`;
    return { reason: 'PortNotPublished', message, isPartial: isNamed };
  }

  #unreachable(isServed: boolean): EntranceProblem | undefined {
    const addresses = gatewayAddresses(this.#deps.config);
    const bad = addresses.flatMap((address) => {
      const { count = 0, why = '' } = this.#failures.get(addressText(address)) ?? {};
      return count >= failuresUntilTold ? [`${addressText(address)} ${why}`] : [];
    });
    if (bad.length === 0) return undefined;
    const message = `sidecars dial gateway address ${bad.join(' and ')}; correct gateway.addresses of the configuration, or mend what it leads to`;
    return { reason: 'AddressUnreachable', message, isPartial: isServed || bad.length < addresses.length };
  }

  #follow(isGateway: boolean, namespace: string, name: string): void {
    const { client, log, changed } = this.#deps;
    const all = new Map<string, ClusterService>();
    const look = () => {
      published.service = all.get(name);
      published.beside = [...all.values()].filter((each) => published.service && isBeside(each, published.service));
      changed();
    };
    const published: Published = {
      namespace,
      name,
      service: undefined,
      beside: [],
      reflector: new Reflector<ClusterService>({
        client,
        log,
        resource: services,
        namespace,
        sink: {
          replace: (objects) => {
            all.clear();
            for (const each of objects) all.set(each.metadata.name, each);
            look();
          },
          set: (object) => {
            all.set(object.metadata.name, object);
            look();
          },
          delete: (object) => {
            all.delete(object.metadata.name);
            look();
          },
        },
      }),
    };
    this.#published.set(isGateway, published);
  }

  /** Tries each address once. */
  async look(): Promise<void> {
    const before = JSON.stringify(this.#unreachable(false));
    await Promise.all(
      gatewayAddresses(this.#deps.config).map(async (address) => {
        const why = await tryToConnect(address, this.#loop.signal);
        const count = why === undefined ? 0 : (this.#failures.get(addressText(address))?.count ?? 0) + 1;
        this.#failures.set(addressText(address), { count, why: why ?? '' });
      }),
    );
    if (JSON.stringify(this.#unreachable(false)) !== before && !this.#loop.signal.aborted) this.#deps.changed();
  }
}

/** Whether it leads to the same Pods. */
function isBeside({ metadata, spec }: ClusterService, { metadata: own, spec: its }: ClusterService): boolean {
  const selector = Object.entries(spec?.selector ?? {});
  const isHeadless = spec?.clusterIPs?.includes('None') === true;
  return (
    metadata.name !== own.name && !isHeadless && selector.length > 0 && selector.every(([key, value]) => its?.selector?.[key] === value)
  );
}

/** Helm writes its name on all that it makes. */
const whereItIsWritten = ({ metadata }: ClusterService, isGateway: boolean): string =>
  metadata.labels?.['app.kubernetes.io/managed-by'] === 'Helm'
    ? `${isGateway ? 'gateway.service' : 'frpServer'}.ports of the chart's values`
    : 'the manifest of that Service';

/** @returns why not; undefined where somebody takes the connection */
function tryToConnect({ host, port }: GatewayAddress, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    const end = (why: string | undefined) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(timeoutMs, () => end(`does not answer in ${timeoutMs / 1000} s`));
    socket.on('connect', () => end(undefined));
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      const isName = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
      end(isName ? `does not resolve (${code})` : `does not answer (${code ?? message})`);
    });
  });
}
