/** The backend section of a service: who may pass, how requests are spread, and how failures are met. */
import { accessOf } from './access.ts';
import { checkLines } from './checks.ts';
import { idleTime } from './frontends.ts';
import { peersName } from './global.ts';
import { duration, type Served } from './served.ts';
import { rateLimits } from './rate-limits.ts';
import { serverOptions } from './servers.ts';
import { waitForTables } from './tables.ts';
import type { UsersSettings } from './types.ts';

interface Context {
  /** services whose routes lead here, itself among them */
  entries: readonly Served[];
  settings: UsersSettings;
  problems: string[];
}

export interface BackendSection {
  name: string;
  /** without the servers */
  lines: readonly string[];
  files: ReadonlyMap<string, string>;
}

export function backendSection(served: Served, { settings, entries, problems }: Context): BackendSection {
  const access = accessOf(served, entries, settings);
  const limits = rateLimits(served, entries, settings);
  problems.push(...access.problems);
  const lines = [
    `mode ${served.mode}`,
    ...(limits.lines.length > 0 || isBoundByAddress(served) ? waitForTables(served.mode) : []),
    ...limits.lines,
    ...access.lines,
    ...balanceLines(served),
    ...affinityLines(served),
    ...(served.mode === 'http' ? httpLines(served) : tcpLines(served)),
    ...checkLines(served, settings.directory),
  ];
  return {
    name: served.backend,
    lines: [
      `# ${served.key.replace(/[^A-Za-z0-9./_-]/g, '_')}`,
      `backend ${served.backend}`,
      `  # each server: ${serverOptions(served)}`,
      ...lines.map((line) => `  ${line}`),
    ],
    files: access.files,
  };
}

function balanceLines({ spec }: Served): string[] {
  switch (spec.loadBalancing?.algorithm ?? 'random') {
    case 'random':
      return ['balance random'];
    case 'round-robin':
    case 'weighted':
      return ['balance roundrobin'];
    case 'least-conn':
      return ['balance leastconn'];
    case 'ip-hash':
      return ['balance source', 'hash-type consistent djb2 avalanche'];
  }
}

const isBoundByAddress = ({ spec }: Pick<Served, 'spec'>): boolean =>
  spec.serviceType !== 'http' && spec.loadBalancing?.sessionAffinity?.enabled === true;

/**
 * For http the cookie names the server, and servers are named the same on every replica: nothing has to be remembered, so
 * a reload, a crash or another replica changes nothing. Other clients are known by their address, in a table.
 */
function affinityLines({ spec }: Served): string[] {
  const affinity = spec.loadBalancing?.sessionAffinity;
  if (!affinity?.enabled) return [];
  const life = Math.max(1, Math.round(duration(affinity.timeout, '1h') / 1000));
  if (isBoundByAddress({ spec })) return [`stick-table type ipv6 size 100k expire ${life}s peers ${peersName}`, 'stick on src'];
  const cookie = (affinity.cookieName || 'frp-session').replace(/[^A-Za-z0-9_.-]/g, '_');
  return [
    `http-request set-var(txn.session) req.cook(${cookie})`,
    // A server that is down, in maintenance or unknown is passed over.
    'use-server %[var(txn.session)] if { var(txn.session) -m found }',
    'http-response set-var(txn.server) srv_name',
    `http-response add-header Set-Cookie "${cookie}=%[srv_name]; Path=/; Max-Age=${life}; HttpOnly; SameSite=Lax" if !{ var(txn.session),strcmp(txn.server) eq 0 }`,
  ];
}

const tcpLines = (served: Served): string[] => [...retryLines(served), 'timeout server 86400s'];

function httpLines(served: Served): string[] {
  return [...retryLines(served), `timeout server ${idleTime(served)}ms`, 'http-reuse safe', ...compressionLines(served)];
}

/** A request that no backend has received is always sent again; one that was, if that can do no harm (RFC 9110, 9.2.2). */
function retryLines({ spec, mode }: Served): string[] {
  const retry = spec.advanced?.retry;
  const retries = retry?.enabled === false ? 0 : Math.max(0, (retry?.maxAttempts ?? 3) - 1);
  if (retries === 0) return ['retries 0'];
  const lines = [`retries ${retries}`, 'option redispatch 1'];
  if (mode === 'tcp') return lines;
  return [
    ...lines,
    'retry-on conn-failure empty-response response-timeout',
    ...(retry?.nonIdempotent ? [] : ['http-request disable-l7-retry if !{ method GET HEAD OPTIONS TRACE PUT DELETE }']),
  ];
}

const compressionLines = ({ spec, isGrpc }: Served): string[] =>
  spec.advanced?.compression && !isGrpc
    ? [
        'compression algo gzip',
        'compression type text/html text/plain text/css text/csv text/xml text/javascript application/javascript application/json application/xml image/svg+xml',
      ]
    : [];
