/** `spec.expose.headers`: which headers of requests and answers a service may have changed on the way to its app and back. */
import { isObject, listOf } from './json.ts';
import type { DistributedServiceSpec } from './types.ts';

export type Direction = 'request' | 'response';

export interface HeaderChanges {
  set: readonly (readonly [name: string, value: string])[];
  remove: readonly string[];
}

/** How the bytes of a message are delimited and passed on: the server's alone, or one request could be read as two. */
const framing = [
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** Who the user is and what was asked for. CGI and its descendants read any other separator as the hyphen. */
const identity = /^(x-frp|x-forwarded|x-real-ip|forwarded$|proxy$|x-(original|rewrite)-ur[il]$)/;
/** Printable ASCII, one space between words, as HAProxy would leave it. */
export const headerValue = /^[!-~]+( [!-~]+)*$/;
export const longestValue = 2048;
export const hostHeader = /^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$/;
export const longestHost = 260;
/** Characters of the names and values of one direction, so that they fit beside the others into HAProxy's 15 KiB. */
const longest = 8_000;

export const isValue = (value: string): boolean => value.length <= longestValue && headerValue.test(value);
export const isHost = (host: string): boolean => host.length <= longestHost && hostHeader.test(host);

/** As CGI and its descendants read a name. */
export const folded = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-');

/** Whether what a header carries lets somebody in. */
export const isCredential = (name: string): boolean =>
  ['authorization', 'cookie', 'proxy-authorization', 'x-api-key'].includes(folded(name));

/** Why a header cannot be changed, and what to do; undefined where it can. */
export function headerProblem(name: string, direction: Direction): string | undefined {
  const shown = JSON.stringify(name.slice(0, 40));
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) return `${shown} is no header; use letters, digits, _ and -, up to 64 of them`;
  const plain = folded(name);
  if (plain === 'host') return direction === 'request' ? `${shown} is set by spec.expose.hostHeader` : `${shown} is of requests; remove it`;
  if (framing.includes(plain)) return `${shown} tells where a message ends and how it is passed on, which the server decides; remove it`;
  if (direction === 'request' ? identity.test(plain) : plain.startsWith('x-frp'))
    return `${shown} tells the app who its user is, which only the server knows; remove it, or list a proxy that may say it in gateway.trustedProxies`;
  return undefined;
}

/** What a spec has changed, without what cannot be. */
export function headerChanges({ expose }: DistributedServiceSpec, direction: Direction): HeaderChanges {
  const { set = {}, remove = [] } = expose?.headers?.[direction] ?? {};
  const isUsable = (name: string) => headerProblem(name, direction) === undefined;
  return { set: Object.entries(set).filter(([name, value]) => isUsable(name) && isValue(value)), remove: remove.filter(isUsable) };
}

/** The Host that the app is asked for in place of the user's; undefined where it is that. */
export const hostHeaderOf = ({ expose }: DistributedServiceSpec): string | undefined =>
  expose?.hostHeader !== undefined && isHost(expose.hostHeader) ? expose.hostHeader : undefined;

/** What is wrong with the changes of one direction, whatever shape they have. */
export function changesProblems(changes: unknown, direction: Direction): string[] {
  if (!isObject(changes)) return [];
  const set = isObject(changes.set) ? Object.entries(changes.set) : [];
  const names = [...set.map(([name]) => name), ...listOf(changes.remove).map(String)];
  const seen = names.map((name) => name.toLowerCase());
  const twice = names.find((_, at) => seen.indexOf(seen[at]!) !== at);
  const size = set.reduce((sum, [name, value]) => sum + name.length + String(value).length, 0);
  return [
    ...names.flatMap((name) => headerProblem(name, direction) ?? []),
    ...(twice === undefined ? [] : [`${JSON.stringify(twice.slice(0, 40))} is named twice; name it once`]),
    ...(size > longest ? [`set comes to ${size} characters, above the limit of ${longest}; shorten it`] : []),
  ];
}
