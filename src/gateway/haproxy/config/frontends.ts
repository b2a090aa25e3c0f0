/** Where users come in: the http and https ports, and a port for each service that has one. */
import { isCidr } from '../../../net/addresses.ts';
import { endpoint, everyAddress } from './addresses.ts';
import { noBackend } from './global.ts';
import { handStreams } from './failover.ts';
import { decryptedId, decryptedSocket, fallbackSocket, fromReplicas, intoPort, streamId } from './handover.ts';
import { others } from './other-replicas.ts';
import { requestLines, saidRules } from './request-lines.ts';
import { headerRules } from './request-headers.ts';
import { hostRule, requestTargetRules } from './request-target.ts';
import { challengeRules, noChallenge } from './challenges.ts';
import { hostNameRule, hostRules, lookupRules, portRules, redirectsMap } from './route-rules.ts';
import { when } from './escape.ts';
import { idleTime, keepAliveTime, type ServiceConfig } from './service-config.ts';
import { certificateFile, sniMap, sniWildcardsMap, streamList, streamLoop, streamsMap, streamWildcardsMap, webList } from './tls.ts';
import { countedUsers } from './user-connections.ts';
import { roleRules } from './roles.ts';
import type { RouteTable } from './routes.ts';
import type { UsersSettings } from './rendered.ts';

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/**
 * How a port of users is bound: by its addresses, and by a socket for what the fallback (replicas/fallback-listener.ts) brings.
 * Who comes in there is counted.
 * @param options such as `ssl …`
 */
function bindTo(settings: UsersSettings, port: number, options = ''): string[] {
  const { directory, addresses, hasIpv6 = true } = settings;
  const all = addresses === undefined ? everyAddress(port, hasIpv6) : addresses.map((address) => endpoint(address, port)).join(',');
  const isBrought = port === settings.httpsPort && settings.isHttpsBrought;
  return [
    ...(isBrought ? [] : [`bind ${all}${options}`]),
    `bind ${fallbackSocket(directory, port)} mode 600 accept-proxy${options}`,
    ...countedUsers(settings),
  ];
}

/** Frontends of the http and https ports. @param choices rules of every service's routes (choiceRules) */
export function webFrontends(services: readonly ServiceConfig[], choices: readonly string[], settings: UsersSettings): string[][] {
  const longest = services.reduce((most, service) => Math.max(most, idleTime(service)), 60_000);
  const web = (proto: 'http' | 'https') => [
    'mode http',
    `timeout client ${longest}ms`,
    ...requestLines(settings, proto),
    ...clientRules(settings, proto),
    hostNameRule,
    ...(proto === 'http' ? challengeRules : []),
    ...lookupRules(hostRules),
    ...(proto === 'http' ? redirectRules(settings) : []),
    ...choices,
    ...targetRules,
  ];
  const tls = ` ssl crt-list ${webList} strict-sni alpn h2,http/1.1`;
  const http = ['frontend frp-http', ...indent([...bindTo(settings, settings.httpPort), ...proxied(settings), ...web('http')])];
  const ports = [...intoPort(settings.httpPort, settings), ...intoPort(settings.httpsPort, settings)];
  if (!services.some(({ mode, exposures }) => mode === 'tcp' && exposures.some(({ kind }) => kind === 'sni')))
    return [
      http,
      ['frontend frp-https', ...indent([...bindTo(settings, settings.httpsPort, tls), ...proxied(settings), ...web('https')])],
      ...ports,
      noBackend,
    ];
  const socket = `${settings.directory}/https.sock`;
  return [
    http,
    ['frontend frp-https', ...indent([`bind ${socket} mode 600 accept-proxy${tls}`, ...web('https')])],
    ...sniFrontend(settings, socket),
    ...ports,
    noBackend,
  ];
}

/** The https port where some hosts' TLS passes through: it looks at the server name only. One more hop for the other hosts. */
function sniFrontend(settings: UsersSettings, socket: string): string[][] {
  const { directory } = settings;
  const streamSocket = `${directory}/streams.sock`;
  const lookup = (name: string, fetch: string, exact: string, wildcards: string, ...conditions: string[]) => [
    `tcp-request content set-var(${name}) ${fetch},lower,map_str(${exact})${when(...conditions)}`,
    `tcp-request content set-var(${name}) ${fetch},lower,map_end(${wildcards})${when(...conditions, `!{ var(${name}) -m found }`)}`,
  ];
  const isStream = `{ var(txn.target) -m str ${streamLoop} }`;
  return [
    [
      'frontend frp-sni',
      ...indent([
        ...bindTo(settings, settings.httpsPort),
        ...proxied(settings),
        'mode tcp',
        ...fromReplicas(settings),
        'timeout client 86400s',
        ...requestLines(settings, 'tcp'),
        'tcp-request inspect-delay 10s',
        'tcp-request content reject if !{ req.ssl_hello_type 1 } WAIT_END',
        ...lookup('txn.target', 'req.ssl_sni', sniMap, sniWildcardsMap),
        // Where TLS is to end here the other replica gets it whole: only the server name says whose it is.
        ...(others(settings).length === 0 ? [] : lookup('txn.stream', 'req.ssl_sni', streamsMap, streamWildcardsMap, isStream)),
        'tcp-request content accept if { req.ssl_hello_type 1 }',
        ...handStreams(streamId(settings.httpsPort), settings, ['txn.target', 'txn.stream']),
        'use_backend %[var(txn.target)] if { var(txn.target) -m found }',
        'default_backend frp-tls',
      ]),
    ],
    ['backend frp-tls', ...indent(['mode tcp', 'timeout server 86400s', `server here ${socket} send-proxy-v2`])],
    [`backend ${streamLoop}`, ...indent(['mode tcp', 'timeout server 86400s', `server here ${streamSocket} send-proxy-v2`])],
    [
      'frontend frp-streams-tls',
      ...indent([
        'mode tcp',
        'timeout client 86400s',
        ...requestLines(settings, 'tcp'),
        `bind ${streamSocket} mode 600 accept-proxy ssl crt-list ${streamList} strict-sni`,
        ...lookup('txn.target', 'ssl_fc_sni', streamsMap, streamWildcardsMap),
        'use_backend %[var(txn.target)] if { var(txn.target) -m found }',
      ]),
    ],
  ];
}

