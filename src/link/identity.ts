/** What the certificates of the two ends of a link say. Both are of the gateway's authority. */
import { inspectCertificate } from '../../certs/inspect.ts';

/** Name that the gateway's end has, whatever address leads to it. */
export const gatewayName = 'gateway.link.frp-k8s.internal';
const clusterSuffix = '.cluster.link.frp-k8s.internal';

/** Name in the certificate of a cluster. @param id of its joining, of digits and lower-case letters */
export const clusterDnsName = (id: string): string => `${id}${clusterSuffix}`;

/** The id of the joining that a certificate is of; undefined for one that opens no link. */
export function clusterIdIn(certPem: string): string | undefined {
  const name = inspectCertificate(certPem).dnsNames.find((each) => each.endsWith(clusterSuffix));
  return name?.slice(0, -clusterSuffix.length);
}

/** How long a cluster's certificate lasts, and from what is left of it on it is renewed. Milliseconds. */
export const certificateLifetimeMs = 30 * 86_400_000;
export const renewBeforeMs = 10 * 86_400_000;
