/** What the clusters that have joined are told, as the agent of this process knows it. */
import type { GatewayAgent } from './agent.ts';
import type { LinksDeps } from './links/links.ts';
import type { Proxies } from './proxies.ts';

export const saidByAgent = (
  agent: GatewayAgent,
  proxies: Pick<Proxies, 'refusals'>,
): Pick<LinksDeps, 'listing' | 'refusals' | 'refusedTunnels' | 'conflictsOf'> => ({
  listing: () => agent.listing(),
  refusals: () => proxies.refusals(),
  refusedTunnels: (cluster) => agent.door.refusalsOf(cluster),
  conflictsOf: (service) => agent.holdings.conflictsOf(service),
});
