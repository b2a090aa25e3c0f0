/**
 * frpc's configuration for a connector: the backends that are no annotated Pods, each a member of the service's groups
 * exactly as a sidecar is. It is read again while frpc runs, and only the proxies that differ are touched.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import { serversOf } from '../model/gateway.ts';
import type { DistributedService } from '../model/types.ts';
import { clientSettings, proxiesOf } from './client-config.ts';
import { originMetadata } from './origins.ts';
import { backendPortsOf } from '../model/pools.ts';
import { Template, toFrpJson } from './template.ts';
import { tuningOf } from './tuning.ts';

export interface Endpoint {
  /** IP address */
  address: string;
  port: number;
  /** which of the service's targets lead there (origins.ts) */
  origins?: readonly string[];
}

/** Of frpc's admin API, inside the connector's Pod: frpc reads its file again when told there, and only there. */
const adminPort = 7400;

/** What identifies an endpoint in the names of its proxies: the same for every connector Pod of the service. */
export function endpointId({ metadata }: DistributedService, { address, port }: Endpoint): string {
  return createHash('sha256').update(`${metadata.namespace}/${metadata.name}/${address}/${port}`).digest('hex').slice(0, 12);
}

/** Last part of the names of an endpoint's proxies, in one connector Pod. */
export const backendId = (service: DistributedService, endpoint: Endpoint, podUid: string): string =>
  `${endpointId(service, endpoint)}-${podUid}`;

/**
 * The text of frpc's configuration file; equal for equal endpoints in any order. Templates as in client-config.ts.
 * @param server which of the service's servers is dialled (serversOf)
 */
export function renderConnectorConfig(service: DistributedService, endpoints: readonly Endpoint[], config: Config, server = 0): string {
  const { namespace = '' } = service.metadata;
  const gateway = serversOf(service.spec, config)[server];
  const tuning = tuningOf(service.spec, undefined, { cpu: undefined, memory: undefined });
  const members = endpoints.map((endpoint) => ({ ...endpoint, id: endpointId(service, endpoint) })).sort(byAddress);
  return toFrpJson({
    ...clientSettings({ tuning, logLevel: config.sidecar.logLevel, gateway }, config),
    // The containers of a Pod share its ports; nobody else is in it.
    webServer: {
      addr: '127.0.0.1',
      port: adminPort + server,
      user: 'frpc',
      password: new Template({ env: gateway ? 'POD_UID' : 'FRP_GROUP_KEY' }),
    },
    proxies: members.flatMap(({ address, port, id, origins }) =>
      proxiesOf(
        {
          service,
          namespace,
          localIP: address,
          localPort: port,
          gateway,
          member: [{ env: 'POD_NAME' }, `.${id}-`, { env: 'POD_UID' }],
          metadatas: metadataOf({ address, port, origins: origins ?? [] }, service),
        },
        config,
      ),
    ),
  });
}

/** Of several ports the one that the endpoint is known by may be none of a proxy's. */
function metadataOf({ port, origins }: Required<Endpoint>, { spec }: DistributedService): Record<string, string> | undefined {
  const metadata = originMetadata(origins);
  const isNamed = backendPortsOf(spec).some(({ name }) => name !== undefined);
  return isNamed ? { ...metadata, [ownPort]: String(port) } : metadata;
}

const ownPort = 'endpoint';

/** The endpoints that a configuration serves, read back from its text; none where it is not one of ours. */
export function endpointsIn(text: string): Endpoint[] {
  try {
    const { proxies } = JSON.parse(text) as { proxies: { localIP: string; localPort: number; metadatas?: Record<string, string> }[] };
    const endpoints = proxies.map(({ localIP, localPort, metadatas }): Endpoint => ({
      address: localIP,
      port: Number(metadatas?.[ownPort] ?? localPort),
    }));
    return [...new Map(endpoints.map((endpoint) => [`${endpoint.address} ${endpoint.port}`, endpoint])).values()];
  } catch {
    return [];
  }
}

/** frp gives a udp port to the first that asks. */
const byAddress = (a: Endpoint, b: Endpoint): number => {
  const [left, right] = [`${a.address}:${a.port}`, `${b.address}:${b.port}`];
  return left < right ? -1 : Number(left > right);
};
