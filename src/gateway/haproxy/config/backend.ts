/** The sections of a service: who may pass, how requests are spread, and how failures are met. */
import { milliseconds } from '../../../config/schema.ts';
import { requestHeaderLines, responseHeaderLines } from './app-headers.ts';
import { accessOf } from './authentication.ts';
import { corsRules } from './cors.ts';
import { checkLines } from './health-checks.ts';
import { failoverLines } from './failover.ts';
import { peersName } from './global.ts';
import { duration, idleTime, type ServiceConfig } from './service-config.ts';
import { rateLimits } from './rate-limits.ts';
import { servedLines } from './request-lines.ts';
import { serverOptions } from './servers.ts';
import { waitForTables } from './stick-tables.ts';
import { always, attemptsOf, unservedLines } from './unserved.ts';
import type { UsersSettings } from './rendered.ts';

interface Context {
  /** services whose routes lead here, itself among them */
  entries: readonly ServiceConfig[];
  settings: UsersSettings;
}

export interface BackendSection {
  /** the section before it, of http only (failover.ts) */
  entrance: readonly string[];
  name: string;
  /** without the servers */
  lines: readonly string[];
  files: ReadonlyMap<string, string>;
  problems: readonly string[];
}

export function backendSection(service: ServiceConfig, { settings, entries }: Context): BackendSection {
  const access = accessOf(service, entries);
  const { mode, backend, pool } = service;
  const limits = rateLimits(service, entries, settings).lines;
  const cors = corsRules(entries);
  const rules = [...cors.deciding, ...limits, ...cors.answering, ...access.lines];
  const isLimited = limits.length > 0;
  const knowing = (needsTables: boolean, then: readonly string[]) => (needsTables ? [...waitForTables(mode), ...then] : then);
  const lines = [
    ...balanceLines(service),
    ...(mode === 'http' ? responseHeaderLines(service) : []),
    ...affinityLines(service),
    // The cookie that binds a user to a server may be one that the app is not to see.
    ...(mode === 'http' ? requestHeaderLines(service) : []),
    ...(mode === 'http' ? [...httpLines(service), ...servedLines(settings)] : tcpLines(service)),
    ...checkLines(service, settings.directory),
  ];
  const name = `# ${service.key.replace(/[^A-Za-z0-9./_-]/g, '_')}`;
  const section = (title: string, body: readonly string[]) => [
    name,
    `backend ${title}`,
    `  mode ${mode}`,
    ...inOrder(body).map((line) => `  ${line}`),
  ];
  return {
    entrance: mode === 'http' ? section(backend, [...knowing(isLimited, rules), ...failoverLines(service, settings)]) : [],
    name: pool,
    lines: section(pool, [
      `# each server: ${serverOptions(service)}`,
      ...(mode === 'http' ? knowing(isBoundByAddress(service), []) : knowing(isBoundByAddress(service) || isLimited, rules)),
      ...lines,
    ]),
    files: access.files,
    problems: access.problems,
  };
}

/** In the order in which HAProxy acts, or it warns: which server is used comes after all that is done with a request. */
const inOrder = (lines: readonly string[]): string[] => {
  const choosesServer = (line: string) => line.startsWith('use-server ');
  return [...lines.filter((line) => !choosesServer(line)), ...lines.filter(choosesServer)];
};

function balanceLines({ spec }: ServiceConfig): string[] {
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

const isBoundByAddress = ({ spec }: Pick<ServiceConfig, 'spec'>): boolean =>
  spec.serviceType !== 'http' && spec.loadBalancing?.sessionAffinity?.enabled === true;

/**
 * For http the cookie names the server, and servers are named the same on every replica: nothing has to be remembered, so
 * a reload, a crash or another replica changes nothing. Other clients are known by their address, in a table.
 */
function affinityLines({ spec }: ServiceConfig): string[] {
  const affinity = spec.loadBalancing?.sessionAffinity;
  if (!affinity?.enabled) return [];
  if (isBoundByAddress({ spec }))
    return [
      `stick-table type ipv6 size 100k expire ${Math.max(1000, duration(affinity.timeout, '1h'))}ms peers ${peersName}`,
      'stick on src',
    ];
  const life = Math.max(1, Math.round(milliseconds(affinity.timeout ?? '1h') / 1000));
  const cookie = (affinity.cookieName || 'frp-session').replace(/[^A-Za-z0-9_.-]/g, '_');
  return [
    `http-request set-var(txn.session) req.cook(${cookie})`,
    // A server that is down, in maintenance or unknown is passed over.
    'use-server %[var(txn.session)] if { var(txn.session) -m found }',
    'http-response set-var(txn.server) srv_name',
    `http-response add-header Set-Cookie "${cookie}=%[srv_name]; Path=/; Max-Age=${life}; HttpOnly; SameSite=Lax" if !{ var(txn.session),strcmp(txn.server) eq 0 }`,
  ];
}

const tcpLines = (service: ServiceConfig): string[] => [...retries(attemptsOf(service).most), 'timeout server 86400s'];

const httpLines = (service: ServiceConfig): string[] => [
  ...retryLines(service),
  `timeout server ${idleTime(service)}ms`,
  'http-reuse safe',
  ...compressionLines(service),
];

/**
 * A request that no backend has received is always sent again; one that was, if that can do no harm and the backend did not
 * just need longer than it may.
 */
function retryLines(service: ServiceConfig): string[] {
  const { here, repeatable, repeatableElsewhere, isSlowAgain } = attemptsOf(service);
  return [
    ...retries(here),
    ...(here === 1
      ? []
      : [
          `retry-on conn-failure empty-response${isSlowAgain ? ' response-timeout' : ''}`,
          ...(repeatable === always ? [] : [`http-request disable-l7-retry if !${repeatable}`]),
        ]),
    ...unservedLines(repeatableElsewhere, isSlowAgain),
  ];
}

const retries = (attempts: number): string[] => (attempts <= 1 ? ['retries 0'] : [`retries ${attempts - 1}`, 'option redispatch 1']);

const compressionLines = ({ spec, isGrpc }: ServiceConfig): string[] =>
  spec.advanced?.compression && !isGrpc
    ? [
        'compression algo gzip',
        'compression type text/html text/plain text/css text/csv text/xml text/javascript application/javascript application/json application/xml image/svg+xml',
      ]
    : [];
