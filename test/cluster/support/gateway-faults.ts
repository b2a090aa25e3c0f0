/** What breaks around a gateway and in one of its replicas. It may cost what the one who dies has in its hands, and nothing else. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gatewayNamespace, gatewayReady } from './gateway.ts';
import type { GatewayLoad, Step } from './gateway-load.ts';
import { killed } from './gateway-hangs.ts';
import { anApp, served, sidecarKilled, usual } from './gateway-subjects.ts';
import { get, kubectl } from './kubectl.ts';
import { killAtOnce, processesOf, signalTo } from './processes.ts';
import { eventually } from './run.ts';

const replica = 'frp-gateway-1';

/** Kills a part of one replica, and waits until it is back and so are its backends. */
async function crash(part: 'agent' | 'frps' | 'users', load?: GatewayLoad): Promise<void> {
  await killed(part, [replica], load);
  await served(usual);
}

export const faults: readonly Step[] = [
  {
    name: 'kill -9 of a sidecar',
    run: sidecarKilled,
  },
  {
    name: 'a sidecar that hangs',
    run: async () => {
      const pod = await anApp();
      signalTo(pod, /frpc -c/, 'SIGSTOP');
      // Beyond the 14 s after which frps gives it up.
      await sleep(18_000);
      signalTo(pod, /frpc -c/, 'SIGCONT');
      await served(usual);
    },
  },
  {
    name: 'a crash of the agent in one replica',
    run: () => crash('agent'),
  },
  {
    name: 'a crash of frps in one replica',
    ends: [1],
    run: () => crash('frps'),
  },
  {
    name: 'a crash of HAProxy in one replica',
    ends: [1],
    run: (load) => crash('users', load),
  },
];

/** Another Pod has taken the place of a replica's, and has its backends. */
async function replaced(uid: string): Promise<void> {
  await eventually(`another ${replica}`, async () => {
    if ((await get(gatewayNamespace, 'pod', replica)).metadata.uid === uid) throw new Error('it is the one of before');
  });
  await gatewayReady();
  await served(usual);
}
const uidOf = async (pod: string): Promise<string> => String((await get(gatewayNamespace, 'pod', pod)).metadata.uid);
const deletedByForce = (): Promise<string> => kubectl('-n', gatewayNamespace, 'delete', 'pod', replica, '--grace-period=0', '--force');

/** A replica's Pod goes, with notice and without. */
export const replicaLosses: readonly Step[] = [
  {
    name: 'a replica is deleted by force',
    isLong: true,
    // Its API object is gone at once; the kubelet lets it drain all the same.
    run: async ({ longLived }) => {
      const uid = await uidOf(replica);
      await deletedByForce();
      await longLived.finish(1);
      await replaced(uid);
    },
  },
  {
    name: 'the death of a replica',
    isLong: true,
    ends: [1],
    refuses: true,
    run: async (load) => {
      const uid = await uidOf(replica);
      await killAtOnce(() => processesOf(replica));
      load.died();
      await deletedByForce();
      await replaced(uid);
    },
  },
];
