/** Reloads of the users' HAProxy in which something else goes wrong, and a service that comes and goes; each with what it may cost. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gatewayNamespace, users, usersAddress } from './gateway.ts';
import { killed, replicas, type Bounded } from './gateway-hangs.ts';
import { allServed, chaosService, host, ns, stillPort, usual } from './gateway-subjects.ts';
import { apply, get, kubectl, type Json } from './kubectl.ts';
import { servedBy } from './traffic.ts';

/** Another balancing needs a reload each time. */
const edit = (turn: number): Promise<string> => apply(chaosService(['least-conn', 'random'][turn % 2]));

/** How often the containers of HAProxy have been started again, by replica. */
const restartsOfHaproxy = async (): Promise<number[]> => {
  const pods = await Promise.all(replicas.map((name) => get(gatewayNamespace, 'pod', name)));
  return pods.map(({ status }) => {
    const container = (status.containerStatuses as Json[]).find(({ name }) => name === 'haproxy');
    return Number(container.restartCount);
  });
};

export const reloadFaults: readonly Bounded[] = [
  {
    name: 'the agents of both replicas are killed while HAProxy must reload, and again in the middle of it',
    lateMs: 3500,
    run: async () => {
      await edit(0);
      await killed('agent', replicas);
      await edit(1);
      await sleep(300);
      await killed('agent', replicas);
      // What an agent has left half done is done by the next one.
      await apply(chaosService());
      await servedBy(host, usual, users);
      await allServed();
    },
  },
  {
    name: 'a service is edited every second for two minutes, with a connection held in each process of HAProxy',
    isLong: true,
    // The oldest processes may end, where memory is short or they are 32, and with them what they hold.
    ends: [0, 1],
    lateMs: 3500,
    run: async () => {
      const address = await usersAddress();
      const before = await restartsOfHaproxy();
      const held: Socket[] = [];
      try {
        for (let turn = 0; turn < 120; turn++) {
          await edit(turn);
          const socket = connect(stillPort, address).on('error', () => {});
          socket.write('held');
          held.push(socket);
          await sleep(1000);
        }
      } finally {
        for (const socket of held) socket.destroy();
      }
      const now = await restartsOfHaproxy();
      if (String(now) !== String(before)) throw new Error(`HAProxy was started again: ${String(before)}, then ${String(now)}`);
      await apply(chaosService());
      await allServed();
    },
  },
  {
    name: 'a service is deleted and made again under its name',
    lateMs: 10_000,
    outageSeconds: 10,
    isAbsent: true,
    run: async () => {
      await kubectl('-n', ns, 'delete', 'distributedservice', 'app', '--timeout=60s');
      await apply(chaosService());
      await allServed();
    },
  },
];
