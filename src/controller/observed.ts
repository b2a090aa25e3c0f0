/** What the controller knows, for people who look on: values of this moment, and nothing that is secret but the way to the gateway. */
import { Expiries, type Expiry } from '../../certs/expiries.ts';
import type { Config } from '../config/schema.ts';
import type { Credentials } from '../frp/server-api.ts';
import { text } from '../kube/authority-secret.ts';
import type { ObjectStore } from '../kube/object-store.ts';
import type { Secret } from '../kube/types.ts';
import type { LinkState } from '../link/held-link.ts';
import { gatewayApiUrls } from '../model/gateway.ts';
import { label } from '../model/names.ts';
import { hasOwnGateway } from './gateway-place.ts';
import { replicaAuthorityIn } from './gateway-secrets/replica-identity.ts';
import { credentialsIn } from './identity/api-credentials.ts';

/** How the replicas of the gateway in this cluster are asked (gateway/api). */
export interface GatewayWay {
  urls: string[];
  credentials: Credentials | undefined;
  /** PEM; undefined while it is not known */
  authorityPem: string | undefined;
}

export interface Observed {
  /** soonest end first is the reader's to make */
  certificates: () => Expiry[];
  /** to gateways elsewhere, of the replica that leads; others have none */
  links: () => { gateway: string; state: LinkState }[];
  /** undefined: there is none in this cluster */
  gateway: () => GatewayWay | undefined;
}

interface ObservedDeps {
  config: Config;
  /** those that this program made, and those of users */
  secrets: ObjectStore<Secret>;
  userSecrets: ObjectStore<Secret>;
}

export function observedOf(deps: ObservedDeps, links: Observed['links']): Observed {
  const { config, secrets, userSecrets } = deps;
  const expiries = new Expiries();
  return {
    links,
    certificates: () => expiries.of([...secrets.all(), ...userSecrets.all()].flatMap(certificateIn)),
    gateway: () =>
      hasOwnGateway(deps)
        ? {
            urls: gatewayApiUrls(config),
            credentials: credentialsIn(secrets, config.namespace),
            authorityPem: replicaAuthorityIn(secrets, config),
          }
        : undefined,
  };
}

/** Copies for the gateway have what is in their originals. */
function certificateIn(secret: Secret): [string, string][] {
  const { namespace, name, labels } = secret.metadata;
  if (labels?.[label.gatewayCopy] !== undefined || secret.data?.['tls.crt'] === undefined) return [];
  return [[`Secret ${namespace}/${name}`, text(secret, 'tls.crt')]];
}
