/** The authority of a cluster that has joined `frp-k8s gateway up` is replaced (`rotate ca` at home): the gateway follows by the link. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthority } from '../../certs/authority.ts';
import { joinAs, startCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { joinedPod } from './joined-pod.ts';
import { Machine } from './up-harness.ts';

test("another authority of a cluster's sidecars ends no tunnel, and theirs is the next one to dial by", async (t) => {
  const machine = new Machine();
  t.after(() => machine.close());
  await machine.started();
  const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', 'home');
  const cluster = startCluster(await joinAs(token.trim()));
  const pod = await joinedPod(machine, cluster, 'api', 'home');
  t.after(() => {
    pod.end();
    return cluster.close();
  });
  const isServed = async () => (await machine.get('/', { host: 'api.example.com' })).body === 'home';
  await eventually('users reach the Pod', isServed);

  const next = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
  const { outbox } = cluster.end;
  const item = { kind: 'authority', key: 'clients' };
  const trusted = async (bundle: string): Promise<void> => {
    const load = machine.load('api.example.com', 1);
    outbox.set({ ...item, value: { bundle } });
    await eventually('the gateway has it', () => outbox.isTold(item));
    await eventually('there is traffic after it', isServed);
    assert.deepEqual(
      (await load.end()).filter(({ status }) => status !== 200),
      [],
    );
  };
  const dials = async (): Promise<void> => {
    const before = pod.log().length;
    await pod.restart();
    await eventually('it has a tunnel', () => pod.log().slice(before).includes('start proxy success'));
    await eventually('users reach it', isServed);
  };
  await trusted(`${pod.authority.bundlePem}${next.bundlePem}`);
  await dials();
  await pod.certifiedBy(next);
  await dials();
  await trusted(next.bundlePem);
  await dials();
});
