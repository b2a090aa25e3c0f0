/** Which services go through the gateway. */
import { isIP } from 'node:net';
import type { Config } from '../config/schema.ts';
import { gatewayPodHost } from './names.ts';
import type { DistributedServiceSpec } from './types.ts';

/** Whether the installation has a gateway. */
export const hasGateway = ({ gateway }: Pick<Config, 'gateway'>): boolean => gateway.addresses.length > 0;

/** `spec.gateway`; where it says nothing, the gateway if the installation has one. */
export const usesGateway = (spec: DistributedServiceSpec, config: Pick<Config, 'gateway'>): boolean => spec.gateway ?? hasGateway(config);

export interface GatewayAddress {
  host: string;
  port: number;
}

/** HOST:PORT, as people and join tokens write it. */
export const addressText = ({ host, port }: GatewayAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** What a service's members dial: each of the gateway's replicas, or the plain frp server (undefined). */
export const serversOf = (spec: DistributedServiceSpec, config: Pick<Config, 'gateway'>): (GatewayAddress | undefined)[] =>
  usesGateway(spec, config) ? gatewayAddresses(config) : [undefined];

/** Names of the replicas by the gateway's headless Service, by ordinal. */
export const gatewayHosts = ({ gateway }: Pick<Config, 'gateway'>): string[] =>
  gateway.addresses.map((_, ordinal) => `${gatewayPodHost(ordinal)}.${gateway.namespace}.svc`);

/** URLs of the replicas' own API, by ordinal. */
export const gatewayApiUrls = ({ gateway }: Pick<Config, 'gateway'>): string[] =>
  gatewayHosts({ gateway }).map((host) => `https://${host}:${gateway.apiPort}`);

/** The names by which it is dialled, without IP addresses. */
export const gatewayNames = (config: Pick<Config, 'gateway'>): string[] => [
  ...new Set(gatewayAddresses(config).flatMap(({ host }) => (isIP(host) === 0 ? [host] : []))),
];

/** Ports that no service may claim. */
export const gatewayReservedPorts = ({
  gateway: { reservedPorts, tunnelPort, httpPort, httpsPort },
}: Pick<Config, 'gateway'>): number[] => [...new Set([...reservedPorts, tunnelPort, httpPort, httpsPort])];

/** The addresses that every sidecar dials, by ordinal of the gateway's replicas. */
export function gatewayAddresses({ gateway }: Pick<Config, 'gateway'>): GatewayAddress[] {
  return gateway.addresses.map((address) => {
    const [, host = '', port] = /^(.*?)(?::([0-9]+))?$/.exec(address) ?? [];
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? gateway.tunnelPort : Number(port) };
  });
}
