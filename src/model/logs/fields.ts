/**
 * Names of the fields in lines that programs read: one a request of users, one a refusal, one a decision. They stay what they
 * are; docs/reference/logs.md is made of this. Each has `event` and a `reason` of the catalogue (model/reasons).
 */

const common = {
  time: 'when the line was written, ISO 8601 in UTC, milliseconds',
  level: '`info`, `warn` or `error`',
} as const;

const ofPods = {
  cluster: 'that has joined and whose Pod it is; empty: the gateway’s own',
  namespace: 'of the service, the Pod or the object',
  service: 'name of the DistributedService',
  pod: 'name of the Pod',
} as const;

/** By field, what it says. Of a request of users; of tcp, of a connection. */
export const requestFields = {
  ...common,
  event: '`request`',
  reason: 'how it ended: one of the [reasons](reasons.md)',
  namespace: 'of the service; absent where no service was found',
  service: 'that was asked for',
  protocol: '`http` (gRPC among it) or `tcp`',
  method: 'as it was sent, at most 32 bytes; http',
  host: 'header Host as it was sent, at most 260 bytes; http',
  path: 'as it was sent, without the query string, at most 1024 bytes; http',
  query: 'the query string, at most 1024 bytes; with `gateway.accessLog.query`',
  cut: '`true` where path or query were longer than that',
  status: 'of the answer; absent where there was none, and of tcp',
  answeredBy: '`backend` or `gateway`; http',
  durationMs: 'from the end of the request’s header to the end of the answer, or of the connection',
  firstByteMs: 'until the first byte of the answer; absent where there was none, and of tcp',
  bytesIn: 'from the user, headers among them',
  bytesOut: 'to the user, headers among them',
  backend: 'address and port of the app that was asked last',
  backendService: 'where a route led to a backend of another service of the namespace: its name',
  cluster: 'of the backend, where it is in a cluster that has joined',
  retries: 'attempts beyond the first, at this replica and at the one that it was handed to',
  replica: 'of the gateway, that the user came to',
  handedTo: 'replica that took it over, because no backend of this one could',
  handedOver: '`true` of a connection that came from another replica; it has a line there, with `handedTo`, too',
  user: 'address of the user, its network alone (/24, IPv6 /48) without `gateway.accessLog.addresses: whole`',
  client: 'name that authentication gave the client: of the key, the user, or the subject of the token',
  requestId: 'header X-Request-Id of the request, at most 128 bytes, or the one that the gateway gave it',
  traceparent: 'W3C Trace Context as the backend got it, where there is one',
  msg: '`request`',
} as const;

/** Of a sidecar, a connector or the link of a cluster that the gateway turns away. */
export const refusalFields = {
  ...common,
  event: '`refusal`',
  op: 'of a sidecar `Login` (of the tunnel) or `NewProxy` (of one service in it); of a cluster `Join`, `Renew` (of its certificate) or `Link`',
  reason: 'why: one of the [reasons](reasons.md)',
  ...ofPods,
  claim: 'what the client says of itself, unproven: `proxy`, at most 300 characters, and `hostname`, at most 253',
  msg: 'why, for people',
} as const;

/** Of an admission webhook. */
export const decisionFields = {
  ...common,
  event: '`decision`',
  webhook: 'which one, by the path of its URL',
  operation: '`CREATE`, `UPDATE` or `DELETE`',
  namespace: ofPods.namespace,
  name: 'of the object, or its generateName',
  dryRun: '`true` where nothing is to happen',
  uid: 'of the review',
  decision: '`allowed`, `patched`, `skipped`, `denied`, or `failed`',
  reason: 'why: one of the [reasons](reasons.md)',
  durationMs: 'that it took',
  warnings: 'that whoever applies the object reads',
  details: 'of the decision, for people: fields that differ by webhook',
  err: 'of `failed`: type, message and stack',
  msg: 'for people',
} as const;

/** What there is not is undefined, and left out of the line. */
export type RequestLine = Readonly<Record<keyof typeof requestFields, string | number | true | undefined>>;
export type RefusalLine = Partial<Record<Exclude<keyof typeof refusalFields, keyof typeof common | 'msg'>, unknown>>;
export type DecisionLine = Partial<Record<Exclude<keyof typeof decisionFields, keyof typeof common | 'msg'>, unknown>>;
