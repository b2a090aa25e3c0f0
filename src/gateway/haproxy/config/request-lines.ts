/**
 * What the log tells the agent of each request at the users' frontends, for the access log and for traces
 * (telemetry/request-line.ts reads it). Which server a request came to is known in `be-…` alone, one hop further on: it comes
 * back in a header of the answer, over another replica too, and goes no further than `svc-…`.
 */
import { when } from './escape.ts';
import { isHanded } from './other-replicas.ts';
import type { UsersSettings } from './rendered.ts';

/** A line begins with its form. Fields are between bars; what a user said is in base64, or hexadecimal digits that were looked at. */
export const lineForms = { http: 'request-http', tcp: 'request-tcp' } as const;

/** Bytes of what a user said that are kept: one more of a path or a query says that there was more. */
export const longest = { method: 32, host: 260, path: 1024, query: 1024, requestId: 128, client: 256 } as const;

const servedHeader = 'x-frp-served';

/** Those of HAProxy's own, by the names of its configuration manual (8.2.4); a variable that is not set is empty. */
const own = ['%ci', '%B', '%U', '%ts', '%rc', '%b', '%s', '%[var(txn.entry)]', '%[var(sess.handed)]'];
const fields = {
  http: [
    ...own,
    ...['%ST', '%Tw', '%Tc', '%Tr', '%Ta'],
    ...['method', 'host', 'path', 'query', 'request_id'].map((name) => `%[var(txn.said_${name})]`),
    `%[var(txn.client),bytes(0,${longest.client}),base64]`,
    '%[var(txn.served),base64]',
    '%[var(txn.trace)]',
    '%[var(txn.trace_parent)]',
  ],
  // Of a connection that goes to another replica nothing else says whose it is.
  tcp: [...own, '%Tt', '%[var(txn.target)]', '%[var(txn.stream)]'],
};

/** Bytes of a line: what is kept of users, in base64, and as much again. */
const longestLine = 8192;

/** Directives of a users' frontend: each request or connection is told of when it has ended. @param scheme that it comes with */
export function requestLines({ requestLog, requestLines: wanted }: UsersSettings, scheme: 'http' | 'https' | 'tcp'): string[] {
  const mode = scheme === 'tcp' ? 'tcp' : 'http';
  if (requestLog === undefined || wanted === undefined || (mode === 'tcp' && !wanted.all)) return [];
  const told = [lineForms[mode], ...fields[mode], ...(mode === 'http' ? [scheme] : [])];
  return [`log ${requestLog} len ${longestLine} format raw local0 info`, `log-format "${told.join('|')}"`];
}

/** The first rules of such a frontend in mode http, so that what is refused is told of too. */
export function saidRules({ requestLines: wanted }: UsersSettings): string[] {
  if (wanted === undefined) return [];
  const set = (name: string, expression: string, most: number) =>
    `http-request set-var(txn.said_${name}) ${expression},bytes(0,${most}),base64`;
  return [
    set('method', 'method', longest.method),
    set('host', 'req.fhdr(host)', longest.host),
    set('path', 'path', longest.path + 1),
    ...(wanted.query ? [set('query', 'query', longest.query + 1)] : []),
    'http-request set-header X-Request-Id %[uuid] if !{ req.fhdr(x-request-id) -m found }',
    set('request_id', 'req.fhdr(x-request-id)', longest.requestId),
    ...traceRules(wanted),
  ];
}

/** W3C Trace Context, version 00: trace id, id of the sender's span and flags, of which the last bit is that it is sampled. */
const traceParent = '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$';

/**
 * Sets txn.trace, as it is logged and passed on. Where requests are traced, the gateway's own span is the parent of what
 * follows, and txn.trace_parent that of the gateway's; a request that says itself whether it is sampled is believed.
 */
function traceRules({ all, sampled }: NonNullable<UsersSettings['requestLines']>): string[] {
  const isGiven = '{ var(txn.trace_given) -m found }';
  const given = [
    `http-request set-var(txn.trace_given) req.fhdr(traceparent)${when('{ req.fhdr_cnt(traceparent) eq 1 }', `{ req.fhdr(traceparent) -m reg '${traceParent}' }`)}`,
  ];
  if (sampled === undefined) return [...given, `http-request set-var(txn.trace) var(txn.trace_given)${when(isGiven)}`];
  const random = 'uuid,regsub(-,,g)';
  return [
    ...given,
    `http-request set-var(txn.trace_id) var(txn.trace_given),field(2,-)${when(isGiven)}`,
    `http-request set-var(txn.trace_parent) var(txn.trace_given),field(3,-)${when(isGiven)}`,
    `http-request set-var(txn.trace_flags) var(txn.trace_given),field(4,-)${when(isGiven)}`,
    `http-request set-var(txn.trace_id) ${random}${when(`!${isGiven}`)}`,
    `http-request set-var(txn.trace_flags) str(00)${when(`!${isGiven}`)}`,
    `http-request set-var(txn.trace_flags) str(01)${when(`!${isGiven}`, `{ rand(${draws}) lt ${Math.round(sampled * draws)} }`)}`,
    `http-request set-var(txn.trace_span) ${random},bytes(0,16)`,
    'http-request set-var-fmt(txn.trace) 00-%[var(txn.trace_id)]-%[var(txn.trace_span)]-%[var(txn.trace_flags)]',
    `http-request del-header tracestate${when(`!${isGiven}`)}`,
    'http-request set-header traceparent %[var(txn.trace)]',
    ...(all ? [] : ["http-request set-log-level silent if !{ var(txn.trace_flags) -m reg '[13579bdf]$' }"]),
  ];
}
const draws = 1_000_000;

/** Of `be-…`: says in every answer, HAProxy's own too, which server it came to, after how many attempts, and whether the app answered. */
export const servedLines = ({ requestLines: wanted }: UsersSettings): string[] =>
  wanted === undefined ? [] : [`http-after-response set-header ${servedHeader} "%b/%s %rc %[var(txn.answered)]"`];

/** Of `svc-…`: reads that. A request of another replica is told of there. */
export const servedReading = ({ requestLines: wanted }: UsersSettings): string[] =>
  wanted === undefined
    ? []
    : [
        `http-response set-var(txn.served) res.fhdr(${servedHeader}),bytes(0,128)`,
        `http-response del-header ${servedHeader} if !${isHanded}`,
      ];
