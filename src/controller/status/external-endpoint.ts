/** Where users reach a service: `status.externalEndpoint`. */
import type { Config } from '../../config/schema.ts';
import { exposuresOf } from '../../model/exposure.ts';
import { usesGateway } from '../../model/gateway.ts';
import type { DistributedService } from '../../model/types.ts';
import { endsTls } from '../../model/users-certificate.ts';

/**
 * Its first exposure, as a URL or as host:port, with several ports as host:25,587; undefined for a service that is reached by
 * the routes of others only, and for a port where it is not known at which address users reach it. Where sidecars dial the
 * gateway is no address for them.
 * @param found address of the server for users, as Entrance knows it
 */
export function externalEndpointOf({ spec }: DistributedService, config: Config, found?: string): string | undefined {
  const exposures = exposuresOf(spec, config.baseDomain);
  const [exposure] = exposures;
  if (!exposure) return undefined;
  const isGateway = usesGateway(spec, config);
  switch (exposure.kind) {
    case 'http':
      return `${isGateway && endsTls(spec) ? 'https' : 'http'}://${exposure.host}${encodeURI(exposure.path)}`;
    case 'sni':
      return `${exposure.host}:443`;
    case 'tcp':
    case 'udp': {
      // A plain frp server serves users at the address where sidecars dial it.
      const address = found ?? (isGateway ? config.gateway.publicAddress : (config.frps.publicAddress ?? config.frps.address));
      const ports = exposures.flatMap((each) => ('port' in each ? [each.port] : []));
      return address === undefined ? undefined : `${address.includes(':') ? `[${address}]` : address}:${ports.join()}`;
    }
  }
}
