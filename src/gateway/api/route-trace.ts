/**
 * The way of a request through the gateway, by the values that HAProxy's configuration is made of: which host, path, route,
 * rules and pool decide about it, and where it ends. Pure.
 */
import { endsTls } from '../../model/users-certificate.ts';
import { coversHost } from '../../model/hosts.ts';
import { entriesOf, portSite, webExposures, type PathEntry } from '../haproxy/config/routes.ts';
import type { ServiceConfig } from '../haproxy/config/service-config.ts';
import { sniHosts } from '../haproxy/config/tls.ts';
import { accessReport, describeAccess, rulesOf, verdictOf } from './access-report.ts';
import { plainPath, requestPath } from './request-path.ts';
import type { ServiceSummary, Trace, TraceEnd, TraceStep } from './report-types.ts';
import { choicesAt } from './service-reports.ts';

/** What is asked for. */
export interface Asked {
  /** name of the host; of a port that a service has for itself: `:5432` */
  host: string;
  path: string;
  method: string;
  /** names in lower case */
  headers: Readonly<Record<string, string>>;
  scheme: 'http' | 'https';
  /** of a user who has proven who he is; undefined: without a credential */
  roles: readonly string[] | undefined;
}

export interface Known {
  replica: string;
  /** in the order of their keys */
  services: ReadonlyMap<string, ServiceConfig>;
  /** @param key namespace/name */
  summaryOf: (key: string) => ServiceSummary;
  /** why those that are up are the only ones: `web-2: GET /health answered 404` @param key namespace/name */
  reasonsOf: (key: string) => readonly string[];
}

const passes = (at: TraceStep['at'], text: string): TraceStep => ({ at, passes: true, text });
const perhaps = (at: TraceStep['at'], text: string): TraceStep => ({ at, passes: true, isUnknown: true, text });
const stops = (at: TraceStep['at'], text: string): TraceStep => ({ at, passes: false, text });

export function traceRoute(asked: Asked, known: Known): Trace {
  const { replica, services } = known;
  const ended = (steps: TraceStep[], end: TraceEnd): Trace => ({ replica, steps, ends: [{ share: 1, steps: [], end }] });
  const all = [...services.values()];
  const host = asked.host.toLowerCase().replace(/\.$/, '');
  const stream = all.find((service) => service.mode === 'tcp' && isAtStream(service, host, asked.scheme));
  if (stream)
    return {
      replica,
      steps: [passes('host', `${portText(host)}: connections for ${stream.key}`)],
      ends: [{ share: 1, ...poolEnd(stream, known) }],
    };
  const site = host.startsWith(':') ? host : siteOf(host, all);
  const front = frontendOf(asked, host, all);
  if (!front.passes) return ended([front], { text: front.text });
  if (site === undefined || (host.startsWith(':') && !hasPort(host, all)))
    return host.startsWith(':')
      ? ended([stops('frontend', `no service has ${portText(host)}`)], { text: 'nothing listens there, so the connection is refused' })
      : ended([front, stops('host', `no service is published under ${host}`)], {
          status: 404,
          text: 'no service is published under this host name',
        });
  const steps = [front, passes('host', site === host ? `${host} is published` : `${host} is one of ${site}`)];
  const read = requestPath(asked.path);
  if ('problem' in read) return ended([...steps, stops('path', read.problem)], { status: 400, text: read.problem });
  const { path } = read;
  const entries = all.flatMap((service) => entriesOf(service, services)).filter(({ prefix }) => prefix.startsWith(`${site}/`));
  const found = longestOf(entries, `${site}${path}/`);
  const plain = longestOf(entries, `${site}${plainPath(path)}/`);
  if (found !== plain) {
    const text = 'the path leads elsewhere without its parameters';
    return ended([...steps, stops('path', text)], { status: 400, text });
  }
  if (!found) {
    const there = [...new Set(entries.map(({ prefix }) => prefix.slice(site.length)))].slice(0, 5).join(', ');
    return ended([...steps, stops('path', `no service is published under ${path} of ${site}; published are ${there}`)], {
      status: 404,
      text: 'no service is published under this path of the host',
    });
  }
  const { entry } = found.table;
  steps.push(passes('path', `${found.prefix.slice(site.length)} belongs to ${entry.key}`));
  if (asked.scheme === 'http' && endsTls(entry.spec) && entry.spec.expose?.tls?.redirect && !site.startsWith(':'))
    return ended([...steps, stops('frontend', `${entry.key} sends http to https (spec.expose.tls.redirect)`)], {
      status: 308,
      service: entry.key,
      text: `redirected to https://${host}`,
    });
  const ends = targetsOf(found, asked).map(({ target, share, why }) => {
    const service = services.get(target)!;
    const own = [...(why === undefined ? [] : [passes('route', why)]), ...limitsOf(service, entry)];
    const refused = accessSteps([...new Set([service, entry])], asked, path);
    if (refused.end) return { share, steps: [...own, ...refused.steps], end: refused.end };
    const { steps: pool, end } = poolEnd(service, known);
    return { share, steps: [...own, ...refused.steps, ...pool], end };
  });
  return { replica, steps, ends };
}

