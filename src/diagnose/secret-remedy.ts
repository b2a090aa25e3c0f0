/** What is to be done about a Secret that a service names, and that is not there or has the wrong content. */
import { label } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import type { Probes } from './probes.ts';

/** As long as a token should be, without anything that a header cannot carry. */
const random = '"$(head -c 24 /dev/urandom | base64)"';

/** @param message of the condition @returns the command that mends the Secret which it is about; undefined where none is known */
export const secretRemedy = async (
  service: DistributedService,
  reason: string,
  message: string,
  probes: Probes | undefined,
): Promise<string | undefined> => (reason === 'SecretMissing' ? creating(service, message, probes) : replacing(service, reason, message));

/** The Secret that a message of the controller's is about: `Secret shop/tokens (spec.security.authentication.tokenSecret)…`. */
function secretIn(message: string): { namespace?: string | undefined; name?: string | undefined; field: string } {
  const [, namespace, name, field = ''] = /^Secret ([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253}) \(([A-Za-z.]{1,100})\)/.exec(message) ?? [];
  return { namespace, name, field };
}

/**
 * @param message of the condition: whether the Secret is there unlabelled, it does not know
 * @returns the command that makes it; undefined where it is there, or nobody may look
 */
async function creating({ spec }: DistributedService, message: string, probes: Probes | undefined): Promise<string | undefined> {
  const { namespace, name, field } = secretIn(message);
  if (namespace === undefined || name === undefined || !probes) return undefined;
  if (!('absent' in (await probes.secretMetadata(namespace, name)))) return undefined;
  const type = spec.security?.authentication?.type;
  return `kubectl -n ${namespace} create secret ${contentOf(field, type, name)} && kubectl -n ${namespace} label secret ${name} ${label.use}=true`;
}

function contentOf(field: string, type: string | undefined, name: string): string {
  if (field.startsWith('spec.expose.tls')) return `tls ${name} --cert=tls.crt --key=tls.key`;
  if (field.endsWith('caSecret')) return `generic ${name} --from-file=ca.crt`;
  if (type === 'oauth2') return `generic ${name} --from-literal=issuer=https://login.example.com`;
  return `generic ${name} --from-literal=${type === 'token' ? 'token' : type === 'basic' ? 'user' : 'client'}=${random}`;
}

const certificateFaults: readonly string[] = [
  'CertificateUnusable',
  'CertificateExpired',
  'CertificateExpiresSoon',
  'CertificateHostMismatch',
];

/** @param reason and @param message of the condition @returns the command that gives the Secret the right content; undefined where none is known */
function replacing({ spec }: DistributedService, reason: string, message: string): string | undefined {
  const { namespace, name, field } = secretIn(message);
  if (namespace === undefined || name === undefined) return undefined;
  if (field === 'spec.expose.tls.secretName' && certificateFaults.includes(reason))
    return `kubectl -n ${namespace} create secret ${contentOf(field, undefined, name)} --dry-run=client -o yaml | kubectl apply -f -`;
  const type = spec.security?.authentication?.type;
  if (!['CredentialsMissing', 'CredentialsUnusable'].includes(reason) || type === undefined || type === 'oauth2') return undefined;
  const [, key] = /: key "([A-Za-z0-9._-]{1,253})"/.exec(message) ?? [];
  const one = key ?? (type === 'token' ? 'token' : type === 'basic' ? 'user' : 'client');
  return `kubectl -n ${namespace} patch secret ${name} --type=merge -p '{"stringData":{"${one}":"'${random}'"}}'`;
}
