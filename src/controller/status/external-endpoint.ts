/** Where users reach a service: `status.externalEndpoint`. */
import type { Config } from '../../config/schema.ts';
import { exposuresOf } from '../../model/exposure.ts';
import { gatewayAddresses, usesGateway } from '../../model/gateway.ts';
import type { DistributedService } from '../../model/types.ts';

/** Its first exposure, as a URL or as host:port; undefined for a service that is reached by the routes of others only. */
export function externalEndpointOf({ spec }: DistributedService, config: Config): string | undefined {
  const [exposure] = exposuresOf(spec, config.baseDomain);
  if (!exposure) return undefined;
  const [gateway] = usesGateway(spec, config) ? gatewayAddresses(config) : [];
  const address = gateway?.host ?? config.frps.address;
  switch (exposure.kind) {
    case 'http':
      return `${gateway && spec.expose?.tls?.secretName !== undefined ? 'https' : 'http'}://${exposure.host}${exposure.path}`;
    case 'sni':
      return `${exposure.host}:443`;
    case 'tcp':
    case 'udp':
      return `${address.includes(':') ? `[${address}]` : address}:${exposure.port}`;
  }
}
