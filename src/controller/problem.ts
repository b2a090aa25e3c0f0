/** What speaks against serving a service, as values. */

import type { Problem } from '../model/problem.ts';
import type { StatusReason } from '../model/reasons/status.ts';

export type { Problem };

/**
 * What became of the certificates of a service; `reason` is one word. `expiring`: one that somebody else renews is about
 * to end, and nobody has.
 */
export type CertificatesOutcome = { ready: true; expiring?: Problem } | { ready: false; reason: StatusReason; message: string };

/** What became of a service's ClusterIP Service (spec.expose.clusterService); `reason` is one word. */
export interface ClusterServiceOutcome extends Problem {
  isReady: boolean;
  /** milliseconds until it is looked at again though nothing has changed here */
  againMs?: number | undefined;
  /** where it is, or will be */
  status?: { name: string; port: number; gatewayPort: number } | undefined;
}
