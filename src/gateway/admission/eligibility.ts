/** Whether a service may have members at the gateway. */
import type { Config } from '../../config/schema.ts';
import { usesGateway } from '../../model/gateway.ts';
import type { ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Identity } from '../pod-identity.ts';
import type { Patience } from './patience.ts';
import type { Eligibility } from './plugin-protocol.ts';
import { refused } from './refusals.ts';

export interface EligibilityDeps {
  services: Pick<ServiceReader, 'get' | 'waitFor'>;
  config: Config;
  patience: Pick<Patience, 'of'>;
}

/** One that has lost its host or port may: it serves nobody then, and at once when it has them (frpc would try again after 30 s). */
export async function eligibilityOf(pod: Identity, name: string, { services, config, patience }: EligibilityDeps): Promise<Eligibility> {
  const { namespace } = pod;
  const service =
    services.get(namespace, name) ?? (await services.waitFor(namespace, name, (found) => found !== undefined, patience.of(pod)));
  const what = `DistributedService ${namespace}/${name}`;
  if (!service) return refused('UnknownService', `there is no ${what}`);
  if (isEligible(service, config)) return { ok: true, service };
  if (service.metadata.deletionTimestamp !== undefined) return refused('ServiceDeleted', `${what} is being deleted`);
  return refused('NotThroughGateway', `${what} does not go through the gateway; its Pods must be made anew`);
}

/** Whether a service may have members, as far as it is known now. */
export const isEligible = (service: DistributedService | undefined, config: Config): boolean =>
  service !== undefined &&
  service.metadata.deletionTimestamp === undefined &&
  usesGateway(service.spec, config) &&
  service.spec.serviceType !== 'udp';
