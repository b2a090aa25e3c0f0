/** What a proxy changes in requests and answers, as fields of `spec.expose`. */
import { headerProblem, isCredential, isHost, isValue, type Direction } from '../model/header-changes.ts';
import type { Spec } from './draft.ts';
import type { Notes } from './findings.ts';
import { noValue } from './template.ts';

type Expose = NonNullable<Spec['expose']>;
export type Headers = NonNullable<NonNullable<Expose['headers']>['request']>;

const mostHeaders = 16;

/** What a Host is rewritten to, where it is one. */
export function hostHeaderOf(host: string | undefined, field: string, notes: Notes): Pick<Expose, 'hostHeader'> {
  if (host === undefined) return {};
  if (isHost(host)) return { hostHeader: host };
  notes.lost(field, `${JSON.stringify(host)} is no host for spec.expose.hostHeader; correct it and run migrate again`);
  return {};
}

/** Headers that are set; undefined without any. @param field that they are of, for findings */
export function headersOf(
  given: readonly [name: string, value: string][],
  field: string,
  direction: Direction,
  notes: Notes,
): Headers | undefined {
  const set = new Map<string, [name: string, value: string]>();
  for (const [name, value] of given) {
    const problem = headerProblem(name, direction) ?? valueProblem(name, value);
    if (problem !== undefined) notes.lost(field, problem);
    else if (set.has(name.toLowerCase())) notes.lost(field, `${name} is set twice; one of them is kept`);
    else if (set.size === mostHeaders) notes.lost(field, `a service sets ${mostHeaders} headers at most; ${name} is left out`);
    else set.set(name.toLowerCase(), [name, value]);
  }
  return set.size === 0 ? undefined : { set: Object.fromEntries(set.values()) };
}

/** Never with the value: it may be a secret. */
function valueProblem(name: string, value: string): string | undefined {
  if (isCredential(name))
    return `${name} has credentials, which everyone who may read DistributedServices would read; let the app have them from a Secret`;
  if (value.includes(noValue)) return `the value of ${name} is made from an environment variable that is not set; it is left out`;
  if (isValue(value)) return undefined;
  if (/[^\x00-\x7f]/.test(value))
    return `the value of ${name} has characters beyond ASCII, which servers and apps read in different ways (RFC 9110, 5.5), so spec.expose.headers takes none: let the app have it in its own settings, or percent-encode it if the app decodes that`;
  return `the value of ${name} is empty, too long, or has characters that spec.expose.headers does not take; correct it and run migrate again`;
}

/** Both; a plugin is nearer to the app than the server is. */
export function withPlugin(
  expose: Expose,
  { hostHeader, requestHeaders }: { hostHeader?: string | undefined; requestHeaders?: Headers | undefined },
): Expose {
  if (hostHeader === undefined && requestHeaders === undefined) return expose;
  const nearer = Object.keys(requestHeaders?.set ?? {}).map((name) => name.toLowerCase());
  const others = Object.entries(expose.headers?.request?.set ?? {}).filter(([name]) => !nearer.includes(name.toLowerCase()));
  return {
    ...expose,
    ...(hostHeader !== undefined && { hostHeader }),
    ...(requestHeaders && { headers: { ...expose.headers, request: { set: { ...Object.fromEntries(others), ...requestHeaders.set } } } }),
  };
}
