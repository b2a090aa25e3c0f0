/** The other replicas of the gateway, as the sections that hand over to them know them. */
import { ipOf } from './addresses.ts';
import { safeName } from './names.ts';
import type { UsersSettings } from './rendered.ts';

/** Servers whose checks tell which replicas there are. */
export const replicasBackend = 'frp-replicas';

export const isHanded = '{ var(sess.handed) -m bool }';
/** A process that is being replaced counts no server as usable (be_usable_srv): those that it asks for `here` its successor has. */
export const isStopping = '{ stopping }';

export interface Replica {
  name: string;
  ip: string;
}

/** This replica's address; undefined where it is not known. */
export const ownIp = ({ peers, localPeer }: UsersSettings): string | undefined =>
  peers.filter(({ name }) => name === localPeer).map(({ address }) => ipOf(address))[0];

/** The other replicas. One at this replica's own address would be taken for a user, so it is none. */
export function others(settings: UsersSettings): Replica[] {
  if (settings.replicaTls === undefined) return [];
  const own = ownIp(settings);
  return settings.peers.map(({ name, address }) => ({ name: safeName(name), ip: ipOf(address) })).filter(({ ip }) => ip !== own);
}
