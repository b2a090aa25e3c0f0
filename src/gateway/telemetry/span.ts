/** A span of a request, in the JSON of OTLP (opentelemetry-proto, trace/v1), by the semantic conventions for HTTP servers. */
import type { RequestLine } from '../../model/logs/fields.ts';
import type { HttpFacts, ToldRequest } from './request-line.ts';

export interface Span {
  /** hexadecimal */
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  /** nanoseconds since 1970, as text */
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
  status: { code?: number; message?: string };
}

export interface Attribute {
  key: string;
  value: { stringValue: string } | { intValue: string };
}

const kindServer = 2;
const statusError = 2;
const nanoseconds = (ms: number): string => `${BigInt(Math.round(ms * 1000)) * 1000n}`;

/** Whether whoever began the trace, or the gateway, has sampled it: the last bit of its flags. */
const isSampled = (traceparent: string): boolean => (Number.parseInt(traceparent.slice(-2), 16) & 1) === 1;

/** @param line of the access log about the same request @param now milliseconds since 1970, when it had ended @returns undefined where it is not sampled */
export function spanOf({ http, duration }: ToldRequest, line: RequestLine, now: number): Span | undefined {
  if (!http || http.trace === '' || !isSampled(http.trace)) return undefined;
  const [, traceId = '', spanId = ''] = http.trace.split('-');
  const hasFailed = (http.status ?? 0) >= 500 || failures.has(line.reason as string);
  return {
    traceId,
    spanId,
    ...(http.traceParent !== '' && { parentSpanId: http.traceParent }),
    // Few of them: a path is in the attributes.
    name: line.service === undefined ? methodOf(http) : `${methodOf(http)} ${line.namespace}/${line.service}`,
    kind: kindServer,
    startTimeUnixNano: nanoseconds(now - (duration ?? 0)),
    endTimeUnixNano: nanoseconds(now),
    attributes: attributesOf(http, line, hasFailed),
    // A status of HTTP says itself why.
    status: hasFailed ? { code: statusError, ...(failures.has(line.reason as string) && { message: String(line.reason) }) } : {},
  };
}

/** Reasons that are the gateway's or the backend's doing (model/reasons/requests.ts). */
const failures = new Set(['AccessUnknown', 'NoBackend', 'BackendFailed', 'BackendTooSlow', 'BackendWithdrawn', 'GatewayFailed']);

/** Others than these are one, by the conventions: a user may send any word. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);
const methodOf = ({ method }: HttpFacts): string => (methods.has(method) ? method : 'HTTP');

function attributesOf(http: HttpFacts, line: RequestLine, hasFailed: boolean): Attribute[] {
  const [, name, port] = /^(.*?)(?::([0-9]{1,5}))?$/s.exec(http.host) ?? [];
  const values: Record<string, RequestLine[keyof RequestLine]> = {
    'http.request.method': methods.has(http.method) ? http.method : '_OTHER',
    'http.request.method_original': methods.has(http.method) ? undefined : line.method,
    'http.response.status_code': line.status,
    'server.address': name === '' ? undefined : name,
    'server.port': port === undefined ? undefined : Number(port),
    'url.scheme': http.scheme,
    'url.path': line.path,
    'client.address': line.user,
    'error.type': hasFailed ? (failures.has(line.reason as string) ? line.reason : String(line.status)) : undefined,
    'frp.reason': line.reason,
    'frp.namespace': line.namespace,
    'frp.service': line.service,
    'frp.backend': line.backend,
    'frp.cluster': line.cluster,
    'frp.replica': line.replica,
    'frp.handed_to': line.handedTo,
    'frp.retries': line.retries,
    'frp.first_byte_ms': line.firstByteMs,
    'frp.request_id': line.requestId,
  };
  return Object.entries(values).flatMap(([key, value]): Attribute[] => {
    if (value === undefined) return [];
    return [{ key, value: typeof value === 'number' ? { intValue: `${Math.round(value)}` } : { stringValue: String(value) } }];
  });
}
