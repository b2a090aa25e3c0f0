/** Configuration keys `gateway.accessLog` and `gateway.tracing`: what the gateway tells of each request of users. */
import { z } from 'zod';

export const accessLogSchema = z
  .strictObject({
    /** a line of JSON for each request, on the standard output of container agent (docs/reference/logs.md) */
    enabled: z.boolean().default(false),
    /** with the query string, which may hold personal data and secrets */
    query: z.boolean().default(false),
    /** of users: `short` is their network alone (IPv4 /24, IPv6 /48) */
    addresses: z.enum(['short', 'whole']).default('short'),
  })
  .prefault({});
