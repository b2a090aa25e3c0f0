/** What speaks against serving a service, as values. */

import type { Problem } from '../model/problem.ts';

export type { Problem };

/**
 * What became of the certificates of a service; `reason` is one word. `expiring`: one that somebody else renews is about
 * to end, and nobody has.
 */
export type CertificatesOutcome = { ready: true; expiring?: Problem } | { ready: false; reason: string; message: string };
