/** A cluster behind NAT: it joins a whole gateway (`frp-k8s gateway up`) by the port that its sidecars dial, and is served. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { ports } from '../../src/gateway/up/layout.ts';
import { tcpSockets } from '../../src/gateway/up/processes.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster, type TestCluster } from '../unit/link/joined.ts';
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

test('three clusters behind one name, by the guide’s own service: shares by weight, the first decides, and one that goes takes nothing along', async (t) => {
  const machine = new Machine();
  t.after(() => machine.close());
  await machine.started();
  const { spec, metadata } = ollama();
  const host = String(spec.expose.domain);
  let joinedSoFar = 0;
  const joined = async (name: string, weight: number, algorithm = spec.loadBalancing.algorithm): Promise<TestCluster> => {
    const token = await machine.command(
      'gateway',
      'token',
      'create',
      '--dir',
      machine.directory,
      '--cluster',
      name,
      '--namespaces',
      'prod',
    );
    const cluster = startCluster(await joinAs(token.trim()));
    t.after(() => cluster.close());
    const root = join(machine.root, name);
    mkdirSync(root);
    const pod = await joinedPod({ root }, cluster, metadata.name, name, joinedSoFar++);
    t.after(() => pod.end());
    const { outbox } = cluster.end;
    outbox.set(serviceItem(metadata.name, { spec: { ...spec, loadBalancing: { ...spec.loadBalancing, algorithm } } }));
    const ports = { [metadata.name]: pod.port };
    outbox.set({ kind: 'pod', key: pod.uid, value: { namespace: 'prod', name: pod.name, isReady: true, ip: '10.1.1.1', ports, weight } });
    return cluster;
  };
  const shares = async (sent: number): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < sent; i++) {
      const { body } = await machine.get('/api/tags', { host });
      counts[body] = (counts[body] ?? 0) + 1;
    }
    return counts;
  };
  const haveShares = async (expected: Record<string, number>) => {
    let last: Record<string, number> = {};
    const sent = Object.values(expected).reduce((sum, each) => sum + each, 0);
    await eventually('shares are those of the weights', async () => isDeepStrictEqual((last = await shares(sent)), expected)).catch(() =>
      assert.deepEqual(last, expected),
    );
  };

  await joined('one', 2);
  await joined('two', 1);
  const third = await joined('three', 1, 'least-conn');
  await haveShares({ one: 8, two: 4, three: 4 });
  await eventually('the third is told who decides', async () => {
    const told = heard(third.end)[`differs prod/${metadata.name}`];
    return isDeepStrictEqual(told, { fields: ['loadBalancing.algorithm'], cluster: 'one' });
  });
  const load = machine.load(host, 1);
  await machine.command('gateway', 'clusters', 'remove', 'three', '--dir', machine.directory);
  await haveShares({ one: 8, two: 4 });
  const lost = (await load.end()).filter(({ status }) => status !== 200);
  // What was on its way through the tunnels that were ended.
  assert.ok(lost.length <= 1, JSON.stringify(lost));
});

/** As docs/guide/gateway-anywhere.md has people apply it. */
function ollama(): { metadata: { name: string }; spec: { expose: { domain: string }; loadBalancing: { algorithm: string } } } {
  const guide = readFileSync(new URL('../../docs/guide/gateway-anywhere.md', import.meta.url), 'utf8');
  const text = guide.slice(guide.indexOf('\n## GPU nodes of three clusters behind one name'));
  const [, objects] = /<<'E'\n(.*?)\nE\n/s.exec(text)!;
  const found = parseAllDocuments(objects!).map((document) => document.toJS() as { kind: string });
  return found.find(({ kind }) => kind === 'DistributedService') as unknown as ReturnType<typeof ollama>;
}
