/** What is done to a gateway's services and to itself on purpose. None of it may cost a user anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gatewayNamespace, gatewayReady, users } from './gateway.ts';
import type { Step } from './gateway-load.ts';
import { chaosApp, chaosService, host, ns, scaled, served, usual } from './gateway-subjects.ts';
import { apply, get, kubectl, noneEnding, rolledOut } from './kubectl.ts';
import { eventually } from './run.ts';
import { servedBy } from './traffic.ts';

/** Long enough for the connections of a replica that ends to be among the last that it has. Milliseconds. */
const drainMs = 13_000;

const ending = (pod: string, uid: string): Promise<void> =>
  eventually(
    `the end of ${pod} is asked for`,
    async () => {
      const { metadata } = await get(gatewayNamespace, 'pod', pod);
      if (metadata.uid === uid && metadata.deletionTimestamp === undefined) throw new Error('it runs');
    },
    180,
  );

export const changes: readonly Step[] = [
  { name: 'nothing happens', run: async () => {} },
  {
    name: 'a rolling update of the backends',
    run: async () => {
      await apply(chaosApp(`of ${Date.now()}`));
      await rolledOut(ns, 'app');
      await noneEnding(ns, 'app');
      await served(usual);
    },
  },
  {
    name: 'scaling 3→10→2',
    run: async () => {
      await scaled(10);
      await scaled(2);
      await noneEnding(ns, 'app');
      await scaled(usual);
    },
  },
  {
    name: 'a change of the DistributedService',
    run: async () => {
      await apply(chaosService('ip-hash'));
      // By the address of the one who asks.
      await servedBy(host, 1, users);
      await apply(chaosService());
      await servedBy(host, usual, users);
    },
  },
];

/** Open connections are served to the end of the drain; after that their users have to connect anew. */
export const gatewayUpdate: Step = {
  name: 'a rolling update of the gateway',
  ends: [],
  isLong: true,
  run: async ({ longLived }) => {
    const pods = [1, 0].map((ordinal) => ({ ordinal, name: `frp-gateway-${ordinal}` }));
    const uids = await Promise.all(pods.map(async ({ name }) => String((await get(gatewayNamespace, 'pod', name)).metadata.uid)));
    await kubectl('-n', gatewayNamespace, 'rollout', 'restart', 'statefulset/frp-gateway');
    for (const [index, { ordinal, name }] of pods.entries()) {
      await ending(name, uids[index]!);
      await sleep(drainMs);
      await longLived.finish(ordinal);
    }
    await gatewayReady();
  },
};
