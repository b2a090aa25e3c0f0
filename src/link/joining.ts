/** The two requests beside the link itself: to join with a token, and to renew the certificate that came of it. */
import * as z from 'zod';

export const joinRequest = z.object({
  id: z.string().max(64),
  secret: z.string().max(128),
  /** PEM of a certificate signing request */
  request: z.string().max(8192),
  /** milliseconds since the epoch */
  now: z.number(),
});
export const renewRequest = joinRequest.pick({ request: true, now: true });

export const joinAnswer = z.object({
  /** PEM */
  certificate: z.string().max(65_536),
  /** PEM: the gateway's authority */
  authority: z.string().max(262_144),
  /** name that the gateway knows the cluster by */
  cluster: z.string().max(64),
  /** of the gateway, HOST:PORT, as sidecars dial them */
  addresses: z.array(z.string().max(300)).max(16),
  /** whether each address is that of a replica, which has links of its own; else they all lead to one gateway */
  isReplicated: z.boolean().default(false),
});

/** Of every request that is refused. */
export const refusal = z.object({ reason: z.string().max(64), message: z.string().max(2000) });

export type JoinRequest = z.infer<typeof joinRequest>;
export type JoinAnswer = z.infer<typeof joinAnswer>;
export type RenewRequest = z.infer<typeof renewRequest>;
