/** Whoever leads, and whatever comes between the controller and the API server: nothing is done or told twice, nothing stays stale. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { installed, system, testNamespace } from '../support/cluster.ts';
import {
  controllerWorks,
  counter,
  cutOff,
  eventsIn,
  foreign,
  hasCertificates,
  killHard,
  leader,
  online,
  podOf,
  restartApiServer,
  says,
  statusOf,
} from '../support/controller.ts';
import { follow, type Change } from '../support/follow.ts';
import { apply, get, items, kubectl, rolledOut, scale, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { eventually } from '../support/run.ts';

const ns = 'leader';
const kind = 'distributedservice';
/** FRPK8S_LONG=1: long outages. The short forms are longer than a leader may be silent (10 s). */
const isLong = process.env.FRPK8S_LONG === '1';
const steadyMs = isLong ? 60_000 : 30_000;
const cutMs = isLong ? 120_000 : 25_000;

const many = (prefix: string, count: number): Manifest[] =>
  Array.from({ length: count }, (_, i) => httpService(ns, `${prefix}-${i}`, `${prefix}-${i}.leader.example.com`));

/** Everything that the controller could write, by its version. Leases and what others write beside it are left out. */
async function versions(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const kinds = `${kind},secrets,configmaps,deployments,poddisruptionbudgets`;
  const read = await Promise.all([items(ns, kinds), items(system, `${kind},secrets,configmaps`)]);
  for (const { kind: of, metadata } of read.flat())
    found.set(`${of} ${metadata.namespace}/${metadata.name}`, String(metadata.resourceVersion));
  for (const event of await eventsIn(ns))
    found.set(`Event ${event.metadata.name}: ${textOf(event)}`, String(event.metadata.resourceVersion));
  return found;
}
const textOf = ({ involvedObject, reason, message, count, series }: Json): string => {
  assert.deepEqual([count, series], [1, undefined], `${involvedObject.name}: ${reason}`);
  return `${involvedObject.name}: ${reason}: ${message}`;
};
const toldIn = async (): Promise<string[]> => (await eventsIn(ns)).map(textOf).sort();

/** What has been added to a list, in which the same text may be several times. */
function newIn(before: string[], after: string[]): string[] {
  const added = [...after];
  for (const text of before) {
    const at = added.indexOf(text);
    assert.notEqual(at, -1, `it is gone: ${text}`);
    added.splice(at, 1);
  }
  return added;
}

/** @returns what is in one and not, or with another version, in the other */
const differences = (before: Map<string, string>, after: Map<string, string>): string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));

/** Nothing is under way any more: no service that goes, no rotation of the authority, every certificate there. */
async function quiet(): Promise<void> {
  await controllerWorks();
  await eventually('no service that is ending', async () =>
    assert.ok(((await get('', kind, '-A')) as { items: Json[] }).items.every(({ metadata }) => metadata.deletionTimestamp === undefined)),
  );
  await eventually(
    'no rotation of the authority',
    async () => assert.equal((await get(system, 'secret', 'frp-ca')).metadata.annotations?.['frp.io/rotation-phase'], undefined),
    120,
  );
  await eventually('every certificate', async () => assert.ok((await items(ns, kind)).every(hasCertificates)));
}

