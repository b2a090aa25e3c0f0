/**
 * `spec.expose.clusterService`: for each service that asks for it a Service and EndpointSlices that lead to the gateway's
 * Pods. objects.ts says what is written, ports.ts where it leads, this file writes it.
 */
import type { Config } from '../../config/schema.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isForbidden } from '../../kube/errors.ts';
import { ObjectStore } from '../../kube/object-store.ts';
import { Reflector } from '../../kube/reflector.ts';
import {
  endpointSlices,
  services,
  type ClusterService,
  type EndpointSlice,
  type KubeObject,
  type Metadata,
  type Resource,
} from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { clusterServiceName, servicePortOf, type ServicePort } from '../../model/cluster-service.ts';
import { hasGateway, usesGateway } from '../../model/gateway.ts';
import { keyOf, serviceKey, type ServiceStore } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import { deleteOwned, ensureOwned, type Kind } from '../owned-objects.ts';
import { ownershipOf } from '../ownership.ts';
import type { ClusterServiceOutcome, Problem } from '../problem.ts';
import { GatewayPods } from './gateway-pods.ts';
import { clusterServiceSelector, serviceOf, slicesOf } from './objects.ts';
import { ClusterPorts } from './ports.ts';

export interface ClusterServicesDeps {
  client: KubeClient;
  config: Config;
  log: Log;
  services: ServiceStore;
  /** whether the gateway is in this cluster */
  isGatewayHere: () => boolean;
  /** told of services (namespace/name) that must be reconciled */
  changed: (key: string) => void;
  /** only the installation's namespace is watched */
  ownNamespaceOnly?: boolean | undefined;
}

/** The watches see our own objects only: that somebody else's is gone, or a right is there, a look tells. */
const againMs = 30_000;

export class ClusterServices {
  readonly #deps: ClusterServicesDeps;
  readonly #services: Kind<ClusterService>;
  readonly #slices: Kind<EndpointSlice>;
  readonly #ports: ClusterPorts;
  readonly #pods: GatewayPods | undefined;
  readonly #reflectors: Pick<Reflector<KubeObject>, 'hasSynced' | 'lastError' | 'refresh' | 'close'>[] = [];

  constructor(deps: ClusterServicesDeps) {
    this.#deps = deps;
    const { client, config, log, changed, ownNamespaceOnly } = deps;
    this.#ports = new ClusterPorts(deps.services);
    const scope = ownNamespaceOnly ? { namespace: config.namespace } : {};
    const watched = <T extends KubeObject>(resource: Resource<T>): Kind<T> => {
      const store = new ObjectStore<T>((object) => changed(ownerOf(object.metadata)));
      this.#reflectors.push(new Reflector<T>({ client, log, resource, labelSelector: clusterServiceSelector, sink: store, ...scope }));
      return { resource, store, change: 'merge' };
    };
    this.#services = watched(services);
    this.#slices = watched(endpointSlices);
    if (!hasGateway(config)) return;
    this.#pods = new GatewayPods({ client, log, namespace: config.gateway.namespace, changed: () => this.#podsChanged() });
    this.#reflectors.push(this.#pods.reflector);
  }