const portText = (host: string): string => (host.startsWith(':') ? `port ${host.slice(1)}` : host);

const isAtStream = (service: ServiceConfig, host: string, scheme: Asked['scheme']): boolean =>
  host.startsWith(':')
    ? service.exposures.some((exposure) => exposure.kind === 'tcp' && portSite(exposure.port) === host)
    : scheme === 'https' && sniHosts(service).some((pattern) => coversHost(pattern, host));

const hasPort = (site: string, all: readonly ServiceConfig[]): boolean =>
  all.some(
    ({ exposures, clusterPort }) =>
      exposures.some((exposure) => exposure.kind === 'tcp' && portSite(exposure.port) === site) ||
      (clusterPort !== undefined && portSite(clusterPort) === site),
  );

/** The host as the maps have it: itself, or the longest wildcard that takes it in. */
function siteOf(host: string, all: readonly ServiceConfig[]): string | undefined {
  const hosts = new Set(all.flatMap((service) => webExposures(service).map((exposure) => exposure.host)));
  if (hosts.has(host)) return host;
  return [...hosts].filter((pattern) => pattern.startsWith('*.') && coversHost(pattern, host)).sort((a, b) => b.length - a.length)[0];
}

function frontendOf({ scheme }: Asked, host: string, all: readonly ServiceConfig[]): TraceStep {
  if (host.startsWith(':')) return passes('frontend', `the port ${host.slice(1)} of a service`);
  if (scheme === 'http') return passes('frontend', 'frp-http: the http port of users');
  const has = all.some((service) => service.pem !== undefined && webExposures(service).some((exposure) => coversHost(exposure.host, host)));
  return has
    ? passes('frontend', 'frp-https: the https port of users, with a certificate for this name')
    : stops('frontend', `frp-https: no service has a certificate for ${host} (spec.expose.tls), so the TLS handshake fails`);
}

/** The first service with the longest prefix has the path. */
function longestOf(entries: readonly PathEntry[], text: string): PathEntry | undefined {
  let found: PathEntry | undefined;
  for (const entry of entries) if (text.startsWith(entry.prefix) && entry.prefix.length > (found?.prefix.length ?? -1)) found = entry;
  return found;
}

/** The choice that such a request meets, with its parts; the last one is for all others. */
function targetsOf(path: PathEntry, { headers }: Asked): { target: string; share: number; why: string | undefined }[] {
  const choices = choicesAt(path);
  const isMet = (wanted: Record<string, string>) => Object.entries(wanted).every(([name, value]) => headers[name.toLowerCase()] === value);
  const first = choices.find(({ route }) => isMet(route.headers))!;
  return choices
    .filter(({ route }) => route.order === first.route.order)
    .map(({ target, route }) => ({
      target,
      share: route.share,
      why: choices.length === 1 && target === path.table.entry.key ? undefined : whyThis(target, route, choices.length),
    }));
}

