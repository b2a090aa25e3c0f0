/** The controller's metrics, with the seeds' names and help texts (R5.14). */
import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client';
import { KubeError } from '../kube/errors.ts';
import { statusSchema } from '../model/schema.ts';
import type { DistributedService } from '../model/types.ts';
import type { Judgement } from './backends/health.ts';

const states = statusSchema.properties.state.enum;
const healthStates = ['healthy', 'partial', 'unhealthy'] as const;

type OutdatedLabels = Record<'namespace' | 'name' | 'pod', string>;

export interface MetricsSources {
  services: () => Iterable<DistributedService>;
  /** Replicas that stand by know the same services: they tell nothing of them, so that a sum over all replicas is true. */
  isLeading?: () => boolean;
  /** requests to the API server so far, by method */
  requests?: ReadonlyMap<string, number>;
}

export class ControllerMetrics {
  readonly #duration: Histogram;
  readonly #errors: Counter<'error_type'>;
  /** of the links to gateways elsewhere */
  readonly links: Gauge<'gateway'>;
  /** outdated Pods, by the text of their labels */
  readonly #outdated = new Map<string, OutdatedLabels>();
  readonly #backends: Gauge<'namespace' | 'name' | 'state'>;
  readonly #unregistered: Gauge<'namespace' | 'name'>;

  constructor(registry: Registry, { services, isLeading = () => true, requests = new Map() }: MetricsSources) {
    const registers = [registry];
    this.#duration = new Histogram({
      name: 'frp_operator_reconcile_duration_seconds',
      help: 'Time spent in reconcile loop',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    });
    this.#errors = new Counter({
      name: 'frp_operator_reconcile_errors_total',
      help: 'Total reconcile errors',
      labelNames: ['error_type'],
      registers,
    });
    this.links = new Gauge({
      name: 'frp_operator_gateway_link_up',
      help: 'Whether the link to a gateway elsewhere is up, 1 or 0, by the first address of the gateway; only the leader holds it',
      labelNames: ['gateway'],
      registers,
    });
    const managed: Gauge<'state'> = new Gauge({
      name: 'frp_operator_managed_services',
      help: 'Number of managed services',
      labelNames: ['state'],
      registers,
      collect: () => {
        managed.reset();
        if (!isLeading()) return;
        const counts = new Map<string, number>(states.map((state) => [state, 0]));
        for (const { status } of services()) counts.set(status?.state ?? 'Pending', (counts.get(status?.state ?? 'Pending') ?? 0) + 1);
        for (const [state, count] of counts) managed.set({ state }, count);
      },
    });
    const sent: Counter<'method'> = new Counter({
      name: 'frp_operator_api_requests_total',
      help: 'Requests to the Kubernetes API server, without watches',
      labelNames: ['method'],
      registers,
      collect: () => {
        sent.reset();
        for (const [method, count] of requests) sent.inc({ method }, count);
      },
    });
    this.#backends = new Gauge({
      name: 'frp_distributed_service_backends',
      help: 'Backends of a service by health (partial: users have it at some of its ports or hosts); none while the frp server cannot be asked',
      labelNames: ['namespace', 'name', 'state'],
      registers,
    });
    this.#unregistered = new Gauge({
      name: 'frp_distributed_service_unregistered_backends',
      help: 'Backends that the frp server or the gateway does not have, although they had the time to come or were turned away',
      labelNames: ['namespace', 'name'],
      registers,
    });
    const outdated: Gauge<keyof OutdatedLabels> = new Gauge({
      name: 'frp_distributed_service_outdated_pods',
      help: 'Pods whose sidecar was configured by an older version of the service; they take the change when they restart',
      labelNames: ['namespace', 'name', 'pod'],
      registers,
      collect: () => {
        outdated.reset();
        if (isLeading()) for (const labels of this.#outdated.values()) outdated.set({ ...labels }, 1);
      },
    });
  }

  /** Times `work`, and counts what it throws. */
  async timed(work: () => Promise<void>): Promise<void> {
    const end = this.#duration.startTimer();
    try {
      await work();
    } catch (error) {
      this.#errors.inc({ error_type: error instanceof KubeError ? error.reason : (error as Error).name });
      throw error;
    } finally {
      end();
    }
  }

  /** @param name of the service */
  setOutdated(namespace: string, name: string, pod: string, isOutdated: boolean): void {
    const key = `${namespace}/${name}/${pod}`;
    if (isOutdated) this.#outdated.set(key, { namespace, name, pod });
    else this.#outdated.delete(key);
  }

  /** @param judged undefined while health is not known (R2.47) */
  setBackends(
    { namespace = '', name }: { namespace?: string; name: string },
    judged: Pick<Judgement, (typeof healthStates)[number] | 'backends'> | undefined,
  ): void {
    if (!judged) return this.forget(namespace, name);
    for (const state of healthStates) this.#backends.set({ namespace, name, state }, judged[state]);
    this.#unregistered.set({ namespace, name }, judged.backends.filter(({ isUnregistered }) => isUnregistered).length);
  }

  /** The service is gone: its series go too. */
  forget(namespace: string, name: string): void {
    for (const state of healthStates) this.#backends.remove({ namespace, name, state });
    this.#unregistered.remove({ namespace, name });
  }
}
