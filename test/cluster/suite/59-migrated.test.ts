/** What people ran with frpc against an frps with a token: moved into a cluster, with the same frps. */
import { installed } from '../support/cluster.ts';
import { movedIn } from '../support/migrated.ts';
import { theirPodAddress } from '../support/their-frps.ts';

movedIn('moved from frpc, with the frps that was there', {
  namespace: 'frp-test-migrated',
  installed,
  entrance: theirPodAddress,
  isGateway: false,
});
