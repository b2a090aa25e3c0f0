/**
 * Pages of other origins (spec.security.cors; the Fetch standard, "CORS protocol"). A preflight carries no credentials,
 * so it is answered before they are asked for, and no backend hears of it. What a backend says of CORS itself is
 * replaced, on every answer, HAProxy's own too: a page must be able to read why it was refused.
 */
import type { DistributedServiceSpec } from '../../../model/types.ts';
import { answer, when } from './escape.ts';
import { duration, type ServiceConfig } from './service-config.ts';

type Cors = NonNullable<NonNullable<DistributedServiceSpec['security']>['cors']>;

/** Scheme, host and port, so that the end of it is the end of a host. */
const originForm = "{ var(txn.origin) -m reg '^[a-z][a-z0-9+.-]*://[a-z0-9._-]+(:[0-9]+)?$' }";
const longestOrigin = 300;

export interface CorsRules {
  /** what the answer will allow: before any rule that may answer */
  deciding: string[];
  /** preflights: before credentials are asked for */
  answering: string[];
}

/** Of a backend's section. @param entries services whose requests may come: the policy is that of the one that was asked for */
export function corsRules(entries: readonly ServiceConfig[]): CorsRules {
  const all = entries.flatMap((entry) => {
    const { cors } = entry.spec.security ?? {};
    return cors === undefined || entry.mode !== 'http' ? [] : [policyRules(cors, `{ var(txn.entry) -m str ${entry.id} }`)];
  });
  return { deciding: all.flatMap(({ deciding }) => deciding), answering: all.flatMap(({ answering }) => answering) };
}

function policyRules(cors: Cors, here: string): CorsRules {
  const isAllowed = '{ var(txn.cors_origin) -m found }';
  const isPreflight = '{ var(txn.preflight) -m found }';
  const origins = cors.allowOrigins.map((origin) => origin.toLowerCase());
  const isOpen = origins.includes('*');
  const set = (name: string, value: string, ...conditions: string[]) =>
    `http-after-response set-header ${name} ${value}${when(here, isAllowed, ...conditions)}`;
  const deciding = [
    `http-request set-var(txn.origin) req.fhdr(origin)${when(here, `{ req.fhdr(origin),length le ${longestOrigin} }`)}`,
    ...allowing(isOpen ? ['*'] : origins, here),
    `http-request set-var(txn.preflight) bool(true)${when(here, '{ method OPTIONS }', '{ req.fhdr(origin) -m found }', '{ req.fhdr(access-control-request-method) -m found }')}`,
    `http-request set-var(txn.cors_headers) req.fhdr(access-control-request-headers)${when(here, isPreflight)}`,
    `http-after-response del-header access-control- -m beg${when(here)}`,
    set('Access-Control-Allow-Origin', '%[var(txn.cors_origin)]'),
    ...(isOpen ? [] : [`http-after-response add-header Vary Origin${when(here)}`]),
    ...(cors.allowCredentials && !isOpen ? [set('Access-Control-Allow-Credentials', 'true')] : []),
    ...preflightHeaders(cors).map(([name, value]) => set(name, value, isPreflight)),
    ...exposedHeaders(cors).map(([name, value]) => set(name, value, `!${isPreflight}`)),
  ];
  const answering = [
    answer(403, 'pages of this origin may not use the service') + when(here, isPreflight, `!${isAllowed}`),
    `http-request return status 204${when(here, isPreflight)}`,
  ];
  return { deciding, answering };
}

/** txn.cors_origin is what the answer allows. */
function allowing(origins: readonly string[], here: string): string[] {
  const allow = (...conditions: string[]) =>
    `http-request set-var(txn.cors_origin) var(txn.origin)${when(here, originForm, ...conditions)}`;
  if (origins[0] === '*') return [`http-request set-var(txn.cors_origin) str(*)${when(here, '{ req.fhdr(origin) -m found }')}`];
  const plain = origins.filter((origin) => /^[a-z0-9+.:/_-]+$/.test(origin));
  const wild = origins
    .map((origin) => /^([a-z0-9+.-]+:\/\/)\*(\.[a-z0-9._-]+(?::[0-9]+)?)$/.exec(origin))
    .filter((found) => found !== null);
  return [
    ...(plain.length === 0 ? [] : [allow(`{ var(txn.origin) -m str -- ${plain.join(' ')} }`)]),
    ...wild.map(([, start, end]) => allow(`{ var(txn.origin) -m beg -- ${start} }`, `{ var(txn.origin) -m end ${end} }`)),
  ];
}

function preflightHeaders({ allowMethods = ['GET', 'HEAD', 'POST'], allowHeaders = [], maxAge }: Cors): [string, string][] {
  const methods = allowMethods.filter((method) => /^[A-Z]+$/.test(method)).join(',');
  // With credentials browsers take `*` for a name, so what is asked for is what is allowed.
  const headers = allowHeaders.includes('*') ? '%[var(txn.cors_headers)]' : names(allowHeaders);
  const seconds = Math.round(duration(maxAge, '10m') / 1000);
  return [
    ...(methods === '' ? [] : [['Access-Control-Allow-Methods', methods] satisfies [string, string]]),
    ...(headers === '' ? [] : [['Access-Control-Allow-Headers', headers] satisfies [string, string]]),
    ['Access-Control-Max-Age', String(seconds)],
  ];
}

function exposedHeaders({ exposeHeaders = [] }: Cors): [string, string][] {
  const headers = names(exposeHeaders);
  return headers === '' ? [] : [['Access-Control-Expose-Headers', headers]];
}

const names = (headers: readonly string[]): string => headers.filter((name) => /^[A-Za-z0-9_-]+$/.test(name)).join(',');
