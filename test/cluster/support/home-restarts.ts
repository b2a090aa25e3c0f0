/** What is lost, and what the status says, while parts of a home cluster and its gateway are restarted, cut off or updated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { programVersion } from '../../../src/version.ts';
import { conditionOf, counts, killHard, leader, podOf, statusOf, withoutApiServer } from './controller.ts';
import { reachable } from './cluster.ts';
import type { HomeCluster } from './home-cluster.ts';
import { costOf, lost, onlyUnderWay, port, says, summary } from './home-web.ts';
import { apply, items, kubectl, rolledOut, type Manifest } from './kubectl.ts';
import { LongLived, upgradingServer } from './long-lived.ts';
import { deployment, httpService, script, service } from './objects.ts';
import type { PhasedLoad } from './phased-load.ts';
import { system } from './places.ts';
import { eventually } from './run.ts';
import { dropped, vpsAddress } from './vps.ts';

/** FRPK8S_LONG=1: how long the link and the API server are away. */
const isLong = Boolean(process.env.FRPK8S_LONG);
const cutMs = isLong ? 40_000 : 0;
const awayMs = isLong ? 180_000 : 20_000;

/**
 * Kubernetes takes a node that it has not heard of for that long for lost when it is back itself, and the webhooks have no
 * endpoint until it hears of it. Looked at twice, so that it is not before.
 */
async function isSettled(): Promise<void> {
  for (let look = 0; look < 2; look++) {
    if (look > 0) await sleep(12_000);
    await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s');
    await kubectl('-n', system, 'wait', '--for=condition=Ready', 'pod', '-l', 'app=frp-webhook', '--timeout=120s');
    await reachable();
  }
}

export function restarts(home: () => HomeCluster): void {
  const steps: Record<string, (load: PhasedLoad) => Promise<void>> = {
    'the agent of the gateway is killed': () => home().kill('agent'),
    'gateway up is killed and started again': () => home().restartUp(),
    "the controller's leader is killed": async () => {
      const before = await leader();
      await killHard(podOf(before));
      await eventually('another leader', async () => assert.notEqual(await leader(), before));
      await rolledOut(system, 'frp-controller');
    },
    'no packet of the link gets through, until home says so and longer': linkCut,
  };
  for (const [name, step] of Object.entries(steps))
    test(`no request is lost while ${name}`, async (t) => {
      for (const phase of await costOf(step)) {
        t.diagnostic(summary(phase));
        assert.deepEqual(phase.failedAt, []);
        assert.equal(lost(phase), 0);
      }
    });

  // A lone gateway has nobody to hand over to.
  for (const part of ['frps', 'tunnel', 'users'] as const)
    test(`requests go on by themselves after a death of ${part}, and what it cost is counted`, async (t) => {
      for (const phase of await costOf(() => home().kill(part))) {
        t.diagnostic(summary(phase));
        onlyUnderWay(phase);
      }
    });

  test(`without an API server at home for ${awayMs / 1000} s users are served, though the gateway is restarted meanwhile`, async (t) => {
    let awaySeconds = 0;
    const phases = await costOf(async (load) => {
      const start = performance.now();
      await withoutApiServer(async () => {
        await sleep(awayMs / 2);
        await home().restartUp();
        await sleep(awayMs / 4);
        // Sidecars come back by what the gateway has kept of their cluster.
        load.phase('death of frps');
        await home().kill('frps');
        await sleep(awayMs / 4);
        load.phase('back');
      });
      awaySeconds = Math.round((performance.now() - start) / 1000);
    });
    t.diagnostic(`${awaySeconds} s; ${phases.map(summary).join('; ')}`);
    for (const phase of phases) {
      if (phase.name === 'death of frps') onlyUnderWay(phase);
      else assert.deepEqual([phase.failedAt, lost(phase)], [[], 0], phase.name);
    }
    await isSettled();
  });

  test('an update of the gateway’s program, and the way back, cost no request, no connection and no answer that is under way', async (t) => {
    await apply(...still());
    await Promise.all(['still', 'upgrades'].map((name) => rolledOut('shop', name)));
    await Promise.all(['still', 'still-tcp', 'upgrades'].map((name) => counts('shop', name, 1, 1)));
    const longLived = await LongLived.open({
      replica: () => Promise.resolve(vpsAddress),
      ordinals: [0],
      host: stillHost,
      httpPort: port,
      tcpPort: stillPort,
      upgradeHost,
    });
    const kept = () => (['users', 'tunnel', 'frps'] as const).map((part) => home().leader(part).pid);
    const before = kept();
    try {
      const phases = await costOf(async (load) => {
        for (const version of ['0.99.0', undefined]) {
          load.phase(version === undefined ? 'and back' : 'update');
          await home().update(version);
          await toldOfProgram(version ?? programVersion);
          assert.deepEqual(await longLived.cut(), []);
        }
      });
      t.diagnostic(phases.map(summary).join('; '));
      for (const phase of phases) assert.deepEqual([phase.failedAt, lost(phase)], [[], 0], phase.name);
      assert.deepEqual(await longLived.cut(), []);
      assert.deepEqual(kept(), before);
    } finally {
      longLived.close();
      await kubectl('-n', 'shop', 'delete', 'deployment/still', 'deployment/upgrades', '--wait=false');
    }
  });
}

async function linkCut(): Promise<void> {
  const pods = await items(system, 'pod', '-l', 'app=frp-controller');
  const podIPs = pods.map(({ status }) => String(status.podIP));
  await dropped(podIPs, async () => {
    const end = Date.now() + cutMs;
    await eventually('home says so', async () => assert.equal(conditionOf(await statusOf('shop', 'web'), 'LinkReady').status, 'False'), 40);
    const sinceWhen = /^No link to the gateway since \S+Z: 203\.0\.113\.10:7000/;
    assert.match(String(conditionOf(await statusOf('shop', 'web'), 'LinkReady').message), sinceWhen);
    assert.match(await says('NetworkReady', 'Unknown', 'LinkDown'), sinceWhen);
    await says('Ready', 'Unknown', 'LinkDown');
    const { message } = conditionOf(await statusOf('shop', 'web'), 'BackendsAvailable') as { message: string };
    assert.match(message, /; last known: 2 backends available$/);
    await sleep(Math.max(0, end - Date.now()));
  });
}

const stillHost = 'still.home.example.com';
const upgradeHost = 'upgrades.home.example.com';
const stillPort = 5500;

/** For connections that stay open. */
const still = (): Manifest[] => [
  httpService('shop', 'still', stillHost, 8080),
  service('shop', 'still-tcp', { serviceType: 'tcp', backends: { discovery: { mode: 'auto', port: 8081 } }, expose: { port: stillPort } }),
  deployment({ namespace: 'shop', name: 'still', frp: { group: 'still,still-tcp' } }),
  httpService('shop', 'upgrades', upgradeHost, 8080),
  deployment({ namespace: 'shop', name: 'upgrades', frp: { group: 'upgrades' }, container: script(upgradingServer) }),
];

/** The controller has heard of the gateway's version last. */
const toldOfProgram = (version: string): Promise<void> =>
  eventually(`a link to version ${version}`, async () => {
    const holder = podOf(await leader());
    const log = await kubectl('-n', system, 'logs', holder, '--tail=200');
    const told = log.split('\n').filter((line) => line.includes('the link to the gateway is up'));
    assert.equal((JSON.parse(told.at(-1)!) as { program: string }).program, version);
  });
