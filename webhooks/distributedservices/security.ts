/** Rules of `spec.security` (G-5, G-6, G-7, G-13). */
import { isObject, listOf } from '../../src/model/json.ts';
import { unreachable } from './paths.ts';
import { durationOf, type Rule } from './rule.ts';
import type { Subject } from './subject.ts';

export const securityRules: readonly Rule[] = [
  {
    id: 'G-5',
    path: 'spec.security.mtls.certSecret',
    states: 'manual mTLS needs certSecret',
    broken: ({ mtls }) => mtls.enabled === true && mtls.mode === 'manual' && mtls.certSecret === undefined,
    message: 'is required by mode "manual"; set it to a Secret with tls.crt and tls.key, or use mode: auto',
  },
  {
    id: 'G-6',
    path: 'spec.security.authentication.tokenSecret',
    states: 'authentication needs tokenSecret',
    broken: ({ authentication: { type, tokenSecret } }) => type !== undefined && type !== 'none' && tokenSecret === undefined,
    message: ({ authentication: { type } }) =>
      `is required by type "${type}"; set it to a Secret with the credentials, which carries the label frp.io/use: "true"`,
  },
  {
    id: 'G-7',
    path: 'spec.security.authorization.rules',
    states: 'authorization that is enabled needs rules',
    broken: (s) => s.authorization.enabled === true && !hasRules(s),
    message: 'is required where authorization is enabled; add a rule, or set enabled: false',
  },
  {
    id: 'G-7',
    path: 'spec.security.authorization',
    states: 'for http and grpc services only',
    broken: (s) => (s.serviceType === 'tcp' || s.serviceType === 'udp') && (s.authorization.enabled === true || hasRules(s)),
    message: ({ serviceType }) => `a ${serviceType} service has no paths and methods that rules could speak of; remove it`,
  },
  {
    id: 'design',
    path: 'spec.security.authorization.rules',
    states: 'each path is one that a request can have',
    broken: (s) => impossiblePaths(s).length > 0,
    message: (s) => `no request has such a path: ${impossiblePaths(s).slice(0, 3).join('; ')}`,
  },
  {
    id: 'G-13',
    path: 'spec.security.mtls.certRotation.beforeExpiry',
    states: 'shorter than the lifetime of certificates (configuration `certificates.lifetime`)',
    broken: ({ rotation, config }) =>
      rotation.enabled !== false && (durationOf(rotation.beforeExpiry) ?? 0) >= config.certificates.lifetime,
    message: ({ rotation, config }) =>
      `${rotation.beforeExpiry} is not shorter than the certificate's lifetime of ${inHours(config.certificates.lifetime)}, so it would be renewed without end; set a shorter time, such as 7d`,
  },
];

export const securityWarnings: readonly Rule[] = [
  {
    id: 'G-7',
    path: 'spec.security.authorization',
    states: 'authorization without authentication',
    broken: ({ authorization, authentication }) => authorization.enabled === true && (authentication.type ?? 'none') === 'none',
    message: 'knows no roles without authentication, so every rule that lists roles refuses everyone; set spec.security.authentication',
  },
  {
    id: 'design',
    path: 'spec.security.mtls.mode',
    states: 'a mode that `enabled: false` overrides',
    broken: ({ mtls }) => mtls.enabled !== true && mtls.mode !== undefined && mtls.mode !== 'auto',
    message: ({ mtls }) =>
      `"${mtls.mode}" is not used, because spec.security.mtls.enabled is not true: the tunnel is mTLS with mode auto; set enabled: true`,
  },
];

const hasRules = ({ authorization }: Subject): boolean => listOf(authorization.rules).length > 0;

/** Paths that a rule names in vain, with their index, and what to do. */
const impossiblePaths = ({ authorization }: Subject): string[] =>
  listOf(authorization.rules).flatMap((rule, index) => {
    const path = isObject(rule) && typeof rule.path === 'string' ? rule.path : '';
    const problem = unreachable(path);
    return problem === undefined ? [] : [`[${index}].path ${JSON.stringify(path.slice(0, 80))}: ${problem}`];
  });

function inHours(milliseconds: number): string {
  const hours = milliseconds / 3_600_000;
  return hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`;
}
