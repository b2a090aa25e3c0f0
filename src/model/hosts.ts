/** Host names, where `*.example.com` stands for every name below example.com, at any depth, as frp reads it. */
import { getPublicSuffix } from 'tldts';

/** Whether every name of `host` is one of `pattern`. */
export function coversHost(pattern: string, host: string): boolean {
  return pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
}

/** Whether some name belongs to both. */
export const hostsOverlap = (a: string, b: string): boolean => coversHost(a, b) || coversHost(b, a);

/** The domains that a host is below, nearest first: `a.b.c` is below `b.c` and `c`, and so is `*.b.c`. */
export function domainsAbove(host: string): string[] {
  const labels = host.split('.');
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join('.'));
}

/** Whether names below it belong to different owners: `com`, `co.uk`, `github.io` (publicsuffix.org), and any single label. */
export const isPublicSuffix = (domain: string): boolean =>
  getPublicSuffix(domain, { allowPrivateDomains: true, validateHostname: false, detectIp: false }) === domain;
