/** What speaks against serving a service, as values. */

/** What speaks against serving a service as it is written: reason and message of ConfigurationValid=False. */
export interface Problem {
  reason: string;
  message: string;
}

/**
 * What became of the certificates of a service; `reason` is one word. `expiring`: one that somebody else renews is about
 * to end, and nobody has.
 */
export type CertificatesOutcome = { ready: true; expiring?: Problem } | { ready: false; reason: string; message: string };
