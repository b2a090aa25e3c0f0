/** Rules of what goes through the gateway: TLS, routes, limits, and what it cannot do (issue 5 items 3, 4 and 6). */
import { exposuresOf, isRoutedOnly, type Exposure } from '../../src/model/exposure.ts';
import { usesGateway } from '../../src/model/gateway.ts';
import { usersCertificateName } from '../../src/model/names.ts';
import { endsTls, issuerProblem } from '../../src/model/users-certificate.ts';
import type { Finding } from '../../src/model/findings.ts';
import { isObject, listOf } from '../../src/model/json.ts';
import { unreachable } from './paths.ts';
import type { Rule } from './rule.ts';
import type { Subject } from './subject.ts';

export const gatewayRules: readonly Rule[] = [
  {
    id: 'design',
    path: 'spec.gateway',
    states: 'a udp service does not use the gateway',
    broken: ({ serviceType, spec, config }) => serviceType === 'udp' && usesGateway(spec, config),
    message: 'the gateway serves no udp; set it to false, for the plain frp server',
  },
  {
    id: 'design',
    path: 'spec.expose.tls',
    states: 'a service that is exposed by host name',
    broken: (s) => s.tls !== undefined && s.serviceType !== undefined && !exposures(s).some((exposure) => 'host' in exposure),
    message: 'needs a host name, which its certificate is for; set spec.expose.domain, or remove it',
  },
  {
    id: 'design',
    path: 'spec.expose.tls.secretName',
    states: '`redirect` needs it, or `issuerRef`',
    broken: ({ tls }) => tls?.redirect === true && tls.secretName === undefined && tls.issuerRef === undefined,
    message: 'is required by redirect: requests cannot be sent to https without a certificate; set it or issuerRef, or remove redirect',
  },
  {
    id: 'design',
    path: 'spec.expose.tls.issuerRef',
    states: 'not beside `secretName`',
    broken: ({ tls }) => tls?.issuerRef !== undefined && tls.secretName !== undefined,
    message: ({ name }) =>
      `cannot be used with secretName: cert-manager writes the certificate into Secret ${usersCertificateName(name)}; remove one of the two`,
  },
  {
    id: 'design',
    path: 'spec.expose.tls.issuerRef',
    states: 'an Issuer of the namespace, or one that the configuration lists for it; never the issuer of client certificates',
    broken: (s) => issuerFinding(s) !== undefined,
    message: (s) => issuerFinding(s)!,
  },
  {
    id: 'design',
    path: 'spec.expose.proxyProtocol',
    states: 'for http and tcp services only',
    broken: ({ expose, serviceType }) => expose.proxyProtocol !== undefined && (serviceType === 'grpc' || serviceType === 'udp'),
    message: ({ serviceType }) =>
      serviceType === 'grpc'
        ? 'cannot be used with grpc: one connection to a backend carries the calls of many users; read the header X-Forwarded-For'
        : 'cannot be used with udp; remove it',
  },
  {
    id: 'design',
    path: 'spec.security.authentication',
    states: 'for http and grpc services only, and for grpc by host name only with `expose.tls`',
    broken: (s) => unreadable(s) !== undefined && (s.authentication.type ?? 'none') !== 'none',
    message: (s) => unreadable(s)!,
  },
  {
    id: 'design',
    path: 'spec.security.rateLimit',
    states: 'at least one limit',
    broken: ({ rateLimit }) => rateLimit !== undefined && rateLimit.requestsPerSecond === undefined && rateLimit.connections === undefined,
    message: 'limits nothing; set requestsPerSecond or connections, or remove it',
  },
  {
    id: 'R1.47',
    path: 'spec.metrics',
    states: 'for http services only, and not with `expose.proxyProtocol`',
    broken: ({ metrics, serviceType, expose }) =>
      metrics !== undefined && serviceType !== undefined && (serviceType !== 'http' || expose.proxyProtocol !== undefined),
    message: ({ serviceType }) =>
      serviceType === 'http'
        ? 'cannot be asked for, because the backends expect the PROXY protocol; remove it, or spec.expose.proxyProtocol'
        : `a page is asked for by HTTP, which the port of a ${serviceType} service does not speak; remove it`,
  },
  {
    id: 'R1.29',
    path: 'spec.routes',
    states: 'for http and grpc services only',
    broken: ({ routes, serviceType }) => routes.length > 0 && (serviceType === 'tcp' || serviceType === 'udp'),
    message: ({ serviceType }) => `a ${serviceType} service has no requests that routes could tell apart; remove it`,
  },
  {
    id: 'R1.29',
    path: 'spec.routes',
    states:
      'each route names groups, each once, with a weight above 0, and a path and headers that a request can have; only the last one matches everything',
    broken: (s) => routeProblems(s).length > 0,
    message: (s) => routeProblems(s).slice(0, 5).join('; '),
  },
];

