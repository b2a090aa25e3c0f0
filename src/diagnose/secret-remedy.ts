/** What is to be done about a Secret that a service names: whether it is there unlabelled, the condition does not know. */
import { label } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import type { Probes } from './probes.ts';

/** As long as a token should be, without anything that a header cannot carry. */
const random = '"$(head -c 24 /dev/urandom | base64)"';

/** @param message of the condition @returns the command that makes it; undefined where it is there, or nobody may look */
export async function creating({ spec }: DistributedService, message: string, probes: Probes | undefined): Promise<string | undefined> {
  const [, namespace, name, field = ''] = /^Secret ([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253}) \(([A-Za-z.]{1,100})\)/.exec(message) ?? [];
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