/** The sections of a port that a service has for itself. @param choices rules of its routes @param isTls whether TLS ends there */
export function portFrontend(
  port: number,
  table: RouteTable,
  choices: readonly string[],
  { settings, isTls }: { settings: UsersSettings; isTls: boolean },
): string[][] {
  const { entry } = table;
  const tls = isTls ? `${entry.isGrpc || entry.mode === 'http' ? ' alpn h2,http/1.1' : ''}` : undefined;
  const options =
    tls === undefined ? `${entry.isGrpc ? ' proto h2' : ''}` : entry.pem === undefined ? '' : ` ssl crt ${certificateFile(entry)}${tls}`;
  // Nothing is served in clear that asks for TLS.
  const refused = tls !== undefined && entry.pem === undefined ? ['tcp-request connection reject'] : [];
  // A stream that another replica hands over has its TLS behind it; requests come in elsewhere.
  const isStream = entry.mode === 'tcp' && tls !== undefined && others(settings).length > 0;
  return [
    [
      `frontend frp-port-${port}`,
      ...indent([
        ...bindTo(settings, port, options),
        ...(isStream ? [`bind ${decryptedSocket(settings, port)} mode 600 accept-proxy`] : []),
        ...refused,
        ...proxied(settings),
        ...(entry.mode === 'http'
          ? webPort(port, entry, choices, settings, tls !== undefined)
          : tcpPort(isStream ? decryptedId(port) : streamId(port), table, choices, settings)),
      ]),
    ],
    ...intoPort(port, settings, isStream),
  ];
}

const webPort = (port: number, entry: ServiceConfig, choices: readonly string[], settings: UsersSettings, isTls: boolean): string[] => [
  'mode http',
  `timeout client ${Math.max(60_000, idleTime(entry))}ms`,
  ...requestLines(settings, isTls ? 'https' : 'http'),
  ...clientRules(settings, isTls ? 'https' : 'http'),
  ...lookupRules(portRules(port)),
  ...choices,
  ...targetRules,
];

const tcpPort = (handedAs: string, table: RouteTable, choices: readonly string[], settings: UsersSettings): string[] => [
  'mode tcp',
  ...fromReplicas(settings),
  'timeout client 86400s',
  ...requestLines(settings, 'tcp'),
  `clitcpka-idle ${Math.max(1, Math.round(keepAliveTime(table.entry) / 1000))}s`,
  `tcp-request content set-var(txn.routes) str(${table.id})`,
  `tcp-request content set-var(txn.entry) str(${table.entry.id})`,
  `tcp-request content set-var(txn.target) str(${table.defaultBackend.backend})`,
  ...choices,
  ...roleRules(table),
  ...handStreams(handedAs, settings),
  'use_backend %[var(txn.target)]',
];

const targetRules = ['use_backend %[var(txn.target)]', 'default_backend frp-none'];

const trusted = ({ trustedProxies }: UsersSettings): string | undefined => {
  const networks = trustedProxies.filter(isCidr);
  return networks.length === 0 ? undefined : `{ src ${networks.join(' ')} }`;
};

function proxied(settings: UsersSettings): string[] {
  const source = trusted(settings);
  return settings.proxyProtocol && source !== undefined ? [`tcp-request connection expect-proxy layer4 if ${source}`] : [];
}

/** What a request is, in one form; and what is known of the client, as headers for the backend. What clients say of it themselves is believed from trusted proxies only. */
function clientRules(settings: UsersSettings, proto: 'http' | 'https'): string[] {
  const source = trusted(settings);
  const isTrusted = '{ var(txn.trusted) -m found }';
  return [
    ...saidRules(settings),
    hostRule,
    ...requestTargetRules,
    'http-request set-var(txn.peer) src',
    ...(source === undefined ? [] : [`http-request set-var(txn.trusted) bool(true) if ${source}`]),
    ...headerRules(isTrusted),
    // The nearest address that is no trusted proxy's, through up to three of them.
    ...(source === undefined
      ? []
      : [-1, -2, -3].map((n) => `http-request set-src req.hdr_ip(x-forwarded-for,${n}) if ${isTrusted} ${source}`)),
    'http-request add-header X-Forwarded-For %[var(txn.peer)]',
    `http-request set-header X-Forwarded-Proto ${proto} if !{ req.hdr(x-forwarded-proto) -m found }`,
    'http-request set-header X-Forwarded-Host %[req.fhdr(host)] if !{ req.hdr(x-forwarded-host) -m found }',
  ];
}

function redirectRules({ publicHttpsPort = 443 }: UsersSettings): string[] {
  const port = publicHttpsPort === 443 ? '' : `:${publicHttpsPort}`;
  return [
    `http-request redirect location https://%[var(txn.host)]${port}%[pathq] code 308 if { var(txn.entry),map_str(${redirectsMap}) -m found } !{ req.hdr(x-forwarded-proto) -i https } ${noChallenge}`,
  ];
}
