/** Configuration keys `gateway.accessLog` and `gateway.tracing`: what the gateway tells of each request of users. */
import * as z from 'zod';

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

export const tracingSchema = z
  .strictObject({
    /** of a collector that takes OTLP/HTTP in JSON; without a path it is /v1/traces */
    endpoint: z.string().refine(isCollector, 'must be a URL such as http://otel-collector.observability:4318, without user and password'),
    /** part of the requests that are sampled, of those that do not say it themselves by the header traceparent; 0 to 1 */
    ratio: z.number().min(0).max(1).default(0.01),
  })
  .optional();

function isCollector(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username === '' && password === '';
}
