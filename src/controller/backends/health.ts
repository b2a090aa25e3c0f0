/** The backends of a service and their health: Pods and connectors say who they are, the frp server says who is online. */

/** One backend. `id` is the last part of its proxies' names on the frp server. */
export interface Backend {
  id: string;
  /** the same of further connector Pods that serve it: one of them is enough */
  also?: string[];
  /** for people: of the Pod or the endpoint */
  name: string;
  address: string;
  port: number;
  /** what its proxies are for, as it was configured (frp/parts.ts); absent: not known */
  parts?: readonly string[];
  /** how many proxies it must have online; absent: every one that it has, and one at least */
  proxies?: number;
  /** until then (milliseconds since the epoch) a backend that was never online is starting, and not unhealthy */
  startsUntil?: number;
  /** why Kubernetes cannot start it, in its own words: `container frpc: ImagePullBackOff: …` */
  problem?: string;
  /** what it goes to, whatever the service says by now; absent: what its service goes through */
  isGateway?: boolean;
  /** the sidecar that joins, where it is not `frpc` */
  container?: string;
  /** what makes and restarts it, as kubectl names it: `deployment/web` */
  workload?: string;
}

/**
 * `partial`: users have it at some of their ports or hosts, and not at all of them. `starting`: not all online so far, and not for
 * too long. A further member of a udp service is `standby`: frp serves one at each port.
 */
export type Health = 'healthy' | 'partial' | 'unhealthy' | 'starting' | 'standby';

export interface JudgedBackend extends Backend {
  health: Health;
  /** why it is not healthy, where that is known: `GET /health answered 404` */
  reason?: string;
  /** the gateway turns it away, for that reason */
  isRefused?: true;
  /** unhealthy because the frp server does not have it at all */
  isUnregistered?: true;
}

export interface Judgement {
  backends: JudgedBackend[];
  healthy: number;
  partial: number;
  unhealthy: number;
  /** when to judge again though nothing changes */
  again: number;
}

export interface Judge {
  now: number;
  /** frp has no groups for udp: one member holds a port, the others wait for it */
  isUdp: boolean;
  /** what the frp server has of a backend */
  countsOf: (id: string, backend: Backend) => ProxyCounts | undefined;
  /** backends that are not registered get this long: the frp server has just come back */
  graceUntil: number;
}

/** Backends in the order of their names, so that the same facts always give the same answer. */
export function judge(backends: readonly Backend[], { now, isUdp, countsOf, graceUntil }: Judge): Judgement {
  let again = Infinity;
  const judgeOne = (backend: Backend): JudgedBackend => {
    const { proxies, also = [], problem } = backend;
    const found = [backend.id, ...also].flatMap((id) => countsOf(id, backend) ?? []);
    // Where it is known how many there must be, those of an earlier exposure, which stay listed as offline, do not count.
    if (found.some(({ online, offline }) => online > 0 && (proxies === undefined ? offline === 0 : online >= proxies)))
      return { ...backend, health: 'healthy' };
    const reason = problem ?? found.find((counts) => counts.reason !== undefined)?.reason;
    const isRefused = found.some((counts) => counts.isRefused);
    const because = { ...(reason !== undefined && { reason }), ...(isRefused && { isRefused }) };
    const isUnregistered = isRefused || !found.some(({ online, offline }) => online + offline > 0);
    const hasFailed = problem !== undefined || isRefused || found.some(({ offline, hasServed = true }) => offline > 0 && hasServed);
    const until = Math.max(backend.startsUntil ?? 0, graceUntil);
    if (hasFailed || until <= now) {
      const serves = found.some(({ online }) => online > 0);
      const health = serves ? (isUdp ? 'healthy' : 'partial') : 'unhealthy';
      return { ...backend, health, ...because, ...(isUnregistered && { isUnregistered }) };
    }
    again = Math.min(again, until);
    return { ...backend, health: 'starting', ...because };
  };
  const judged = backends.map(judgeOne).sort(byName);
  const serves = judged.some(({ health }) => health === 'healthy');
  for (const backend of judged) if (isUdp && serves && backend.health === 'unhealthy') backend.health = 'standby';
  const count = (wanted: Health) => judged.filter(({ health }) => health === wanted).length;
  return { backends: judged, healthy: count('healthy'), partial: count('partial'), unhealthy: count('unhealthy'), again };
}

/** How many backends users have. */
export const serving = ({ healthy, partial }: Pick<Judgement, 'healthy' | 'partial'>): number => healthy + partial;

/** Whether users have it, at one address at least. */
export const isServing = ({ health }: Pick<JudgedBackend, 'health'>): boolean => health === 'healthy' || health === 'partial';

const byName = (a: Backend, b: Backend): number => compare(a.name, b.name) || compare(a.id, b.id);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export interface PartState {
  isOnline: boolean;
  /** why it is not, as the gateway says */
  reason?: string | undefined;
}

/** Proxies of one backend. A client that has gone, or failed its health check, leaves its proxies offline. */
export interface ProxyCounts {
  online: number;
  offline: number;
  /** by what each is for (frp/parts.ts) */
  parts?: Record<string, PartState>;
  /** cluster/Pod of a backend in another cluster, which only the gateway knows (gateway/api/proxy-status.ts) */
  elsewhere?: string;
  /** why it is offline, as the gateway says; a plain frp server does not */
  reason?: string;
  /** the gateway turns its Pod away, for the reason */
  isRefused?: true | undefined;
  /** it says that it is the primary (spec.backends.readWrite) */
  isPrimary?: true | undefined;
  /** whether it has been online; absent: it has, or nothing speaks against it */
  hasServed?: boolean;
}