export const gatewayWarnings: readonly Rule[] = [
  {
    id: 'W-1',
    path: 'spec.advanced.retry.backoff',
    states: '`linear`, through the gateway; `exponential` is the default, which nobody may have written',
    broken: ({ retry, spec, config }) => usesGateway(spec, config) && retry?.enabled !== false && retry?.backoff === 'linear',
    message:
      '"linear" is not applied: the gateway tries another backend at once, and the same one after a second; attempts are limited by maxAttempts',
  },
  {
    id: 'design',
    path: 'spec.expose',
    states: 'no host name, through the gateway: the routes of other services are the only way to it',
    broken: ({ spec, config, serviceType, expose }) =>
      serviceType !== undefined && usesGateway(spec, config) && isRoutedOnly(spec) && expose.clusterService === undefined,
    message: 'names no host, so users reach the service only by spec.routes of another one; set domain for an address of its own',
  },
];

/** A service that leaves a plain frp server for the gateway, or the reverse: its Pods follow when they restart. */
export function moves(stored: Subject, { namespace, spec, config }: Subject): Finding[] {
  const isGateway = usesGateway(spec, config);
  if (usesGateway(stored.spec, config) === isGateway) return [];
  const [to, from] = isGateway ? ['the gateway', 'the plain frp server'] : ['the plain frp server', 'the gateway'];
  const message =
    `moves the service to ${to}; its Pods serve at ${from} until they restart: kubectl -n ${namespace} rollout restart …; ` +
    'to move without a gap see docs/guide/gateway.md, "Moving a service"';
  return [{ path: 'spec.gateway', message }];
}

/** Groups that routes name and nobody has made yet: they may come later. */
export function missingGroups({ routes, namespace, name: own }: Subject, exists: (key: string) => boolean): Finding[] {
  const named = routes.flatMap(({ groups }) => listOf(groups).filter(isObject)).map((group) => String(group.name));
  const absent = [...new Set(named)].filter((name) => name !== own && !exists(`${namespace}/${name}`));
  if (absent.length === 0) return [];
  const listed = absent.length === 1 ? `"${absent[0]}"` : `"${absent[0]}" and ${absent.length - 1} more`;
  return [
    {
      path: 'spec.routes',
      message: `there is no DistributedService ${listed} in the namespace yet; until there is, the other groups of a route answer, or else the own backends`,
    },
  ];
}

const issuerFinding = ({ tls, namespace, config }: Subject): string | undefined =>
  typeof tls?.issuerRef?.name === 'string' ? issuerProblem(tls.issuerRef, namespace, config) : undefined;

/** None where the schema or another rule refuses what they are of. */
export const exposures = ({ spec, config }: Subject): Exposure[] => exposuresOf(spec, config.baseDomain) ?? [];

/** Why the gateway cannot see who sends a request. */
export function unreadable(subject: Subject): string | undefined {
  const { serviceType, tls } = subject;
  if (serviceType === 'tcp' || serviceType === 'udp')
    return `a ${serviceType} service has no requests that could be looked into; remove it`;
  if (serviceType !== 'grpc' || (tls !== undefined && endsTls(subject.spec)) || !exposures(subject).some(({ kind }) => kind === 'sni'))
    return undefined;
  return 'cannot be checked, because TLS passes through to the backends; set spec.expose.tls.secretName to have it end in the gateway';
}

function routeProblems({ routes }: Subject): string[] {
  return routes.flatMap((route, index) => {
    const groups = listOf(route.groups).filter(isObject);
    const names = groups.map((group) => String(group.name));
    const twice = names.find((group, at) => names.indexOf(group) !== at);
    const told: string[] = [];
    const pathProblem = unreachable(String(route.path ?? '/'));
    if (pathProblem !== undefined)
      told.push(`path ${JSON.stringify(String(route.path).slice(0, 80))}: no request has such a path: ${pathProblem}`);
    if (groups.length === 0) told.push('groups is empty; name at least one DistributedService');
    else if (groups.every(({ weight }) => weight === 0)) told.push('every weight is 0, so nobody would answer; raise one');
    if (twice !== undefined) told.push(`group "${twice}" is named twice; add the weights up`);
    const odd = Object.keys(isObject(route.headers) ? route.headers : {}).find((name) => !/^[A-Za-z0-9_-]{1,128}$/.test(name));
    if (odd !== undefined) told.push(`${JSON.stringify(odd.slice(0, 40))} is no header; use letters, digits, _ and -, up to 128 of them`);
    const isLast = index === routes.length - 1;
    if (route.path === undefined && Object.keys(isObject(route.headers) ? route.headers : {}).length === 0 && !isLast)
      told.push('has neither path nor headers, so it matches everything and the routes after it never act; move it to the end');
    return told.map((text) => `[${index}] ${text}`);
  });
}
