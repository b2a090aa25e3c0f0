/**
 * Two clusters that have joined `frp-k8s gateway up` and have a Pod of one namespace, name and UID, as a copy of a cluster has,
 * or one whose administrator means harm: both have tokens that are good, and at frps one name.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { heard } from '../unit/link/ends.ts';
import { joinAs, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { joinedPod, type JoinedPod } from './joined-pod.ts';
import { Machine } from './up-harness.ts';

describe('a gateway with two clusters that tell of one Pod', () => {
  const machine = new Machine();
  const clusters: TestCluster[] = [];
  const pods: JoinedPod[] = [];
  const joined = async (name: string): Promise<TestCluster> => {
    const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', name);
    const cluster = startCluster(await joinAs(token.trim()));
    clusters.push(cluster);
    return cluster;
  };
  const body = async () => (await machine.get('/', { host: 'api.example.com' })).body;
  const hasNone = async () => (await machine.get('/', { host: 'api.example.com' })).status === 503;
  let twin: TestCluster;
  let home: TestCluster;
  let own: JoinedPod;
  let other: JoinedPod;

  before(async () => {
    await machine.started();
    // The other one is the older one: whatever its age decides, it decides for it.
    twin = await joined('twin');
    home = await joined('home');
    own = await joinedPod(machine, home, 'api', 'home');
    pods.push(own);
    await eventually('users reach the Pod', async () => (await body()) === 'home');
  });
  after(async () => {
    for (const pod of pods) pod.end();
    for (const cluster of clusters) await cluster.close();
    await machine.close();
  });

  it("keeps the Pod's name for the cluster that told of it first, while its tunnel is away as well", async () => {
    await own.stop();
    await eventually('nobody serves', hasNone);
    const root = join(machine.root, 'twin');
    mkdirSync(root);
    other = await joinedPod({ root }, twin, 'api', 'twin');
    pods.push(other);
    assert.equal(other.proxy, own.proxy);
    await eventually('the other one has its answer', () => /start proxy success|PodGone/.test(other.log()));
    const before = own.log().length;
    own.start();
    await eventually('the Pod has its tunnel', () => own.log().slice(before).includes('start proxy success'));
    await eventually('users reach it', async () => (await body()) === 'home');
    assert.doesNotMatch(other.log(), /start proxy success/);
  });

  it('tells the other cluster why, and not whose the Pod is', async () => {
    const refused = await eventually('it is told', () => heard(twin.end)[`refused pod ${own.uid}`]);
    assert.partialDeepStrictEqual(refused, { reason: 'PodTaken' });
    assert.doesNotMatch(JSON.stringify(refused), /home/);
  });

  it('keeps it over a restart of the agent, and gives it to the other one when the first has it no more', async () => {
    await own.stop();
    const agent = machine.leader('agent');
    process.kill(agent, 'SIGKILL');
    await eventually('there is another agent', () => machine.processes('agent').some(({ pid, isLeader }) => isLeader && pid !== agent));
    await machine.ready();
    const said = other.log().length;
    await other.stop();
    other.start();
    await eventually('the other one is refused again', () => other.log().slice(said).includes('PodGone'));
    await eventually('the link is up', () => home.link.state.isUp && twin.link.state.isUp);
    home.end.outbox.delete({ kind: 'pod', key: own.uid });
    await eventually('users reach the other one', async () => (await body()) === 'twin');
  });
});
