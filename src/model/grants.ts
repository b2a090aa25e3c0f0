/** Hosts and ports that the configuration gives to namespaces (design, "Tenancy"; configuration `exposure[]`). */
import type { Config } from '../config/schema.ts';
import type { Exposure } from './exposure.ts';
import { coversHost, hostsOverlap, isPublicSuffix } from './hosts.ts';

export type Grants = Config['exposure'];

/** How an exposure of a namespace stands to the grants. */
export type Eligibility =
  | { kind: 'granted' }
  /** no grant speaks of it: the oldest service decides */
  | { kind: 'free' }
  /** a grant gives it, or a part of it, to others */
  | { kind: 'refused'; namespaces: string[] }
  /** nobody has it without a grant */
  | { kind: 'reserved'; because: Reserved };

export type Reserved = 'publicSuffix' | 'baseDomain';

/** @param baseDomain of the installation */
export function eligibilityOf(grants: Grants, namespace: string, exposure: Exposure, baseDomain: string | undefined): Eligibility {
  const relevant = grants.filter((grant) => touches(grant, exposure));
  if (relevant.length === 0) return withoutGrant(exposure, baseDomain);
  if (relevant.some((grant) => grant.namespaces.includes(namespace) && gives(grant, exposure))) return { kind: 'granted' };
  return { kind: 'refused', namespaces: [...new Set(relevant.flatMap(({ namespaces }) => namespaces))].sort() };
}

/** A host that takes in names of many owners is nobody's: `*.com`, the base domain, and every name below or around it. */
function withoutGrant(exposure: Exposure, baseDomain: string | undefined): Eligibility {
  if (!('host' in exposure)) return { kind: 'free' };
  const { host } = exposure;
  if (host.startsWith('*.') && isPublicSuffix(host.slice(2))) return { kind: 'reserved', because: 'publicSuffix' };
  const takesBase = baseDomain !== undefined && (coversHost(host, baseDomain) || coversHost(host, `*.${baseDomain}`));
  return takesBase ? { kind: 'reserved', because: 'baseDomain' } : { kind: 'free' };
}

type Grant = Grants[number];

function touches({ hosts, ports }: Grant, exposure: Exposure): boolean {
  return 'host' in exposure ? hosts.some((host) => hostsOverlap(host, exposure.host)) : ports.some((range) => holds(range, exposure.port));
}

function gives({ hosts, ports }: Grant, exposure: Exposure): boolean {
  return 'host' in exposure ? hosts.some((host) => coversHost(host, exposure.host)) : ports.some((range) => holds(range, exposure.port));
}

/** @param range a port, or two with a hyphen between */
function holds(range: string, port: number): boolean {
  const [first, last = first] = range.split('-').map(Number);
  return port >= first! && port <= last!;
}
