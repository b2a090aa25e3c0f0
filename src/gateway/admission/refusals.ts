import type { RefusalReason } from '../../model/reasons/tunnels.ts';
import type { Identity } from '../pod-identity.ts';

/** Why frps is told to turn a sidecar away. The reason goes into the metric and the audit log, the message to the sidecar. */

export type { RefusalReason };

export interface Refusal {
  ok: false;
  reason: RefusalReason;
  /** for people; ends in the sidecar's log */
  message: string;
  /** whom it concerns, where that was proven */
  about?: Identity & { service?: string };
}

export const refused = (reason: RefusalReason, message: string, about?: Refusal['about']): Refusal => ({
  ok: false,
  reason,
  message,
  ...(about && { about }),
});
