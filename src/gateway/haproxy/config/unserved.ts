/**
 * How sections of the same process, and replicas, tell each other that an attempt at a request has failed and that another
 * one may follow: status 425 (RFC 8470), and the status that a user gets where none follows in a header. `svc-…` alone
 * reads it (failover.ts), so it never reaches a user.
 */
import { hasRequestTime, type ServiceConfig } from './service-config.ts';

/** Conditions in `be-…`: an attempt after those that the service allows; one after which there is none. */
export const isAgain = '{ var(txn.again) -m bool }';
export const isFinal = '{ var(txn.final) -m bool }';

/**
 * Of a section with servers: answers of HAProxy's own that may be followed by another attempt elsewhere. A request that no
 * backend has received may always be.
 * @param repeatable condition of requests that may be sent again although a backend has received them; empty: none
 * @param isSlowAgain whether those too whose backend did not answer in time
 */
export const unservedLines = (repeatable: string, isSlowAgain = true): string[] => {
  const own = '!{ var(txn.answered) -m bool }';
  const conditions: [condition: string, unless: string][] = [
    [`{ status 503 } ${own}`, isFinal],
    ...(repeatable === '' ? [] : [[`{ status 502${isSlowAgain ? ' 504' : ''} } ${own} ${repeatable}`, isAgain] satisfies [string, string]]),
  ];
  return [
    'http-response set-var(txn.answered) bool(true)',
    ...conditions.flatMap(([condition, unless]) => [
      `http-after-response set-header X-Frp-Unserved %[status] if ${condition}`,
      `http-after-response set-status 425 if ${condition} !${unless}`,
    ]),
  ];
};

export const always = '{ always_true }';
/** That a second time can do no harm: RFC 9110, 9.2.2. */
const isIdempotent = '{ method GET HEAD OPTIONS PUT DELETE }';

/**
 * Of a section that `svc-…` asks: each request has a connection of its own. After an attempt that nobody answered HAProxy
 * answers the first request of a connection; of any later one it closes the connection, for the client to try again.
 */
export const oneRequest = 'option httpclose';

export interface Attempts {
  /** in all */
  most: number;
  /** that `be-…` may make; the last one of three or more is another replica's, or made later where there is none */
  here: number;
  /** condition of requests that may be sent again although a backend has received them, at these attempts */
  repeatable: string;
  /** the same elsewhere, after these; empty: none */
  repeatableElsewhere: string;
  /** whether one whose backend did not answer in time may be */
  isSlowAgain: boolean;
}

export function attemptsOf(service: ServiceConfig): Attempts {
  const { retry } = service.spec.advanced ?? {};
  const most = retry?.enabled === false ? 1 : (retry?.maxAttempts ?? 3);
  const here = most >= 3 ? most - 1 : most;
  const repeatable = retry?.nonIdempotent === true ? always : isIdempotent;
  return { most, here, repeatable, repeatableElsewhere: here < most ? repeatable : '', isSlowAgain: !hasRequestTime(service) };
}
