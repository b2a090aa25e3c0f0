import type { StatusReason } from './reasons/status.ts';

/** What speaks against serving a service as it is written: reason and message of ConfigurationValid=False. */
export interface Problem {
  reason: StatusReason;
  message: string;
}
