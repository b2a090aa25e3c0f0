/** Whether a service may have members at the gateway. */
import type { Config } from '../../config/schema.ts';
import { usesGateway } from '../../model/gateway.ts';
import type { ServiceReader } from '../../model/store.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Eligibility } from './plugin-protocol.ts';
import { refused } from './refusals.ts';

/** A service is created before its Pods, but its watch may be behind theirs. Milliseconds. */
const serviceWaitMs = 2000;

export interface EligibilityDeps {
  services: Pick<ServiceReader, 'waitFor'>;
  config: Config;
}

/** One that has lost its host or port may: it serves nobody then, and at once when it has them (frpc would try again after 30 s). */
export async function eligibilityOf(namespace: string, name: string, { services, config }: EligibilityDeps): Promise<Eligibility> {
  const service = await services.waitFor(namespace, name, (found) => found !== undefined, serviceWaitMs);
  const what = `DistributedService ${namespace}/${name}`;
  if (!service) return refused('UnknownService', `there is no ${what}`);
  if (isEligible(service, config)) return { ok: true, service };
  if (service.metadata.deletionTimestamp !== undefined) return refused('ServiceDeleted', `${what} is being deleted`);
  return refused('NotThroughGateway', `${what} does not go through the gateway; its Pods must be made anew`);
}

/** Whether a service may have members, as far as it is known now. */
export const isEligible = ({ metadata, spec }: DistributedService, config: Config): boolean =>
  metadata.deletionTimestamp === undefined && usesGateway(spec, config) && spec.serviceType !== 'udp';
