/** The pools of a service (model/pools.ts), each as a service of its own: nothing that renders, balances, limits or counts knows of several. */
import { exposuresOf, type Exposure } from '../../model/exposure.ts';
import { partKey, poolsOf, type Pool } from '../../model/pools.ts';
import type { DistributedService } from '../../model/types.ts';

export interface ServicePool extends Pool {
  /** as it is rendered; the owner itself where the pool goes by its name */
  service: DistributedService;
  /** as its user wrote it: whose Secrets, endpoints and members there are */
  owner: DistributedService;
}

export const servicePoolsOf = (owner: DistributedService): ServicePool[] =>
  poolsOf(owner.spec).map((pool) => ({ ...pool, owner, service: pool.name === undefined ? owner : poolService(owner, pool.name) }));

/** What leads to a pool: of ports its own. */
export const exposuresOfPool = ({ service: { spec }, name }: ServicePool, baseDomain: string | undefined): Exposure[] =>
  exposuresOf(spec, baseDomain).filter((exposure) => 'host' in exposure || exposure.name === name);

/** With its own port alone in the list, so that it stays the same when others change. */
function poolService(owner: DistributedService, name: string): DistributedService {
  const { metadata, spec } = owner;
  const ports = spec.expose?.ports?.filter((port) => port.name === name);
  return {
    ...owner,
    metadata: { ...metadata, name: partKey(metadata.name, name) },
    spec: ports ? { ...spec, expose: { ...spec.expose, ports } } : spec,
  };
}
