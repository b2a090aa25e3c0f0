/**
 * What the agent says of this replica, in a map: a change takes no reload, and holds while the agent is away. Whether users
 * can be served HAProxy answers for itself, so that neither a hung agent nor one that is being started takes them away.
 */
import { endpoint, everyAddress } from './addresses.ts';
import { answer } from './escape.ts';
import { ownLimit } from './user-connections.ts';
import type { ReplicaState, UsersSettings } from './rendered.ts';

export const stateMap = 'maps/state.map';

export const stateMapLines = ({ isReady, isStuck }: ReplicaState = { isReady: true, isStuck: false }): string =>
  `${isReady ? 'ready yes\n' : ''}${isStuck ? 'stuck yes\n' : ''}`;

const says = (word: string): string => `{ str(${word}),map_str(${stateMap}) -m found }`;

/** Condition: the way to the backends here does not answer. */
export const isStuck = says('stuck');

/** For the kubelet: /healthz is answered by a process that works, any other path by one that users may be sent to. */
export function healthSection({ addresses, hasIpv6 = true, healthPort }: UsersSettings): string[][] {
  if (healthPort === undefined) return [];
  const binds =
    addresses === undefined ? everyAddress(healthPort, hasIpv6) : addresses.map((address) => endpoint(address, healthPort)).join(',');
  return [
    [
      'frontend frp-health',
      ...[
        'mode http',
        `bind ${binds}`,
        'no log',
        ...ownLimit,
        'timeout client 5s',
        'timeout http-keep-alive 1s',
        `${answer(200, 'ok')} if { path /healthz } or ${says('ready')}`,
        answer(503, 'this replica has not caught up with the others yet'),
      ].map((line) => `  ${line}`),
    ],
  ];
}
