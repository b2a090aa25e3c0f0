/** Pods that a service's selector matches and that have no sidecar of its group: one watch for each such service. */
import { groupsIn } from '../../../webhooks/pods/sidecar.ts';
import { portOf } from '../../../webhooks/pods/port.ts';
import { shapeError, type CheckedPod } from '../../../webhooks/pods/pod.ts';
import { Denial } from '../../../webhooks/pods/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { pods, type KubeObject } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { label, manager } from '../../model/names.ts';
import { serviceKey } from '../../model/store.ts';
import type { DistributedService, DistributedServiceSpec } from '../../model/types.ts';
import type { Endpoint } from '../../frp/connector-config.ts';

type Selector = NonNullable<NonNullable<DistributedServiceSpec['backends']['discovery']>['selector']>;

interface SelectedPod extends KubeObject {
  spec: CheckedPod['spec'];
  status?: { podIP?: string; conditions?: { type: string; status: string }[] };
}

export interface Selected {
  /** false until the first list: nothing can be said yet */
  known: boolean;
  /** whether there are Pods without a sidecar, Ready or not */
  any: boolean;
  endpoints: (Endpoint & { name: string })[];
  problems: string[];
}

interface Watch {
  selector: string;
  reflector: Reflector<SelectedPod>;
  pods: Map<string, SelectedPod>;
}

export class SelectedPods {
  readonly #deps: { client: KubeClient; log: Log; changed: (key: string) => void };
  readonly #watches = new Map<string, Watch>();
  readonly #closing = new Set<Promise<void>>();

  constructor(deps: { client: KubeClient; log: Log; changed: (key: string) => void }) {
    this.#deps = deps;
  }

  /** Begins to watch where it does not yet. */
  select(service: DistributedService, selector: Selector): Selected {
    const watch = this.#watchOf(service, selectorText(selector));
    const found: Selected = { known: watch.reflector.hasSynced, any: false, endpoints: [], problems: [] };
    for (const pod of watch.pods.values()) {
      if (isOurs(pod) || hasSidecarOf(pod, service)) continue;
      found.any = true;
      if (!isReady(pod)) continue;
      try {
        const port = portOf(pod, service, { ports: new Map() });
        found.endpoints.push({ address: pod.status!.podIP!, port, name: pod.metadata.name });
      } catch (error) {
        if (!(error instanceof Denial)) throw error;
        found.problems.push(`Pod ${pod.metadata.name}: ${error.message}`);
      }
    }
    return found;
  }

  /** Ends the watch of a service (namespace/name). */
  forget(key: string): void {
    const watch = this.#watches.get(key);
    if (!watch) return;
    this.#watches.delete(key);
    const closing = watch.reflector.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async close(): Promise<void> {
    for (const key of [...this.#watches.keys()]) this.forget(key);
    await Promise.all(this.#closing);
  }

  #watchOf(service: DistributedService, selector: string): Watch {
    const key = serviceKey(service);
    const known = this.#watches.get(key);
    if (known?.selector === selector) return known;
    this.forget(key);
    const { client, log, changed } = this.#deps;
    const found = new Map<string, SelectedPod>();
    const sink = {
      replace: (listed: SelectedPod[]) => {
        found.clear();
        for (const pod of listed) found.set(pod.metadata.name, pod);
        // After the list counts as known.
        setImmediate(() => changed(key));
      },
      set: (pod: SelectedPod) => {
        found.set(pod.metadata.name, pod);
        changed(key);
      },
      delete: (pod: SelectedPod) => {
        found.delete(pod.metadata.name);
        changed(key);
      },
    };
    const options = { client, log, resource: pods as never, namespace: service.metadata.namespace ?? '', labelSelector: selector };
    const watch: Watch = { selector, pods: found, reflector: new Reflector<SelectedPod>({ ...options, sink }) };
    this.#watches.set(key, watch);
    return watch;
  }
}

/** As the API server takes it in a query (k8s.io/apimachinery/pkg/labels). */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: Selector): string {
  const expression = ({ key, operator, values = [] }: (typeof matchExpressions)[number]): string => {
    switch (operator) {
      case 'In':
        return `${key} in (${values.join(',')})`;
      case 'NotIn':
        return `${key} notin (${values.join(',')})`;
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
    }
  };
  return [...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`), ...matchExpressions.map(expression)].join(',');
}

/** A selector such as `!tier` matches connectors too. */
const isOurs = ({ metadata }: SelectedPod): boolean => metadata.labels?.[label.managedBy] === manager;

/** By its shape: the annotation and the label are for people, and prove nothing. */
const hasSidecarOf = ({ spec }: SelectedPod, { metadata }: DistributedService): boolean =>
  (spec.initContainers ?? []).some((container) => groupsIn(container).has(metadata.name));

const isReady = (pod: SelectedPod): boolean =>
  shapeError(pod) === undefined &&
  pod.metadata.deletionTimestamp === undefined &&
  pod.status?.podIP !== undefined &&
  (pod.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
