/** Backends, routes and access of a service, as replicas of the gateway tell them. */
import { describeAccess, describeRule } from '../gateway/api/access-report.ts';
import type { BackendReport, RefusalReport, RouteReport, ServiceReport, Traffic } from '../gateway/api/report-types.ts';
import { bad, good, info, warn, type Line } from './explanation.ts';
import { ageText, countText, rateText, secondsText } from './numbers.ts';

/** `2 requests under way, 14 a second, p50 3 ms, p99 40 ms` */
export function trafficText({ current, perSecond, p50, p99 }: Traffic): string {
  const times = p50 === undefined || p99 === undefined ? [] : [`p50 ${secondsText(p50)}`, `p99 ${secondsText(p99)}`];
  return [`${current} under way`, `${rateText(perSecond)} a second`, ...times].join(', ');
}

/** A backend as one replica has it. @param now milliseconds since the epoch */
export function backendLine(backend: BackendReport, replica: string, now: number): Line {
  const { pod, cluster, port, address, since, weight, state, check, reason } = backend;
  const who = `${cluster === undefined ? pod : `${cluster}/${pod}`}${port === undefined ? '' : `, port ${port},`}`;
  const registered =
    since === undefined ? 'registered since before its agent started' : `registered for ${ageText(now - Date.parse(since))}`;
  const answer = check === undefined ? '' : `, last check ${check}`;
  const facts = `${registered}, weight ${weight}${answer}, ${trafficText(backend)}`;
  const at = address === '' ? '' : ` (${address})`;
  const said = `${replica}: ${who}${at} ${words[state]}${reason === undefined ? '' : `: ${reason}`}; ${facts}`;
  if (state === 'up') return good(said);
  return state === 'down' ? bad(said, 'BackendsUnhealthy') : warn(said);
}

const words: Record<BackendReport['state'], string> = {
  up: 'is up',
  down: 'is down',
  drain: 'gets no new requests',
  maint: 'is taken out',
  starting: 'is on its way',
};

/** @param now milliseconds since the epoch */
export const refusalLine = ({ pod, cluster, reason, message, at }: RefusalReport, replica: string, now: number): Line =>
  bad(`${replica}: ${cluster === undefined ? pod : `${cluster}/${pod}`}, ${ageText(now - Date.parse(at))} ago: ${message}`, reason);

/** `shop.example.com/v1, x-beta: yes, of shop/web: 20 percent` @param key namespace/name of the service that it leads to */
export function routeText({ at, entry, order, headers, share }: RouteReport, key: string): string {
  const wanted = Object.entries(headers).map(([name, value]) => `with ${name}: ${value}`);
  const by = entry === key ? [] : [`by route ${order} of ${entry}`];
  return [at, ...wanted, ...by, ...(share === 1 ? [] : [`${Math.round(share * 100)} percent`])].join(', ');
}

export function accessLines({ access, rules, limits }: ServiceReport): Line[] {
  const who = describeAccess(access);
  const { requestsPerSecond, connections } = limits;
  return [
    access.kind === 'unavailable' ? bad(who) : info(who),
    ...rules.map((rule) => info(`rule: ${describeRule(rule)}`)),
    ...(requestsPerSecond === undefined ? [] : [info(`limit: ${requestsPerSecond} requests a second from one address`)]),
    ...(connections === undefined ? [] : [info(`limit: ${connections} requests at a time from one address`)]),
  ];
}

const mostLines = 20;

/** The first of many; the others are counted. */
export const bounded = (lines: Line[], noun: string): Line[] =>
  lines.length <= mostLines ? lines : [...lines.slice(0, mostLines), info(`and ${countText(lines.length - mostLines, `more ${noun}`)}`)];
