/** Certificates that somebody else renews, and when it is time to say that nobody has. */
import { inspectCertificate } from '../../certs/inspect.ts';
import type { Problem } from '../model/problem.ts';

const week = 7 * 86_400_000;

/** What is left of a life when its end is near: a week, and of short lives the last quarter. Milliseconds. */
const near = ({ notBefore, notAfter }: { notBefore: number; notAfter: number }): number => Math.min(week, (notAfter - notBefore) / 4);

/**
 * @param where names the Secret and the field
 * @param certPem a certificate that can be parsed, and has not ended
 * @returns what to say where its end is near, and when that changes (milliseconds since the epoch)
 */
export function expiryOf(where: string, certPem: string, now: number): { expiring?: Problem; until: number } {
  const life = inspectCertificate(certPem);
  const soonAt = life.notAfter - near(life);
  if (now < soonAt) return { until: soonAt };
  const end = new Date(life.notAfter).toISOString();
  const message = `${where}: the certificate of ${life.commonName || life.dnsNames.join(', ')} ends at ${end}; have it renewed before`;
  return { expiring: { reason: 'CertificateExpiresSoon', message }, until: life.notAfter };
}