  /** Lists anew what is known already. @throws KubeError */
  async refresh(): Promise<void> {
    await Promise.all(this.#reflectors.filter(({ hasSynced }) => hasSynced).map((reflector) => reflector.refresh()));
  }

  async close(): Promise<void> {
    this.#ports.close();
    await Promise.all(this.#reflectors.map((reflector) => reflector.close()));
  }

  /**
   * Makes what the service asks for, or removes it. @param isServed whether the gateway has the service
   * @returns undefined where it asks for nothing @throws KubeError, or Error while the watches begin: try again later
   */
  async reconcile(service: DistributedService, isServed: boolean): Promise<ClusterServiceOutcome | undefined> {
    const isAsked = service.spec.expose?.clusterService !== undefined && service.metadata.deletionTimestamp === undefined;
    if (!isAsked) return this.#remove(service).then(() => undefined);
    const why = this.#impossible(service);
    if (why) {
      await this.#remove(service);
      return { ...why, isReady: false };
    }
    const waiting = this.#reflectors.find(({ hasSynced }) => !hasSynced);
    if (waiting?.lastError && isForbidden(waiting.lastError.cause)) return forbidden(waiting.lastError);
    if (waiting)
      throw new Error(`the Services of the cluster are not known yet: ${waiting.lastError?.message ?? 'the first lists are under way'}`);
    try {
      return await this.#ensure(service, isServed);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      return forbidden(error as Error);
    }
  }

  async #ensure(service: DistributedService, isServed: boolean): Promise<ClusterServiceOutcome> {
    const { config } = this.#deps;
    const name = clusterServiceName(service)!;
    const port = servicePortOf(service.spec, config.baseDomain);
    const gatewayPort = this.#ports.of(service);
    if (gatewayPort === undefined)
      return {
        isReady: false,
        reason: 'NoPortFree',
        message: 'The gateway has no port left for it; remove expose.clusterService of a service that nobody needs',
      };
    const status = { name, port: port.port, gatewayPort };
    // The gateway learns of the port from the status, so nobody is led there before it can know.
    if (service.status?.clusterService?.gatewayPort !== gatewayPort)
      return { isReady: false, reason: 'Preparing', message: `Port ${gatewayPort} of the gateway is being prepared for it`, status };
    const pods = this.#pods?.all() ?? [];
    const slices = slicesOf(service, name, { port, gatewayPort, pods, isServed });
    const taken = await this.#write(service, serviceOf(service, name, port, gatewayPort), slices);
    if (taken) return { isReady: false, ...taken, againMs, status };
    await this.#remove(service, new Set([name, ...slices.map(({ metadata }) => metadata.name)]));
    return judge(service, {
      port,
      name,
      isServed,
      ready: pods.filter(({ isReady, isTerminating }) => isReady && !isTerminating).length,
      status,
    });
  }

  async #write(service: DistributedService, wanted: ClusterService, slices: EndpointSlice[]): Promise<Problem | undefined> {
    const { client } = this.#deps;
    const remedy = 'the service has no name in the cluster; set spec.expose.clusterService.name to another, or delete that one';
    const taken = await ensureOwned(client, service, this.#services, wanted, remedy);
    if (taken) {
      // What leads to somebody else's Service would be that one's traffic.
      await this.#remove(service);
      return taken;
    }
    for (const slice of slices) {
      const problem = await ensureOwned(client, service, this.#slices, slice, remedy);
      if (problem) return problem;
    }
    return undefined;
  }

  /** Everything of the service but these. */
  async #remove(service: DistributedService, keep: ReadonlySet<string> = new Set()): Promise<void> {
    if (keep.size === 0) this.#ports.free(serviceKey(service));
    for (const kind of [this.#slices, this.#services] as Kind<KubeObject>[])
      for (const { metadata } of kind.store.all(service.metadata.namespace ?? ''))
        if (!keep.has(metadata.name) && ownershipOf(metadata, service) === 'ours')
          await deleteOwned(this.#deps.client, service, kind, metadata.name);
  }

  #impossible(service: DistributedService): Problem | undefined {
    const { config } = this.#deps;
    const { spec, metadata } = service;
    if (!usesGateway(spec, config) || spec.serviceType === 'udp')
      return {
        reason: 'GatewayRequired',
        message:
          'A plain frp server has no port for a Service of the cluster; use the gateway (manifests/gateway), or remove spec.expose.clusterService',
      };
    if (!this.#deps.isGatewayHere())
      return {
        reason: 'GatewayElsewhere',
        message:
          'The gateway is not in this cluster; make a Service of your own for backends that are here, let clients use the address that users have, or remove spec.expose.clusterService',
      };
    if (clusterServiceName(service) === undefined)
      return { reason: 'NameInvalid', message: `${metadata.name} is no name for a Service; set spec.expose.clusterService.name` };
    return undefined;
  }

  #podsChanged(): void {
    for (const service of this.#deps.services.all()) if (service.spec.expose?.clusterService) this.#deps.changed(serviceKey(service));
  }
}

/** namespace/name of the service that an object of ours is of. */
const ownerOf = ({ namespace = '', ownerReferences = [] }: Metadata): string => keyOf(namespace, ownerReferences[0]?.name ?? '');

const forbidden = ({ message }: Error): ClusterServiceOutcome => ({
  isReady: false,
  againMs,
  reason: 'Forbidden',
  message: `The controller has no right to Services and EndpointSlices: ${message}; apply manifests/install again`,
});

function judge(
  { metadata }: DistributedService,
  {
    name,
    port,
    isServed,
    ready,
    status,
  }: { name: string; port: ServicePort; isServed: boolean; ready: number; status: ClusterServiceOutcome['status'] },
): ClusterServiceOutcome {
  if (!isServed)
    return {
      isReady: false,
      reason: 'NotServed',
      message: 'The gateway does not serve the service; condition ConfigurationValid says why',
      status,
    };
  if (ready === 0)
    return { isReady: false, reason: 'NoGatewayReady', message: 'No Pod of the gateway is Ready; see StatefulSet frp-gateway', status };
  const message = `${port.name} at ${name}.${metadata.namespace}.svc:${port.port} leads to the gateway, by ${ready === 1 ? '1 Pod' : `${ready} Pods`} of it`;
  return { isReady: true, reason: 'Published', message, status };
}
