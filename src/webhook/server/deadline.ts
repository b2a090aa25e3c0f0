/** How long kube-apiserver waits for a review: `?timeout=` of its URL, a Go duration. */

/** timeoutSeconds of a webhook configuration when it is absent (admissionregistration.k8s.io/v1). */
export const defaultTimeoutMs = 10_000;
/** The largest timeoutSeconds that the API server allows. */
export const longestTimeoutMs = 30_000;

const unit = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, µs: 1e-3, us: 1e-3, ns: 1e-6 } as const;
const part = /(\d+(?:\.\d+)?)(h|ms|m|s|µs|us|ns)/g;
const whole = /^(?:\d+(?:\.\d+)?(?:h|ms|m|s|µs|us|ns))+$/;

let lastUrl = '';
let lastTimeout = defaultTimeoutMs;

/** As readTimeout; each webhook configuration sends one URL again and again. */
export function timeoutOf(url: string): number {
  if (url !== lastUrl) {
    lastTimeout = readTimeout(url);
    lastUrl = url;
  }
  return lastTimeout;
}

/** Milliseconds of the `timeout` in a URL such as /mutate/pods?timeout=10s; the API server's default without a valid one. */
function readTimeout(url: string): number {
  const at = url.indexOf('?');
  if (at < 0) return defaultTimeoutMs;
  const text = new URLSearchParams(url.slice(at + 1)).get('timeout');
  if (text === null || !whole.test(text)) return defaultTimeoutMs;
  let total = 0;
  for (const [, amount, name] of text.matchAll(part)) total += Number(amount) * unit[name as keyof typeof unit];
  return Math.min(total, longestTimeoutMs);
}
