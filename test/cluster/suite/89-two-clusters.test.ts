/**
 * One service in two clusters that have joined one gateway, with real traffic: what each of them gets of it, who decides, and
 * what becomes of the others when one is cut off, removed, and joins anew.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { ask, podsThatAnswer } from '../support/ask.ts';
import { conditionOf, counts, foreign, statusOf } from '../support/controller.ts';
import type { Command } from '../support/guide.ts';
import { HomeCluster } from '../support/home-cluster.ts';
import { items, kubectl, type Json } from '../support/kubectl.ts';
import { PhasedLoad } from '../support/phased-load.ts';
import { root } from '../support/places.ts';
import { eventually, must } from '../support/run.ts';
import { SecondLab } from '../support/second-lab.ts';
import { Vps, vpsAddress } from '../support/vps.ts';

const host = 'web.home.example.com';
const port = 8080;
/** How long the second cluster is cut off; FRPK8S_LONG=1: two minutes. */
const cutMs = process.env.FRPK8S_LONG ? 120_000 : 20_000;
/** Until then requests may be lost: what was under way, and what it takes to notice. */
const noticedMs = 15_000;

suite('one service in two clusters', { skip: foreign }, () => {
  let home: HomeCluster;
  let branch: SecondLab;
  let way: Awaited<ReturnType<Vps['connect']>>;
  const uninstall = () => must('node', [join(root, 'src/main.ts'), 'uninstall']);

  before(async () => {
    await uninstall();
    await kubectl('delete', 'namespace', 'shop', '--ignore-not-found');
    const vps = await Vps.start();
    home = new HomeCluster(vps);
    [branch] = await Promise.all([SecondLab.up(), home.followGuide()]);
    way = await vps.connect(branch.network);
  });
  after(async () => {
    await Promise.all([home?.end(), branch?.end()]);
    await uninstall();
    await kubectl('delete', 'namespace', 'shop', '--ignore-not-found');
  });

  const atBranch = async (name = 'web'): Promise<Json> => (await branch.get('shop', 'distributedservice', name)).status ?? {};
  const branchSays = (type: string, status: string | undefined, reason: string | undefined): Promise<string> =>
    eventually(`${type} at the branch is ${status}, ${reason}`, async () => {
      const condition = conditionOf(await atBranch(), type);
      assert.deepEqual([condition?.status, condition?.reason], [status, reason], JSON.stringify(condition));
      return String(condition?.message);
    });
  const branchCounts = (active: number, total: number): Promise<void> =>
    eventually(`${active} of ${total} backends at the branch`, async () => {
      const { activeBackends, totalBackends } = await atBranch();
      assert.deepEqual([activeBackends, totalBackends], [active, total]);
    });
  const patchBranch = (kind: string, name: string, patch: object) =>
    branch.kubectl('-n', 'shop', 'patch', kind, name, '--type=merge', '-p', JSON.stringify(patch));
  /** Requests of `sent` that each of the two answered. */
  async function answered(sent: number): Promise<{ home: number; branch: number; pods: number }> {
    const by = await podsThatAnswer(vpsAddress, sent, { host }, port);
    const own = new Set((await items('shop', 'pod', '-l', 'app=web')).map(({ metadata }) => String(metadata.name)));
    const ofHome = [...by].reduce((sum, [pod, times]) => sum + (own.has(pod) ? times : 0), 0);
    return { home: ofHome, branch: sent - ofHome, pods: by.size };
  }
  /** What the section on branches has people type on the VPS: two tokens, and who has joined. */
  const guided = (): Command[] => home.commandsOf('Branches and headquarters', 'One service in several', 'The branch');
  const clusters = async (): Promise<string> => (await home.onVps(guided().at(-1)!.text)).stdout;
  /** What must not change at home, whatever becomes of the branch. */
  const stateAtHome = async (): Promise<unknown> => {
    const { state, activeBackends, totalBackends, conditions } = await statusOf('shop', 'web');
    const told = (conditions as Json[]).map(({ type, status, reason, lastTransitionTime }) => ({
      type,
      status,
      reason,
      lastTransitionTime,
    }));
    return [state, activeBackends, totalBackends, told];
  };

  test('a second cluster joins by the same commands, and members of both serve', async (t) => {
    const tokens: string[] = [];
    for (const { text } of guided().slice(0, -1)) {
      const { code, stdout, stderr } = await home.onVps(text);
      assert.equal(code, 0, `${text}\n${stderr}`);
      tokens.push(stdout.trim());
    }
    const { cwd, commands } = home.place('branch', tokens.at(-1)!);
    for (const command of commands) {
      const { code, stdout, stderr } = await branch.run(command, cwd);
      assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
    }
    await branchCounts(2, 2);
    await counts('shop', 'web', 2, 2);
    await eventually('four Pods serve', async () => assert.equal((await answered(16)).pods, 4));
    t.diagnostic(JSON.stringify(await answered(40)));
    await eventually('the gateway counts by cluster', async () => {
      const told = await clusters();
      assert.match(told, /^home +up +1 +2 /m);
      assert.match(told, /^branch +up +1 +2 /m);
    });
  });

  test('weights count over clusters', async (t) => {
    const weighted = { spec: { loadBalancing: { algorithm: 'weighted' } } };
    await kubectl('-n', 'shop', 'patch', 'distributedservice', 'web', '--type=merge', '-p', JSON.stringify(weighted));
    await patchBranch('distributedservice', 'web', weighted);
    await patchBranch('deployment', 'web', { spec: { template: { metadata: { annotations: { 'frp.io/weight': '3' } } } } });
    await branch.kubectl('-n', 'shop', 'rollout', 'status', 'deployment/web', '--timeout=120s');
    await eventually('three of four requests go to the branch', async () => {
      const told = await answered(80);
      t.diagnostic(JSON.stringify(told));
      assert.ok(told.pods === 4 && Math.abs(told.branch - 60) <= 4, JSON.stringify(told));
    });
  });

  test('what the second one says otherwise is told it by field and cluster, and the first decides', async () => {
    await patchBranch('distributedservice', 'web', { spec: { loadBalancing: { algorithm: 'least-conn' } } });
    const message = await branchSays('SpecDiffers', 'True', 'AnotherClusterDecides');
    assert.match(message, /^Cluster home that joined the gateway before this one .* spec\.loadBalancing\.algorithm; make them the same$/);
    assert.equal(conditionOf(await statusOf('shop', 'web'), 'SpecDiffers'), undefined);
    await patchBranch('distributedservice', 'web', { spec: { loadBalancing: { algorithm: 'weighted' } } });
    await branchSays('SpecDiffers', undefined, undefined);
  });

  test('a host of the other one is refused, and no more is told than that it is taken', async () => {
    const rival = { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name: 'rival', namespace: 'shop' } };
    const spec = {
      serviceType: 'http',
      backends: { discovery: { mode: 'auto' } },
      expose: { type: 'domain', domain: 'secret.home.example.com' },
    };
    await must('kubectl', ['apply', '-f', '-'], {
      input: JSON.stringify({ ...rival, metadata: { ...rival.metadata, name: 'secret' }, spec }),
    });
    // Who comes first has the host: the gateway is to have heard of it.
    await sleep(1100);
    const { code, stderr } = await branch.run(`kubectl apply -f - <<'E'\n${JSON.stringify({ ...rival, spec })}\nE`);
    assert.equal(code, 0, stderr);
    const said = await eventually('the refusal', async () => {
      const condition = conditionOf(await atBranch('rival'), 'ConfigurationValid');
      assert.equal(condition?.status, 'False', JSON.stringify(condition));
      return String(condition.message);
    });
    assert.match(said, /secret\.home\.example\.com\/ belongs to another at the gateway/);
    assert.doesNotMatch(said, /shop\/secret|cluster home/);
    await branch.kubectl('-n', 'shop', 'delete', 'distributedservice', 'rival', '--wait=false');
    await kubectl('-n', 'shop', 'delete', 'distributedservice', 'secret', '--wait=false');
  });

  test(`a cluster that is cut off for ${cutMs / 1000} s costs users nothing once it is noticed, and the other one nothing at all`, async (t) => {
    const before = await stateAtHome();
    const load = new PhasedLoad({ address: vpsAddress, port, host }, { rate: 100, phase: 'before', timeoutMs: 30_000 });
    try {
      await sleep(2000);
      load.phase('noticing');
      await way.cut();
      await sleep(noticedMs);
      load.phase('cut off');
      await sleep(cutMs - noticedMs);
      assert.deepEqual(await stateAtHome(), before);
      assert.match(await clusters(), /^branch +last seen /m);
      load.phase('back');
      await way.mend();
      await branchCounts(2, 2);
      await branchSays('LinkReady', 'True', 'Linked');
      await eventually('four Pods serve', async () => assert.equal((await answered(16)).pods, 4));
    } finally {
      await way.mend();
      await load.end();
    }
    const phases = await Promise.all(['before', 'noticing', 'cut off', 'back'].map((name) => load.told(name)));
    for (const { name, sent, answered: whole, failures, slowest } of phases)
      t.diagnostic(`${name}: ${sent} sent, ${sent - whole} lost ${JSON.stringify(failures)}, slowest ${slowest} ms`);
    for (const { name, sent, answered: whole, failedAt } of phases)
      if (name !== 'noticing') assert.equal(sent - whole, 0, `${name}: ${failedAt.join(', ')}`);
    assert.deepEqual(await stateAtHome(), before);
  });

  test('a cluster that is removed ends at once and leaves nothing, the other one goes on, and joined anew it serves again', async (t) => {
    const before = await stateAtHome();
    const load = new PhasedLoad({ address: vpsAddress, port, host }, { rate: 20, phase: 'removal', timeoutMs: 30_000 });
    try {
      const removed = await home.onVps(`frp-k8s gateway clusters remove branch --dir ${home.directory}`);
      assert.equal(removed.code, 0, removed.stderr);
      await eventually('the branch has no part', async () => assert.equal((await answered(20)).branch, 0));
      await branchSays('LinkReady', 'False', 'ClusterRemoved');
      assert.doesNotMatch(await clusters(), /branch/);
      // That its token has been used is remembered until it has expired.
      const left = await home.onVps(`grep -rl --exclude-dir=used-tokens branch ${home.directory}/links; true`);
      assert.equal(left.stdout, '');
      assert.deepEqual(await stateAtHome(), before);
      const token = await home.token('branch', '--namespaces', 'shop,ai');
      const joined = await branch.run(`node ${join(root, 'src/main.ts')} join ${token}`);
      assert.equal(joined.code, 0, joined.stdout + joined.stderr);
      await branchSays('LinkReady', 'True', 'Linked');
      await branchCounts(2, 2);
      await eventually('four Pods serve', async () => assert.equal((await answered(16)).pods, 4));
    } finally {
      await load.end();
    }
    const { sent, answered: whole, failedAt } = await load.told('removal');
    t.diagnostic(`${sent} sent, ${sent - whole} lost: ${failedAt.join(', ')}`);
    assert.equal((await ask(vpsAddress, { host }, port)).status, 200);
  });

  test('Ollama of several clusters behind one name, by the guide’s own command: each has the share of its weight', async () => {
    const [{ text }] = home.commandsOf('GPU nodes of three clusters behind one name', 'The same with Ollama') as [Command];
    const atHome = await home.atHome(text);
    assert.equal(atHome.code, 0, atHome.stderr);
    const atBranch = await branch.run(text.replace('frp.io/weight: "2"', 'frp.io/weight: "1"'));
    assert.equal(atBranch.code, 0, atBranch.stderr);
    const ollama = { host: 'ollama.example.com', path: '/api/tags' };
    await eventually('two of three requests at home', async () => {
      const shares = [...(await podsThatAnswer(vpsAddress, 30, ollama, port))];
      const [own] = (await items('ai', 'pod', '-l', 'app=ollama')).map(({ metadata }) => String(metadata.name));
      assert.deepEqual(shares.map(([, times]) => times).sort(), [10, 20]);
      assert.equal(new Map(shares).get(own!), 20);
    });
    await kubectl('delete', 'namespace', 'ai', '--wait=false');
  });
});
