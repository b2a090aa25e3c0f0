/** How long kube-apiserver waits for a review: `?timeout=` of its URL, a Go duration. */

/** timeoutSeconds of a webhook configuration when it is absent (admissionregistration.k8s.io/v1). */
export const defaultTimeoutMs = 10_000;
/** The largest timeoutSeconds that the API server allows. */
export const longestTimeoutMs = 30_000;

const unit = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, µs: 1e-3, us: 1e-3, ns: 1e-6 } as const;
const part = /(\d+(?:\.\d+)?)(h|ms|m|s|µs|us|ns)/gy;
/** The longest that Go writes is 2562047h47m16.854775807s. */
const longestText = 32;

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
  if (text === null || text === '' || text.length > longestText) return defaultTimeoutMs;
  let total = 0;
  let read = 0;
  for (const [found, amount, name] of text.matchAll(part)) {
    total += Number(amount) * unit[name as keyof typeof unit];
    read += found.length;
  }
  return read === text.length ? Math.min(total, longestTimeoutMs) : defaultTimeoutMs;
}
