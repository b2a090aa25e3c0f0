/** A cluster behind NAT: it joins a whole gateway (`frp-k8s gateway up`) by the port that its sidecars dial, and is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ports } from '../../src/gateway/up/layout.ts';
import { tcpSockets } from '../../src/gateway/up/processes.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, startCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { joinedPod } from './joined-pod.ts';
import { Machine } from './up-harness.ts';

test('a cluster joins a gateway with its own command, its Pod serves, its status comes home, and removed it has nothing there', async (t) => {
  const machine = new Machine();
  t.after(() => machine.close());
  await machine.started();
  const said = await machine.command(
    'gateway',
    'token',
    'create',
    '--dir',
    machine.directory,
    '--cluster',
    'home',
    '--hosts',
    '*.example.com',
  );
  const cluster = startCluster(await joinAs(said.trim()));
  t.after(() => cluster.close());
  await assert.rejects(joinAs(said.trim()), { reason: 'TokenUsed' });

  const pod = await joinedPod(machine, cluster, 'api', 'from the home cluster');
  t.after(() => pod.end());
  const get = () => machine.get('/', { host: 'api.example.com' });
  await eventually('users reach the Pod', async () => (await get()).body === 'from the home cluster');
  const proxy = `proxy ${pod.proxy}`;
  await eventually('its status comes home', async () => (heard(cluster.end)[proxy] as { status?: string })?.status === 'online');
  const clusters = () => machine.command('gateway', 'clusters', '--dir', machine.directory);
  await eventually('the list shows its link', async () => /^home +up +/m.test(await clusters()));

  // A gateway that starts anew serves what it knew, with no cluster there to tell it.
  await cluster.close();
  process.kill(machine.leader('agent'), 'SIGKILL');
  await machine.ready();
  await eventually('users reach the Pod again', async () => (await get()).body === 'from the home cluster');

  await machine.command('gateway', 'clusters', 'remove', 'home', '--dir', machine.directory);
  await eventually('nothing of it is served', async () => (await get()).status === 404);
  // The agent that ends it is another one than saw it begin.
  await eventually('its tunnel has ended', () => !tcpSockets().some(({ port: at, isListening }) => at === ports.frps && !isListening));
  await assert.rejects(machine.command('gateway', 'clusters', 'remove', 'home', '--dir', machine.directory), /no cluster home has joined/);
});
