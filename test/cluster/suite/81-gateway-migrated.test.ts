/** What people ran with frpc against an frps with a token: moved into a cluster, and to the gateway; udp stays with that frps. */
import { gatewayInstalled, replicaAddress } from '../support/gateway.ts';
import { movedIn } from '../support/migrated.ts';

movedIn('moved from frpc, to the gateway', {
  namespace: 'gateway-migrated',
  installed: gatewayInstalled,
  entrance: () => replicaAddress(0),
  isGateway: true,
});
