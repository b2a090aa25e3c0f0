/** What is wrong with a Secret as the client certificate of a tunnel: one word, and the remedy. */

import { text } from '../../kube/authority-secret.ts';
import { parseCertificate, inspectCertificate, expiredIn, problemOf } from '../../../certs/inspect.ts';
import type { Secret } from '../../kube/types.ts';
import type { CertificatesOutcome } from '../problem.ts';
import type { StatusReason } from '../../model/reasons/status.ts';
import type { Refused } from './owned-secrets.ts';

export interface Checked {
  outcome: CertificatesOutcome;
  /** when to look again, milliseconds since the epoch; infinite: when something changes */
  renewAt: number;
}

export const not = (reason: StatusReason, message: string): Refused => ({ ready: false, reason, message });

export const nameOf = ({ metadata }: Secret): string => `Secret ${metadata.namespace}/${metadata.name}`;

/** What is wrong with a Secret as the client certificate of a tunnel. */
export function clientProblem(secret: Secret, now: number): Refused | undefined {
  const material = { certPem: text(secret, 'tls.crt'), keyPem: text(secret, 'tls.key') };
  const name = nameOf(secret);
  try {
    parseCertificate(material.certPem);
  } catch (error) {
    return not('Unreadable', `${name}: key tls.crt: ${(error as Error).message}; put the client certificate there as PEM`);
  }
  const { notAfter, notBefore } = inspectCertificate(material.certPem);
  if (notAfter <= now)
    return not('CertificateExpired', `${name}: the certificate expired at ${iso(notAfter)}; replace tls.crt and tls.key with newer ones`);
  const intermediate = expiredIn(material.certPem, now);
  if (intermediate)
    return not(
      'CertificateExpired',
      `${name}: the intermediate ${intermediate.commonName} in tls.crt expired at ${iso(intermediate.notAfter)}; put its successor there`,
    );
  if (notBefore > now)
    return not('NotYetValid', `${name}: the certificate is not valid before ${iso(notBefore)}; wait, or replace tls.crt and tls.key`);
  const keyProblem = problemOf(material, { now });
  if (keyProblem !== undefined) return not('KeyMismatch', `${name}: ${keyProblem}; put the key of this certificate under tls.key, as PEM`);
  const usageProblem = problemOf(material, { now, usage: 'clientAuth' });
  if (usageProblem !== undefined)
    return not('WrongUsage', `${name}: ${usageProblem}; the frp server refuses it, so have one issued for clientAuth`);
  return undefined;
}

export const iso = (time: number): string => new Date(time).toISOString();
