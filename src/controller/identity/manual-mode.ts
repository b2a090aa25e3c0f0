/**
 * Certificates that the program did not make: of the user (mode manual), or of cert-manager (mode external). What is
 * wrong with one is said in one word and with its remedy; the content of a Secret without the label is never read.
 */
import { boundsProblem, isMistakable } from '../../../certs/authority-bounds.ts';
import { chainsTo, endOfChain, inspectCertificate, parseable } from '../../../certs/inspect.ts';
import { text } from '../../kube/authority-secret.ts';
import { expiryOf } from '../../kube/certificate-expiry.ts';
import type { Secret } from '../../kube/types.ts';
import { label } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { IdentityDeps } from './deps.ts';
import { metadataOf, type Refused } from './owned-secrets.ts';
import { type Checked, not, clientProblem, nameOf, iso } from './client-certificate.ts';

/** The watch tells of labelled Secrets alone: whether another is there now, a look tells. */
const lookAgainMs = 30_000;

/** `caSecret` and `certSecret` of mode manual (R2.16). */
export async function checkManual(deps: IdentityDeps, { metadata: { namespace }, spec }: DistributedService): Promise<Checked> {
  const { caSecret, certSecret } = spec.security?.mtls ?? {};
  const now = deps.clock.now();
  const later = (outcome: Refused): Checked => ({ outcome, renewAt: now + lookAgainMs });
  if (caSecret === undefined || certSecret === undefined)
    return later(
      not('SecretNotNamed', 'mode manual needs both spec.security.mtls.caSecret and spec.security.mtls.certSecret; name the Secrets'),
    );
  const ca = await labelled(deps, namespace, caSecret, 'caSecret');
  if ('refused' in ca) return later(ca.refused);
  const cert = await labelled(deps, namespace, certSecret, 'certSecret');
  if ('refused' in cert) return later(cert.refused);
  const caPem = authorityOf(ca.secret);
  const refused =
    authorityProblem(ca.secret, caPem, now) ??
    foreignNameProblem(deps, ca.secret, caPem) ??
    clientProblem(cert.secret, now) ??
    issuerProblem(cert.secret, ca.secret, caPem);
  if (refused) return later(refused);
  const expiries = [expiryOf(nameOf(cert.secret), text(cert.secret, 'tls.crt'), now), expiryOf(nameOf(ca.secret), caPem, now)];
  const expiring = expiries.find((expiry) => expiry.expiring)?.expiring;
  const renewAt = Math.min(endOfChain(text(cert.secret, 'tls.crt')), ...expiries.map(({ until }) => until));
  return { outcome: { ready: true, ...(expiring && { expiring }) }, renewAt };
}

async function labelled(
  deps: IdentityDeps,
  namespace: string | undefined,
  name: string,
  field: string,
): Promise<{ secret: Secret } | { refused: Refused }> {
  const secret = deps.userSecrets.get(namespace, name);
  if (secret) return { secret };
  const where = `Secret ${namespace}/${name} (spec.security.mtls.${field})`;
  const metadata = await metadataOf(deps.client, { name, ...(namespace === undefined ? {} : { namespace }) });
  if (!metadata) return { refused: not('SecretMissing', `${where} does not exist; create it, with the label ${label.use}: "true"`) };
  const remedy = `allow its use with: kubectl -n ${namespace} label secret ${name} ${label.use}=true`;
  return { refused: not('SecretNotLabelled', `${where} does not carry the label ${label.use}: "true", so it is not read; ${remedy}`) };
}

/** A CA is usually under `ca.crt`, and in a Secret of type kubernetes.io/tls under `tls.crt`. */
const authorityOf = (secret: Secret): string => text(secret, 'ca.crt') || text(secret, 'tls.crt');

function authorityProblem(secret: Secret, caPem: string, now: number): Refused | undefined {
  const outOfBounds = boundsProblem(caPem);
  if (outOfBounds !== undefined) return not('AuthorityTooLarge', `${nameOf(secret)}: ca.crt ${outOfBounds}; keep only the CAs that issue`);
  try {
    const { isAuthority, notAfter, commonName } = inspectCertificate(caPem);
    if (!isAuthority)
      return not('NotAnAuthority', `${nameOf(secret)}: ${commonName} is no certificate authority (CA:FALSE); put the issuer under ca.crt`);
    if (notAfter <= now)
      return not('AuthorityExpired', `${nameOf(secret)}: ${commonName} expired at ${iso(notAfter)}; put a newer CA there`);
    return undefined;
  } catch (error) {
    return not('Unreadable', `${nameOf(secret)}: key ca.crt: ${(error as Error).message}; put the CA there as PEM`);
  }
}

/** Who verifies takes the first authority of a name for the issuer, so none but the installation's may have its name. */
function foreignNameProblem({ authority }: IdentityDeps, secret: Secret, caPem: string): Refused | undefined {
  const own = parseable(authority().bundlePem);
  const taken = parseable(caPem).find((each) => own.some((other) => isMistakable(other, each)));
  if (!taken) return undefined;
  const name = JSON.stringify(taken.subject);
  return not('AuthorityNameTaken', `${nameOf(secret)}: a CA in it has the name ${name} of the installation's own; give it another name`);
}

function issuerProblem(cert: Secret, ca: Secret, caPem: string): Refused | undefined {
  if (chainsTo(text(cert, 'tls.crt'), caPem)) return undefined;
  return not(
    'WrongIssuer',
    `${nameOf(cert)}: the certificate was not issued by the CA of ${nameOf(ca)}; put its issuer into that Secret, or a certificate of that CA into this one`,
  );
}
