/** Another authority of a gateway outside any cluster, step by step: who follows, Pods of a joined cluster too, keeps tunnels and link, and who does not is told of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSignedBy, splitBundle } from '../../certs/inspect.ts';
import { withTold } from '../../src/controller/link/link-secret.ts';
import { pinOf } from '../../src/link/token.ts';
import type { LinkIdentity } from '../../src/link/held-link.ts';
import { downKinds } from '../../src/link/items.ts';
import { joinAs, startCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { joinedPod } from './joined-pod.ts';
import { Machine, web } from './up-harness.ts';

test('the authority is replaced in three steps, and whoever follows them loses nothing', async (t) => {
  const machine = new Machine();
  t.after(() => machine.close());
  machine.write('web.yaml', web('web'));
  machine.write('old.yaml', web('old'));
  await machine.started();
  const served = async (host: string) => (await machine.get('/', { host: `${host}.example.com` })).status === 200;
  await machine.client('web', 'before', (_, response) => response.end('before'));
  await machine.client('old', 'behind', (_, response) => response.end('behind'));
  await eventually('clients serve', async () => (await served('web')) && (await served('old')));

  const dir = ['--dir', machine.directory];
  const token = async (name: string) => (await machine.command('gateway', 'token', 'create', ...dir, '--cluster', name)).trim();
  // What the controller does with a link (src/controller/link): it keeps what the gateway says of itself, and what it renews.
  let identity: LinkIdentity = await joinAs(await token('home'));
  const first = identity.authorityPem;
  const cluster = startCluster(identity, {
    identity: () => identity,
    renewed: async (next) => void (identity = next),
  });
  const follow = setInterval(() => {
    const said = cluster.end.inbox.collection.get({ kind: 'gateway', key: 'gateway' });
    const next = said && withTold(identity, downKinds.gateway.parse(said.value));
    if (!next) return;
    identity = next;
    pod.believes(identity.authorityPem);
    cluster.link.wake();
  }, 50);
  const pod = await joinedPod(machine, cluster, 'api', 'home');
  t.after(() => {
    clearInterval(follow);
    pod.end();
    return cluster.close();
  });
  await joinAs(await token('away'));

  const rotate = (...flags: string[]) => machine.command('rotate', 'gateway-ca', ...dir, ...flags);
  const refusal = (...flags: string[]) =>
    rotate(...flags).then(
      () => '',
      ({ stderr }: { stderr: string }) => stderr,
    );
  await eventually('the Pod of the cluster serves', () => served('api'));
  const loads = ['web', 'api'].map((host) => machine.load(`${host}.example.com`, 1));

  assert.match(await rotate(), /^step 1 of 3: .*\nmake another client-config/);
  await eventually('the cluster is told of both', () => splitBundle(identity.authorityPem).length === 2);
  const next = splitBundle(identity.authorityPem)[1]!;
  await machine.client('web', 'after', (_, response) => response.end('after'));
  await eventually(
    'a client of the next authority serves',
    async () => (await machine.get('/', { host: 'web.example.com' })).body === 'after',
  );

  const waits = await refusal();
  assert.match(waits, /sidecars and links need 10 min for the step before/);
  assert.match(waits, /cluster away has not heard of the new authority yet: .*clusters remove away/);
  assert.match(waits, /need another client-config, .*--clients-renewed/);
  assert.doesNotMatch(await refusal('--clients-renewed'), /client-config, of/);
  assert.match(await rotate('--accept-outage'), /^step 2 of 3: /);
  await eventually('the cluster has a certificate of the new authority', () => isSignedBy(identity.certPem, next));
  assert.equal(splitBundle(identity.authorityPem)[0]?.trim(), next.trim(), 'it is the first one now');
  assert.match(await refusal(), /cluster away has no certificate of the new authority yet/);
  assert.ok(await served('old'), 'tunnels that are open stay');
  const fresh = await joinAs(await token('fresh'));
  assert.ok(isSignedBy(fresh.certPem, next));

  assert.match(await rotate('--accept-outage'), new RegExp(`^step 3 of 3: .*${pinOf(next)}`));
  await eventually('the cluster is told of the new one alone', () => identity.authorityPem.trim() === next.trim());
  await eventually('its link is up', () => cluster.link.state.isUp);
  assert.ok(!identity.authorityPem.includes(first.trim()));
  for (const load of loads)
    assert.deepEqual(
      (await load.end()).filter(({ status }) => status !== 200),
      [],
    );

  // Whoever dials now comes in by the new authority, or not at all.
  process.kill(machine.leader('frps'), 'SIGKILL');
  await eventually(
    'the client of the new authority is back',
    async () => (await machine.get('/', { host: 'web.example.com' })).body === 'after',
  );
  await eventually('the Pod of the cluster is back', () => served('api'));
  assert.ok(!(await served('old')), 'the one that was left behind is not');
});
