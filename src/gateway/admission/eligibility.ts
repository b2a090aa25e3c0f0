/** Whether a service may have members at the gateway. */
import type { ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Identity } from '../pod-identity.ts';
import type { Patience } from './patience.ts';
import type { Eligibility } from './plugin-protocol.ts';
import { refused } from './refusals.ts';

export interface EligibilityDeps {
  services: Pick<ServiceReader, 'get' | 'waitFor'>;
  patience: Pick<Patience, 'of'>;
}

/** One that has lost its host or port may: it serves nobody then, and at once when it has them (frpc would try again after 30 s). */
export async function eligibilityOf(pod: Identity, name: string, { services, patience }: EligibilityDeps): Promise<Eligibility> {
  const { namespace } = pod;
  const service =
    services.get(namespace, name) ?? (await services.waitFor(namespace, name, (found) => found !== undefined, patience.of(pod)));
  const what = `DistributedService ${namespace}/${name}`;
  if (!service) return refused('UnknownService', `there is no ${what}`);
  if (isEligible(service)) return { ok: true, service };
  if (service.metadata.deletionTimestamp !== undefined) return refused('ServiceDeleted', `${what} is being deleted`);
  return refused('NotThroughGateway', `${what} does not go through the gateway; its Pods must be made anew`);
}

/**
 * Whether a service may have members, as far as it is known now. One that has left the gateway for a plain frp server may: its
 * Pods go there when they restart, and until then a sidecar that dials again serves as before.
 */
export const isEligible = (service: DistributedService | undefined): boolean =>
  service !== undefined && service.metadata.deletionTimestamp === undefined && service.spec.serviceType !== 'udp';
