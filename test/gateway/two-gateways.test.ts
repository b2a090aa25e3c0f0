/** Two whole gateways on two machines, for two regions or for safety: a cluster that has joined both, and what the end of one costs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { processesOf, signal } from '../../src/gateway/up/processes.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { HomeNetwork, noHomeNetwork } from './home-network.ts';
import { joinedPod } from './joined-pod.ts';
import { Machine } from './up-harness.ts';

const host = 'api.example.com';
const far = '10.77.0.2';

test(
  'each Pod is in the traffic of both; one gateway that dies costs users of the other nothing, and comes back by itself',
  { skip: noHomeNetwork },
  async (t) => {
    const network = new HomeNetwork(t, { outside: ['10.77.0.1/24'], inside: [`${far}/24`] });
    const machines = { near: new Machine(), far: new Machine(far, network.words) };
    t.after(() => Promise.all(Object.values(machines).map((machine) => machine.close())));
    for (const machine of Object.values(machines)) machine.start();
    const takesUsers = (machine: Machine) =>
      eventually('users are taken', async () => (await machine.get('/', { host })).status !== undefined);
    for (const machine of Object.values(machines)) await takesUsers(machine);

    const joined = async (machine: Machine): Promise<TestCluster> =>
      startCluster(
        await joinAs((await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', 'home')).trim()),
      );
    const links = { near: await joined(machines.near), far: await joined(machines.far) };
    t.after(() => Promise.all(Object.values(links).map((link) => link.close())));
    const pod = await joinedPod(machines.near, links.near, 'api', 'from home');
    t.after(() => pod.end());
    pod.joins(links.far, machines.far, far);

    const isServed = (machine: Machine) =>
      eventually('users reach the Pod', async () => (await machine.get('/', { host })).body === 'from home');
    const isTold = (link: TestCluster) =>
      eventually(
        'its status comes home',
        () => (heard(link.end)[`proxy ${pod.proxy}`] as { status?: string } | undefined)?.status === 'online',
      );
    for (const place of ['near', 'far'] as const) {
      await isServed(machines[place]);
      await isTold(links[place]);
    }

    // The whole machine, without a word to anybody.
    const load = machines.near.load(host, 2);
    const { directory, up } = machines.far;
    const ended = once(up!, 'exit');
    up!.kill('SIGKILL');
    await ended;
    for (let left = processesOf(directory); left.length > 0; left = processesOf(directory))
      for (const { pid } of left) signal(pid, 'SIGKILL');
    await eventually('home knows which link is down', () => !links.far.link.state.isUp);
    assert.deepEqual(links.near.link.state.isUp, true);
    assert.equal((await machines.far.get('/', { host })).status, undefined);

    // Its own command brings it back, with what it knew: nobody joins again.
    machines.far.start();
    await isServed(machines.far);
    await eventually('the link is up again', () => links.far.link.state.isUp);
    await isTold(links.far);

    // What one of them takes back, the other one has all the same.
    await machines.far.command('gateway', 'clusters', 'remove', 'home', '--dir', directory);
    await eventually('nothing of it is served there', async () => (await machines.far.get('/', { host })).status === 404);
    await eventually('home is told', () => !links.far.link.state.isUp && links.far.link.state.reason === 'ClusterRemoved');
    assert.deepEqual(links.near.link.state.isUp, true);
    const outcomes = await load.end();
    assert.ok(outcomes.length > 10, `${outcomes.length} requests`);
    assert.deepEqual(
      outcomes.filter(({ status }) => status !== 200),
      [],
    );
  },
);
