/** What the parts of a service's identity need. */

import type { Log } from '../../log.ts';
import type { Authority } from '../../../certs/authority.ts';
import type { Clock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import type { ObjectStore } from '../../kube/object-store.ts';
import type { Secret } from '../../kube/types.ts';
import type { OwnedSecretsDeps } from './owned-secrets.ts';

export interface IdentityDeps extends OwnedSecretsDeps {
  config: Config;
  clock: Clock;
  log: Log;
  authority: () => Authority;
  /** PEM of who has signed the certificates of gateways elsewhere; absent or empty: there are none */
  gatewaysElsewhere?: () => string;
  /** Secrets of users that carry the label frp.io/use: "true", and no others */
  userSecrets: ObjectStore<Secret>;
}