function whyThis(
  target: string,
  { order, headers, share }: { order: number; headers: Record<string, string>; share: number },
  of: number,
): string {
  const wanted = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const condition = wanted.length > 0 ? `with ${wanted.join(', ')}` : of > 1 ? 'all other requests' : 'all requests';
  const part = share === 1 ? '' : `, ${Math.round(share * 100)} percent of them`;
  return `route ${order}: ${condition} go to ${target}${part}`;
}

/** Of the service that requests go to, and of the one that they came to. */
const limitsOf = (service: ServiceConfig, entry: ServiceConfig): TraceStep[] =>
  [...new Set([service, entry])].flatMap(({ key, spec }) => {
    const { requestsPerSecond, connections } = spec.security?.rateLimit ?? {};
    const limits = [
      ...(requestsPerSecond === undefined ? [] : [`${requestsPerSecond} requests a second`]),
      ...(connections === undefined ? [] : [`${connections} requests at a time`]),
    ];
    return limits.length === 0 ? [] : [passes('limit', `${key}: ${limits.join(' and ')} from one address, more get 429`)];
  });

/** Where users' credentials are. */
const credentialHeaders = ['authorization', 'x-api-key'];

/** A service that is reached by a route of another one asks for what both ask for. */
function accessSteps(
  asking: readonly ServiceConfig[],
  { roles, method, headers }: Asked,
  path: string,
): { steps: TraceStep[]; end: TraceEnd | undefined } {
  const steps: TraceStep[] = [];
  for (const { key, access, spec } of asking) {
    const report = accessReport(access);
    const who = `${key}: ${describeAccess(report)}`;
    const end = (status: number, text: string) => ({ steps, end: { status, service: key, text } });
    if (report.kind === 'unavailable') {
      steps.push(stops('access', who));
      return end(503, `who may use ${key} is not known to the gateway: ${report.reason}`);
    }
    const isGiven = roles === undefined && credentialHeaders.some((name) => headers[name] !== undefined);
    if (report.kind !== 'anybody' && isGiven) {
      steps.push(perhaps('access', `${who}; whether the credential of this request is one is not judged here`));
      if (rulesOf(spec).length > 0)
        steps.push(perhaps('rule', `${key}: its rules depend on the user's roles; say them with --role, or --authenticated for none`));
      continue;
    }
    if (report.kind !== 'anybody' && roles === undefined) {
      steps.push(stops('access', who));
      return end(401, `${key} lets in ${describeAccess(report)}, and this request has no credential`);
    }
    steps.push(passes('access', who));
    const rules = rulesOf(spec);
    if (rules.length === 0) continue;
    const verdict = verdictOf(rules, { method, path, roles: roles ?? [] });
    steps.push((verdict.allowed ? passes : stops)('rule', `${key}: ${verdict.text}`));
    if (!verdict.allowed) return end(403, verdict.text);
  }
  return { steps, end: undefined };
}

function poolEnd(service: ServiceConfig, { summaryOf, reasonsOf }: Known): { steps: TraceStep[]; end: TraceEnd } {
  const { key, spec } = service;
  if (service.mode === 'tcp' && service.access.kind === 'unavailable')
    return { steps: [stops('access', `${key}: ${service.access.reason}`)], end: { service: key, text: service.access.reason } };
  const { up, registered } = summaryOf(key);
  const reasons = reasonsOf(key);
  const pool = `${key}: ${up} of ${registered} backends up${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`;
  if (up > 0)
    return {
      steps: [passes('pool', pool)],
      end: { service: key, text: `a backend of ${key}, by ${spec.loadBalancing?.algorithm ?? 'random'}` },
    };
  const why = registered === 0 ? 'no sidecar is registered at this replica' : 'none of them is up';
  return {
    steps: [stops('pool', pool)],
    end: { ...(service.mode === 'http' && { status: 503 }), service: key, text: `no backend of ${key} is available: ${why}` },
  };
}
