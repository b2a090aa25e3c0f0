/** Reads what HAProxy's log tells of a request or a connection (haproxy/config/request-lines.ts). */
import { lineForms, longest } from '../haproxy/index.ts';

export interface ToldRequest {
  protocol: 'http' | 'tcp';
  /** of the user */
  address: string;
  bytesOut: number;
  bytesIn: number;
  /** HAProxy's: who ended it, and at which stage */
  ended: string;
  /** of the frontend: to servers here and to other replicas */
  retries: number;
  section: string;
  server: string;
  /** sections of the service that was asked for, the first that is there */
  asked: readonly string[];
  isFromReplica: boolean;
  /** milliseconds; undefined: it was cut short */
  duration: number | undefined;
  /** of http alone */
  http: HttpFacts | undefined;
}

export interface HttpFacts {
  status: number | undefined;
  /** milliseconds; undefined: there was none */
  firstByte: number | undefined;
  /** as texts: bytes that are no UTF-8 are U+FFFD; empty: there was none, or it is not told */
  method: string;
  host: string;
  path: string;
  query: string;
  requestId: string;
  client: string;
  /** whether path or query were longer */
  isCut: boolean;
  served: Served | undefined;
  /** traceparent; empty: none */
  trace: string;
  /** of the span that the request came from; empty: none */
  traceParent: string;
  scheme: 'http' | 'https';
}

export interface Served {
  section: string;
  server: string;
  retries: number;
  /** whether the app answered; otherwise HAProxy did in its place */
  isAnswered: boolean;
}

const backendPrefix = 'be-';
const common = 10;
const ofHttp = 15;
const ofTcp = 3;
const count = (text: string): number => (/^[0-9]{1,18}$/.test(text) ? Number(text) : 0);
/** HAProxy says -1 of what there was not. */
const some = (text: string): number | undefined => (/^[0-9]{1,18}$/.test(text) ? Number(text) : undefined);
const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
const said = (text: string): string => (text === '' ? '' : bytes(text).toString('utf8'));

/** Undefined of other lines, and of those that were cut off. */
export function parseToldRequest(line: string): ToldRequest | undefined {
  const fields = line.split('|').map((field) => (field === '-' ? '' : field));
  const [form, address = '', out = '', into = '', ended = '', retries = '', section = '', server = '', entry = '', handed = ''] = fields;
  const protocol = form === lineForms.http ? 'http' : form === lineForms.tcp ? 'tcp' : undefined;
  if (protocol === undefined || fields.length !== common + (protocol === 'http' ? ofHttp : ofTcp)) return undefined;
  const rest = fields.slice(common);
  return {
    protocol,
    address,
    bytesOut: count(out),
    bytesIn: count(into),
    ended,
    retries: count(retries.replace('+', '')),
    section,
    server,
    asked: [entry && backendPrefix + entry, section, ...(protocol === 'http' ? [] : rest.slice(1))].filter((each) =>
      each.startsWith(backendPrefix),
    ),
    isFromReplica: handed !== '' && handed !== '0',
    duration: some(protocol === 'http' ? rest[4]! : rest[0]!),
    http: protocol === 'http' ? httpFacts(rest) : undefined,
  };
}

function httpFacts(fields: readonly string[]): HttpFacts {
  const [status = '', wait = '', connect = '', response = '', , method = '', host = '', path = '', query = '', requestId = ''] = fields;
  const [client = '', served = '', trace = '', traceParent = ''] = fields.slice(10);
  const times = [wait, connect, response].map(some);
  const whole = [bytes(path), bytes(query)];
  const limits = [longest.path, longest.query];
  const [pathText = '', queryText = ''] = whole.map((buffer, index) => buffer.subarray(0, limits[index]).toString('utf8'));
  return {
    status: /^[1-9][0-9]{2}$/.test(status) ? Number(status) : undefined,
    firstByte: times.reduce((sum, time) => (sum === undefined || time === undefined ? undefined : sum + time), 0),
    method: said(method),
    host: said(host),
    path: pathText,
    query: queryText,
    requestId: said(requestId),
    client: said(client),
    isCut: whole.some(({ length }, index) => length > limits[index]!),
    served: servedIn(said(served)),
    trace: /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(trace) ? trace : '',
    traceParent: /^[0-9a-f]{16}$/.test(traceParent) ? traceParent : '',
    scheme: fields.at(-1) === 'https' ? 'https' : 'http',
  };
}

/** An app may have the header too, where another replica does not set it yet. */
function servedIn(text: string): Served | undefined {
  const [, section, server, retries, isAnswered] = /^(be-[0-9a-f]{16})\/(s-[0-9a-f]{16}|<NOSRV>) \+?([0-9]{1,9})( 1)?$/.exec(text) ?? [];
  return section === undefined ? undefined : { section, server: server!, retries: Number(retries), isAnswered: isAnswered !== undefined };
}
