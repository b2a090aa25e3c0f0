/** The access log: one line of JSON a request (docs/reference/logs.md). */
import type { Config } from '../../config/schema.ts';
import type { RequestLine } from '../../model/logs/fields.ts';
import { networkOf } from '../../net/network-of.ts';
import { overBackend } from '../haproxy/index.ts';
import { endOf, isAnsweredByBackend } from './request-end.ts';
import type { HttpFacts, ToldRequest } from './request-line.ts';
import type { ServedNames } from './served-names.ts';

export interface AccessLogOptions {
  settings: Config['gateway']['accessLog'];
  names: ServedNames;
  /** this one */
  replica: string;
  now?: () => Date;
}

/** What is not there is left out. */
export function accessLine(request: ToldRequest, { settings, names, replica, now = () => new Date() }: AccessLogOptions): RequestLine {
  const { protocol, address, bytesIn, bytesOut, duration, http, asked: sections } = request;
  const asked = sections.map((section) => names.service(section)).find((found) => found !== undefined);
  return {
    time: now().toISOString(),
    level: 'info',
    event: 'request',
    reason: endOf(request),
    namespace: asked?.namespace,
    service: asked?.service,
    protocol,
    ...(http ? httpFields(request, http) : noHttp),
    durationMs: duration,
    bytesIn,
    bytesOut,
    ...backendFields(request, names, asked?.service),
    retries: request.retries + (http?.served?.retries ?? 0),
    replica,
    handedTo: handedTo(request),
    handedOver: request.isFromReplica ? true : undefined,
    user: settings.addresses === 'whole' ? textOf(address) : networkOf(address),
    msg: 'request',
  };
}

const noHttp = {
  method: undefined,
  host: undefined,
  path: undefined,
  query: undefined,
  cut: undefined,
  status: undefined,
  answeredBy: undefined,
  firstByteMs: undefined,
  client: undefined,
  requestId: undefined,
  traceparent: undefined,
};

function httpFields(request: ToldRequest, http: HttpFacts): Pick<RequestLine, keyof typeof noHttp> {
  return {
    method: textOf(http.method),
    host: textOf(http.host),
    path: textOf(http.path),
    query: textOf(http.query),
    cut: http.isCut ? true : undefined,
    status: http.status,
    answeredBy: http.status === undefined ? undefined : isAnsweredByBackend(request) ? 'backend' : 'gateway',
    firstByteMs: http.firstByte,
    client: textOf(http.client),
    requestId: textOf(http.requestId),
    traceparent: textOf(http.trace),
  };
}

function backendFields(
  { http, section, server }: ToldRequest,
  names: ServedNames,
  asked: string | undefined,
): Pick<RequestLine, 'backend' | 'backendService' | 'cluster'> {
  const served = http ? http.served : { section, server };
  const service = served && names.service(served.section)?.service;
  const found = served && names.backend(served.section, served.server);
  return { backend: found?.backend, backendService: service === asked ? undefined : service, cluster: found?.cluster };
}

/** Servers of `svc-…` that are no other replica (haproxy/config/failover.ts). */
const ownServers = new Set(['here', 'once', 'again', '<NOSRV>', '']);

function handedTo({ protocol, section, server }: ToldRequest): string | undefined {
  const isHanded = protocol === 'http' ? section.startsWith('svc-') && !ownServers.has(server) : section === overBackend;
  return isHanded ? textOf(server) : undefined;
}

const textOf = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
