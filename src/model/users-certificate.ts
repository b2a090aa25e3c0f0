/** The certificate for users: the Secret that it is in, and who may issue it where cert-manager makes it. */
import type { Config } from '../config/schema.ts';
import { usersCertificateName } from './names.ts';
import type { DistributedServiceSpec } from './types.ts';

export type IssuerRef = NonNullable<NonNullable<NonNullable<DistributedServiceSpec['expose']>['tls']>['issuerRef']>;
/** As cert-manager names an issuer, with its defaults. */
export type Issuer = Required<Config['certificates']['issuer']>;

/** The Secret of the service's namespace with the certificate for users; undefined: the gateway has none for them. */
export function usersSecretOf(name: string, { expose }: DistributedServiceSpec): string | undefined {
  return expose?.tls?.secretName ?? (expose?.tls?.issuerRef && usersCertificateName(name));
}

/** Whether TLS of users ends in the gateway. */
export const endsTls = ({ expose }: Pick<DistributedServiceSpec, 'expose'>): boolean =>
  expose?.tls?.secretName !== undefined || expose?.tls?.issuerRef !== undefined;

export const issuerOf = ({ name, kind = 'Issuer', group = 'cert-manager.io' }: IssuerRef): Issuer => ({ name, kind, group });

/** For people: `ClusterIssuer letsencrypt`; of another group than cert-manager's own `Issuer.example.com step`. */
export const describeIssuer = ({ name, kind, group }: Issuer): string => `${kind}${group === 'cert-manager.io' ? '' : `.${group}`} ${name}`;

const isSame = (a: Issuer, b: Issuer): boolean => a.name === b.name && a.kind === b.kind && a.group === b.group;

/**
 * Why a service of the namespace may not have its certificate from the issuer; undefined: it may. The issuer of client
 * certificates opens tunnels, so users' certificates never come from it; in the installation's own namespaces are
 * issuers of its own. An Issuer of cert-manager's is its namespace's; all others an administrator lists.
 */
export function issuerProblem(reference: IssuerRef, namespace: string, config: Config): string | undefined {
  const issuer = issuerOf(reference);
  const named = describeIssuer(issuer);
  const { issuer: own, usersIssuers } = config.certificates;
  if (isSame(issuer, own))
    return `${named} issues the client certificates of tunnels (configuration certificates.issuer), and none for users; name another issuer`;
  if ([config.namespace, config.gateway.namespace].includes(namespace))
    return `issuers of namespace ${namespace} belong to the installation; put the service into a namespace of its own`;
  const listed = usersIssuers.filter((each) => isSame(each, issuer));
  if (listed.some(({ namespaces }) => namespaces.length === 0 || namespaces.includes(namespace))) return undefined;
  if (listed.length > 0)
    return `${named} is not for namespace ${namespace} (configuration certificates.usersIssuers); have an administrator add the namespace there, or name an Issuer of the namespace`;
  if (issuer.kind === 'Issuer' && issuer.group === 'cert-manager.io') return undefined;
  return `${named} is not listed for users' certificates; have an administrator add it to certificates.usersIssuers of the configuration, or name an Issuer of the namespace`;
}

/** Whether token and key authorization of a challenge (RFC 8555, 8.1 and 8.3) are base64url of a bounded length. */
export const isChallengeAnswer = (token: string, key: string): boolean =>
  /^[A-Za-z0-9_-]{1,128}$/.test(token) && /^[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{1,128}$/.test(key);
