/**
 * Where the addresses that a connector dials come from: entries of `spec.backends.endpoints`, or the name of mode `dns`.
 * The controller, which resolves names, knows it. It goes with a member's proxy as metadata, which frps' API gives back, so
 * the gateway's agent knows whose weight a member has. The weight itself does not go with it: what is in a proxy cannot
 * change without a new registration.
 */
import { createHash } from 'node:crypto';
import type { DistributedService } from '../model/types.ts';

/** What a user named. */
export interface Target {
  host: string;
  port: number;
  weight?: number;
}

/** What the connector of a service dials; none where selected Pods are the backends. */
export function targetsOf({ spec: { backends }, metadata: { name, namespace = '' } }: DistributedService): readonly Target[] {
  const { endpoints, discovery } = backends;
  if (endpoints) return endpoints;
  return discovery?.mode === 'dns' ? [{ host: discovery.name ?? `${name}.${namespace}.svc`, port: discovery.port ?? 0 }] : [];
}

/** Identifies a target within its service. */
export const originOf = ({ host, port }: Target): string => createHash('sha256').update(`${host} ${port}`).digest('hex').slice(0, 12);

const key = 'origins';
/** As many as a service may have endpoints. */
const most = 256;

/** `metadatas` of a proxy: equal for equal origins in any order; undefined without any. */
export const originMetadata = (origins: readonly string[]): Record<string, string> | undefined =>
  origins.length === 0 ? undefined : { [key]: [...new Set(origins)].sort().join(',') };

/** The origins in a proxy's metadata. It is the client's word: of right form, and no more than that. */
export function originsIn(metadata: unknown): string[] {
  const text = (metadata as Record<string, unknown> | null | undefined)?.[key];
  if (typeof text !== 'string') return [];
  return [...new Set(text.slice(0, 13 * most).split(','))].filter((origin) => /^[0-9a-f]{12}$/.test(origin));
}
