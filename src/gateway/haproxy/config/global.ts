/** The sections that do not depend on services. */
import { probeFile } from './tcp-probe.ts';
import { safeName } from './names.ts';
import { noBackendText, recoveryFile } from './recovery.ts';
import { tablesFile } from './stick-tables.ts';
import { replicaTlsOptions } from './replica-tls.ts';
import { answer, quote } from './escape.ts';
import { defaultLimit, processLimit, startsAnyway } from './user-connections.ts';
import type { UsersSettings } from './rendered.ts';

/** The worker's runtime API, below the directory. The master's own is `master.sock`: `haproxy -W -S DIR/master.sock -f DIR/current/haproxy.cfg`. */
export const workerSocket = 'worker.sock';
export const masterSocket = 'master.sock';
export const configFile = 'haproxy.cfg';
/** What is known of servers, for the next process. */
export const stateFile = 'servers.state';
export const peersName = 'replicas';

const day = 86_400;

/** global, defaults and peers. @param skeleton is told as `description` */
export function globalSections(settings: UsersSettings, skeleton: string): string[][] {
  const { directory, lingerSeconds = day } = settings;
  return [
    [
      'global',
      // Files are named from where the configuration is, so that one that is only checked has files of its own.
      '  default-path config',
      `  description ${quote(`frp-k8s ${skeleton}`)}`,
      `  stats socket ${directory}/${workerSocket} mode 600 level admin expose-fd listeners`,
      '  stats timeout 1h',
      `  server-state-file ${directory}/${stateFile}`,
      `  lua-load ${probeFile}`,
      `  lua-load ${tablesFile}`,
      `  lua-load ${recoveryFile}`,
      // For normalize-uri, which authorization needs.
      '  expose-experimental-directives',
      `  hard-stop-after ${lingerSeconds}s`,
      '  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
      '  tune.ssl.default-dh-param 2048',
      startsAnyway,
      ...processLimit(settings),
      `  localpeer ${safeName(settings.localPeer)}`,
    ],
    [
      'defaults',
      // What follows of HTTP is passed on in this mode only.
      '  mode http',
      ...defaultLimit(settings),
      '  load-server-state-from-file global',
      '  option dontlognull',
      '  option clitcpka',
      '  timeout connect 5s',
      '  timeout client 60s',
      '  timeout server 60s',
      '  timeout queue 10s',
      '  timeout http-request 10s',
      '  timeout http-keep-alive 60s',
      '  timeout client-fin 30s',
      '  timeout server-fin 30s',
      `  timeout tunnel ${day}s`,
      ...errorTexts.map(
        ([status, text]) =>
          `  http-error status ${status} content-type text/plain string ${quote(text)}${status === 503 ? ' hdr Retry-After 1' : ''}`,
      ),
    ],
    peersSection(settings),
  ];
}

/** The local process too: it takes what the tables hold from the old process at a reload. */
function peersSection(settings: UsersSettings): string[] {
  const { localPeer, peers, replicaTls } = settings;
  const own = peers.find(({ name }) => name === localPeer)?.address ?? '127.0.0.1:10000';
  const section = `peers ${peersName}`;
  // Nobody but this machine's own processes, as long as replicas cannot know each other.
  if (replicaTls === undefined) return [section, `  peer ${safeName(localPeer)} 127.0.0.1${own.slice(own.lastIndexOf(':'))}`];
  const tls = replicaTlsOptions;
  return [
    section,
    `  bind ${own} ${tls}`,
    `  default-server ${tls}`,
    `  server ${safeName(localPeer)}`,
    ...peers.filter(({ name }) => name !== localPeer).map(({ name, address }) => `  server ${safeName(name)} ${address}`),
  ];
}

/**
 * A request that cannot be parsed, or whose headers exceed 15 KiB, is answered 400, and one whose headers take longer than
 * 10 s 408, with HAProxy's own text, which cannot be changed.
 */
const errorTexts: readonly [status: number, text: string][] = [
  [400, 'the request is malformed'],
  [408, 'the request did not arrive in time'],
  [500, 'the gateway failed'],
  [502, 'the backend gave no valid answer'],
  [503, noBackendText],
  [504, 'the backend did not answer in time'],
];

/** For requests that no backend is named for. */
export const noBackend = ['backend frp-none', '  mode http', `  ${answer(404, 'no service is published here')}`];
