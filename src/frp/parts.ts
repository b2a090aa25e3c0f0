/** What the proxies of a member are for: one address of users each, or one port of the member. A hash of it is in the name of each. */
import { createHash } from 'node:crypto';
import { describeExposure, exposuresOf, type Exposure } from '../model/exposure.ts';
import { poolsOf } from '../model/pools.ts';
import { describePort } from '../model/ports.ts';
import type { DistributedServiceSpec } from '../model/types.ts';

/** One of the addresses at which users come, for people, and where it is among several ports its name. */
export interface ServedPart {
  /** `port 143 (imap)`, `app.example.com/v1` */
  at: string;
  port?: string;
}

/** What the proxies of a member are for, by the hash in the name of each: on the gateway one for each port that takes users. */
export function partsOf(spec: DistributedServiceSpec, isGateway: boolean, baseDomain: string | undefined): Map<string, ServedPart> {
  if (!isGateway)
    return new Map(
      exposuresOf(spec, baseDomain).map((exposure): [string, ServedPart] => {
        const key = agreement(endpointOf(exposure));
        if (!('port' in exposure) || exposure.name === undefined) return [key, { at: describeExposure(exposure) }];
        const { port, name } = exposure;
        return [key, { at: describePort({ port, name }), port: name }];
      }),
    );
  const ports = new Map(poolsOf(spec).map(({ backendPort, port }) => [backendPort, port ?? 0]));
  return new Map(
    [...ports].map(([name, port]): [string, ServedPart] => [
      gatewayAgreement(name),
      name === undefined ? { at: 'its port' } : { at: describePort({ port, name }), port: name },
    ]),
  );
}

/** What the proxy of an exposure says of it, in frp's words. */
export function endpointOf(exposure: Exposure): object {
  switch (exposure.kind) {
    case 'http':
      return { type: 'http', customDomains: [exposure.host], locations: [exposure.path] };
    case 'sni':
      return { type: 'https', customDomains: [exposure.host] };
    case 'tcp':
    case 'udp':
      return { type: exposure.kind, remotePort: exposure.port };
  }
}

/** Hash of what all members of an frp group must agree on, so that a changed exposure coexists with the old one. */
export function agreement(endpoint: object): string {
  return createHash('sha256').update(JSON.stringify(endpoint)).digest('hex').slice(0, 8);
}

/** The same of a tunnel to the gateway. @param port name of the member's port, where it has several */
export const gatewayAgreement = (port: string | undefined): string => agreement({ type: 'tcp', port });
