/** Whether a service may have members at the gateway. */
import type { Config } from '../../config/schema.ts';
import type { Claims } from '../../model/claims.ts';
import { describeExposure } from '../../model/exposure.ts';
import { usesGateway } from '../../model/gateway.ts';
import type { ServiceReader } from '../../model/store.ts';
import type { Eligibility } from './plugin-protocol.ts';
import { refused } from './refusals.ts';

/** A service is created before its Pods, but its watch may be behind theirs. Milliseconds. */
const serviceWaitMs = 2000;

export interface EligibilityDeps {
  services: Pick<ServiceReader, 'waitFor'>;
  claims: Pick<Claims, 'conflictsOf'>;
  config: Config;
}

export async function eligibilityOf(namespace: string, name: string, { services, claims, config }: EligibilityDeps): Promise<Eligibility> {
  const service = await services.waitFor(namespace, name, (found) => found !== undefined, serviceWaitMs);
  const what = `DistributedService ${namespace}/${name}`;
  if (!service) return refused('UnknownService', `there is no ${what}`);
  if (service.metadata.deletionTimestamp !== undefined) return refused('ServiceDeleted', `${what} is being deleted`);
  if (!usesGateway(service.spec, config) || service.spec.serviceType === 'udp')
    return refused('NotThroughGateway', `${what} does not go through the gateway; its Pods must be made anew`);
  const [conflict] = claims.conflictsOf(service);
  if (conflict)
    return refused(
      'HostConflict',
      `${what} may not have ${describeExposure(conflict.exposure)}; its condition ConfigurationValid tells why`,
    );
  return { ok: true, service };
}
