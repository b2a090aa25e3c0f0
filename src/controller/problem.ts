/** What speaks against serving a service, as values. */

/** What speaks against serving a service as it is written: reason and message of ConfigurationValid=False. */
export interface Problem {
  reason: string;
  message: string;
}

/** What became of the Secrets of a service; `reason` is one word. */
export type CertificatesOutcome = { ready: true } | { ready: false; reason: string; message: string };
