/** The servers of a backend: weights, and the arguments that `server` lines and `add server` have in common. */
import type { BackendServer } from '../../ir/ir.ts';
import { type ServiceConfig, duration } from './service-config.ts';
import { checkKind } from './health-checks.ts';
import { safeName, serverNumbers } from './names.ts';
import type { Server } from './rendered.ts';

/**
 * Weight where all are equal. On the ring of `random` and `ip-hash` a server has 16 points for each unit of weight: 64
 * makes the shares of the ring even to some 3 %, and costs 50 KB a server.
 */
const equalWeight = 64;
const maxWeight = 256;

/** @returns servers in the order of their names, each once: of two with one name the later one, which is the newer tunnel */
export function serversOf(service: ServiceConfig, given: readonly BackendServer[]): Server[] {
  const { spec } = service;
  const options = serverOptions(service);
  const isChecked = service.role !== undefined || checkKind(spec) !== 'none';
  const backends = new Map(given.map((backend) => [safeName(backend.name), backend]));
  const weightOf = weights(service, backends.values());
  const placeOf = (name: string, { place }: BackendServer) => place ?? name;
  const numbers = serverNumbers([...backends].map(([name, backend]) => placeOf(name, backend)));
  return [...backends]
    .map(([name, backend]): Server => ({
      name,
      port: backend.port,
      rolePort: backend.rolePort,
      weight: weightOf(backend.weight),
      isDraining: backend.isDraining,
      drainState: spec.loadBalancing?.sessionAffinity?.enabled ? 'maint' : 'drain',
      isChecked,
      options: `id ${numbers.get(placeOf(name, backend))} ${options}`,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Weights count for `weighted` alone: in parts of 256 of the highest, at least 1. */
function weights({ spec }: ServiceConfig, backends: Iterable<BackendServer>): (weight: number) => number {
  if (spec.loadBalancing?.algorithm !== 'weighted') return () => equalWeight;
  const highest = [...backends].reduce((most, { weight }) => Math.max(most, weight), 1);
  return (weight) => Math.min(maxWeight, Math.max(1, Math.round((maxWeight * weight) / highest)));
}

type ConnectionPool = NonNullable<NonNullable<ServiceConfig['spec']['advanced']>['connectionPool']>;

/** What the servers of a service have in common. */
export function serverOptions({ spec, mode, isGrpc, role }: ServiceConfig): string {
  const { expose, advanced } = spec;
  const pool = advanced?.connectionPool;
  return [
    expose?.proxyProtocol === 'v1' ? 'send-proxy' : undefined,
    expose?.proxyProtocol === 'v2' ? 'send-proxy-v2' : undefined,
    isGrpc ? 'proto h2' : undefined,
    mode === 'http' ? poolOptions(pool) : undefined,
    role === undefined ? checkOptions(spec) : roleOptions(spec),
  ]
    .filter((option) => option !== undefined)
    .join(' ');
}

/** HAProxy's own defaults too: of a server that is added while it runs, HAProxy 2.6 would keep no idle connection without them. */
function poolOptions(pool: ConnectionPool | undefined): string {
  if (!pool) return 'pool-max-conn -1 pool-purge-delay 5s';
  if (pool.enabled === false) return 'pool-max-conn 0';
  return `pool-max-conn ${pool.size ?? 5} pool-purge-delay ${duration(pool.idleTimeout, '90s')}ms`;
}

/**
 * A server that is out is looked at every second, at most `interval`: so a new one, which is out until its first
 * success, is in within a second; `interval` and the thresholds count from there on.
 */
function checkOptions(spec: ServiceConfig['spec']): string | undefined {
  const check = spec.loadBalancing?.healthCheck;
  const kind = checkKind(spec);
  if (kind === 'none') return undefined;
  const interval = Math.max(100, duration(check?.interval, '10s'));
  return [
    `check inter ${interval}ms fastinter ${interval}ms downinter ${Math.min(interval, 1000)}ms`,
    `rise ${check?.successThreshold ?? 1} fall ${check?.failureThreshold ?? 3}`,
    kind === 'https' ? 'check-ssl verify none' : undefined,
    spec.expose?.proxyProtocol !== undefined && kind !== 'tcp' ? 'check-send-proxy' : undefined,
  ]
    .filter((option) => option !== undefined)
    .join(' ');
}

/**
 * After a first failure it is looked at every second: who has lost its role is to have no users of it. Their connections end
 * with it, because on a primary that is one no more they would go on for good.
 */
function roleOptions({ loadBalancing }: ServiceConfig['spec']): string {
  const check = loadBalancing?.healthCheck;
  const interval = Math.max(100, duration(check?.interval, '10s'));
  const soon = Math.min(interval, 1000);
  return [
    `check inter ${interval}ms fastinter ${soon}ms downinter ${soon}ms`,
    `rise ${check?.successThreshold ?? 1} fall ${check?.failureThreshold ?? 3}`,
    'on-marked-down shutdown-sessions',
  ].join(' ');
}

/** The line of a server in the file, which is enough to come back to it after a crash. */
export const serverLine = ({ name, port, weight, isDraining, drainState, options }: Server): string =>
  `  server ${name} 127.0.0.1:${port} weight ${isDraining && drainState === 'drain' ? 0 : weight} ${options}${isDraining && drainState === 'maint' ? ' disabled' : ''}`;
