/**
 * The readiness gate of Pods that asked for it (annotation frp.io/readiness-gate): it opens when each of the Pod's groups
 * has it online, or two minutes after its containers are ready, for an outage of the tunnel must not hold an app back for
 * ever. It is never shut again (KEP-580).
 */
import type { Clock } from '../../../certs/clock.ts';
import { membershipsIn } from '../../frp/proxy-names.ts';
import { Loop } from '../../kube/loop.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreGone } from '../../kube/errors.ts';
import { fieldManager } from '../../kube/managers.ts';
import type { Sink } from '../../kube/reflector.ts';
import { pods, type KubeObject, type Metadata } from '../../kube/types.ts';
import type { Log } from '../../log.ts';
import { registeredGate } from '../../model/names.ts';
import { tellOf, type EventText } from '../../kube/event-recorder.ts';

interface GatedPod extends KubeObject {
  spec?: { readinessGates?: { conditionType: string }[] };
  status?: { phase?: string; conditions?: { type: string; status: string; lastTransitionTime?: string | null }[] };
}

export interface ReadinessGatesDeps {
  client: KubeClient;
  log: Log;
  /** whether a service (namespace/name) has the Pod online */
  isRegistered: (service: string, podUid: string) => boolean;
  clock: Pick<Clock, 'now'>;
}

/** A Pod whose gate is shut. */
interface Waiting {
  metadata: Metadata;
  /** keys of its services */
  services: string[];
  /** when its containers became ready, milliseconds since the epoch; undefined: they are not */
  readyAt: number | undefined;
}

const patienceMs = 120_000;
/** How often to look for Pods whose gate may open. */
const periodMs = 1000;

export class ReadinessGates implements Sink<KubeObject> {
  readonly #deps: ReadinessGatesDeps;
  readonly #waiting = new Map<string, Waiting>();
  readonly #loop = new Loop();

  constructor(deps: ReadinessGatesDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop.start(() => this.look(), periodMs);
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  replace(listed: KubeObject[]): void {
    this.#waiting.clear();
    for (const pod of listed) this.set(pod);
  }

  set(pod: KubeObject): void {
    const waiting = waitingOf(pod);
    if (waiting) this.#waiting.set(keyOf(pod), waiting);
    else this.#waiting.delete(keyOf(pod));
  }

  delete(pod: KubeObject): void {
    this.#waiting.delete(keyOf(pod));
  }

  /** Opens the gates that may open now. A Pod that could not be written is tried again at the next look. */
  async look(): Promise<void> {
    const { isRegistered, clock, log } = this.#deps;
    for (const [key, waiting] of [...this.#waiting]) {
      const { metadata, services, readyAt = Infinity } = waiting;
      const missing = services.filter((service) => !isRegistered(service, metadata.uid ?? ''));
      if (missing.length > 0 && clock.now() - readyAt < patienceMs) continue;
      try {
        await this.#open(metadata, missing);
        // Another Pod of its name, such as a StatefulSet's next one, may wait by now.
        if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
      } catch (error) {
        log.warn({ err: error, pod: key }, 'a readiness gate could not be opened, trying again');
      }
    }
  }

  /** @param missing services that do not have it */
  async #open(metadata: Metadata, missing: readonly string[]): Promise<void> {
    const { client, log, clock } = this.#deps;
    const { namespace = '', name, uid = '' } = metadata;
    const late: EventText = {
      type: 'Warning',
      reason: 'NotRegistered',
      component: 'frp-k8s-controller',
      message: `not registered for ${missing.join(', ')} after ${patienceMs / 1000} s; readiness gate ${registeredGate} is opened all the same, see the logs of its frpc containers`,
    };
    const [reason, message] = missing.length === 0 ? ['Registered', 'every group has the Pod online'] : [late.reason, late.message];
    const time = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const condition = { type: registeredGate, status: 'True', reason, message, lastTransitionTime: time };
    const object = { metadata: { name, namespace, uid } as Metadata, status: { conditions: [condition] } };
    const options = { fieldManager: fieldManager.controller, force: true, subresource: 'status' } as const;
    // Another Pod of the name: its own event puts it here.
    await client.apply(pods, object, options).catch(ignoreGone);
    if (missing.length > 0) await tellOf(client, log, { apiVersion: 'v1', kind: 'Pod', metadata }, [late]);
  }
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`;

function waitingOf({ metadata, spec, status }: GatedPod): Waiting | undefined {
  const isGated = spec?.readinessGates?.some(({ conditionType }) => conditionType === registeredGate) ?? false;
  const conditionOf = (type: string) => status?.conditions?.find((condition) => condition.type === type);
  const isOver = metadata.deletionTimestamp !== undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (!isGated || isOver || conditionOf(registeredGate)?.status === 'True') return undefined;
  const { name, namespace = '', uid = '', resourceVersion = '', annotations = {} } = metadata;
  const texts = Object.entries(annotations).flatMap(([key, text]) => (/^frp\.io\/frpc(-[1-9][0-9]*)?\.json$/.test(key) ? [text] : []));
  const services = new Set(texts.flatMap((text) => membershipsIn(text, namespace)).map(({ service }) => `${namespace}/${service}`));
  const ready = conditionOf('ContainersReady');
  return {
    metadata: { name, namespace, uid, resourceVersion },
    services: [...services],
    readyAt: ready?.status === 'True' ? Date.parse(ready.lastTransitionTime ?? '') || 0 : undefined,
  };
}