suite('the leader', () => {
  before(async () => {
    await installed();
    await testNamespace(ns);
    await controllerWorks();
    await apply(...many('many', 50), httpService(ns, 'steady', 'steady.leader.example.com'));
    await apply(deployment({ namespace: ns, name: 'steady', replicas: 2, frp: { group: 'steady' } }));
    await rolledOut(ns, 'steady');
    await online(ns, 'steady', 2);
    await quiet();
    await says(ns, 'steady', 'Running', 2, 2);
  });

  test('writes nothing while nothing changes, of fifty services', async (t) => {
    const pod = podOf(await leader());
    const calls = async () => {
      const made = await counter(pod, 'frp_operator_api_requests_total');
      return (method: string) => made.get(`{method="${method}"}`) ?? 0;
    };
    const [before, atFirst] = [await calls(), await versions()];
    await wait(steadyMs);
    const [after, atLast] = [await calls(), await versions()];
    assert.deepEqual(differences(atFirst, atLast), []);
    const made = Object.fromEntries(['GET', 'POST', 'PATCH', 'PUT', 'DELETE'].map((method) => [method, after(method) - before(method)]));
    t.diagnostic(`${atLast.size} objects, ${steadyMs / 1000} s: ${JSON.stringify(made)}`);
    assert.deepEqual([made.POST, made.PUT, made.DELETE], [0, 0, 0]);
    // A renewal of the Lease is one GET and one PATCH; the first look may have come between the two.
    assert.ok(made.PATCH! > 0 && made.PATCH! <= made.GET! + 1, JSON.stringify(made));
  });

  test('killed in the middle of its work, is followed within 20 s; no Secret is issued twice, and every service gets its own', async (t) => {
    const contents = new Map<string, Change[]>();
    const secrets = follow(ns, 'secrets', (change) => {
      if (!change.name.startsWith('frp-killed-')) return;
      contents.set(change.name, [...(contents.get(change.name) ?? []), change]);
    });
    try {
      const before = await leader();
      const applied = apply(...many('killed', 20));
      await eventually('the first Secret', async () => assert.ok(contents.size > 0));
      await killHard(podOf(before));
      const killed = Date.now();
      const already = contents.size;
      await eventually('another leader', async () => assert.notEqual(await leader(), before), 20);
      t.diagnostic(`another leads after ${Date.now() - killed} ms; ${already} of 40 Secrets were there`);
      await applied;
      const names = many('killed', 20).flatMap(({ metadata: { name } }) => [`frp-${name}-group`, `frp-${name}-tls`]);
      await eventually('every Secret', async () => assert.deepEqual([...contents.keys()].sort(), names.sort()));
      await quiet();
      for (const [name, changes] of contents) {
        assert.deepEqual(
          changes.map(({ type }) => type),
          ['ADDED'],
          name,
        );
        const { data, metadata } = await get(ns, 'secret', name);
        assert.deepEqual([metadata.uid, data], [changes[0]!.uid, JSON.parse(changes[0]!.data)], name);
      }
      const texts = (await eventsIn(ns)).filter(({ involvedObject }) => String(involvedObject.name).startsWith('killed-')).map(textOf);
      assert.deepEqual([...new Set(texts)].sort(), texts.sort(), 'no Event twice');
    } finally {
      await secrets.stop();
    }
    await says(ns, 'steady', 'Running', 2, 2);
  });

  /** Of a change of `steady` nothing else is touched. What makes sure that the controller works has its certificate revoked. */
  const onlySteady = (changed: string[]) => {
    const meant = [`DistributedService ${ns}/steady`, `Deployment ${ns}/steady`, `ConfigMap ${system}/frp-revoked`];
    assert.deepEqual(
      changed.filter((key) => !meant.includes(key)),
      [],
    );
  };

  /** Takes a Pod of `steady` away where the controller cannot see it: its status, which is stale then, follows; its Events do not repeat. */
  async function losesOneUnseen(meanwhile: () => Promise<unknown>): Promise<void> {
    await scale(ns, 'steady', 2);
    await rolledOut(ns, 'steady');
    await online(ns, 'steady', 2);
    await quiet();
    await says(ns, 'steady', 'Running', 2, 2);
    const [before, texts] = [await versions(), await toldIn()];
    await cutOff(async () => {
      await meanwhile();
      await scale(ns, 'steady', 1);
      await eventually('one Pod', async () => assert.equal((await items(ns, 'pod', '-l', 'app=steady')).length, 1));
      assert.equal((await statusOf(ns, 'steady')).totalBackends, 2);
    });
    await eventually('the status of one backend', async () => assert.equal((await statusOf(ns, 'steady')).totalBackends, 1));
    await says(ns, 'steady', 'Running', 1, 1);
    await quiet();
    onlySteady(differences(before, await versions()));
    assert.deepEqual(await toldIn(), texts);
  }

  test(`cut off the API server for ${cutMs / 1000} s, tells the truth again, and repeats nothing`, { skip: foreign }, async () => {
    await losesOneUnseen(() => wait(cutMs));
  });

  test('cut off while the API server is restarted, tells the truth again, and repeats nothing', { skip: foreign }, async () => {
    await losesOneUnseen(async () => {
      await restartApiServer();
      await wait(15_000);
    });
  });

  test('goes on when the API server has been restarted, sees what changes then, and repeats nothing', { skip: foreign }, async () => {
    const podNames = async () => (await items(ns, 'pod', '-l', 'app=steady')).map(({ metadata }) => String(metadata.name));
    const [before, texts, old] = [await versions(), await toldIn(), await podNames()];
    await restartApiServer();
    await kubectl('-n', ns, 'delete', kind, 'many-0', '--wait=false');
    await scale(ns, 'steady', 2);
    await eventually('the end of a service', async () =>
      assert.ok((await items(ns, kind)).every(({ metadata }) => metadata.name !== 'many-0')),
    );
    await rolledOut(ns, 'steady');
    await online(ns, 'steady', 2);
    await eventually('the status of two backends', async () => assert.equal((await statusOf(ns, 'steady')).activeBackends, 2));
    await quiet();
    const isMeant = (key: string) => /many-0(-tls|-group|:|$)|: steady: BackendDiscovered: /.test(key);
    onlySteady(differences(before, await versions()).filter((key) => !isMeant(key)));
    const more = newIn(texts, await toldIn()).filter((text) => !text.startsWith('many-0: '));
    const added = (await podNames()).filter((name) => !old.includes(name));
    assert.deepEqual(more, [`steady: BackendDiscovered: Discovered 1 backend: ${added.join(', ')}`]);
  });
});
