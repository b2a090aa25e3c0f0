/** The disk of a gateway outside any cluster is full: on one of a few MiB, which is filled and given room again. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { joinAs, serviceItem, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { joinedPod, type JoinedPod } from './joined-pod.ts';
import { Machine } from './up-harness.ts';

/** Tests have mounts of their own where root runs them (test/gateway/run). */
const isRoot = process.getuid?.() === 0;

describe('a gateway whose disk is full', { skip: !isRoot }, () => {
  const machine = new Machine();
  const filler = join(machine.directory, 'run/filler');
  let cluster: TestCluster;
  let pod: JoinedPod;
  const served = async (host: string) => (await machine.get('/', { host })).status;

  /** To the last byte. */
  const fill = () => {
    for (let bytes = 2 ** 20, all = 0; bytes > 0; bytes = Math.floor(bytes / 2))
      for (;;)
        try {
          writeFileSync(`${filler}-${all++}`, Buffer.alloc(bytes));
        } catch {
          break;
        }
  };
  const makeRoom = () => {
    for (let i = 0; existsSync(`${filler}-${i}`); i++) rmSync(`${filler}-${i}`);
  };

  before(async () => {
    mkdirSync(machine.directory, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=700', 'none', machine.directory]);
    await machine.started();
    const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', 'home');
    cluster = startCluster(await joinAs(token.trim()));
    pod = await joinedPod(machine, cluster, 'api', 'home');
    await eventually('users reach the Pod', async () => (await served('api.example.com')) === 200);
  });
  after(async () => {
    pod?.end();
    await cluster?.close();
    // Whatever runs keeps what it has open, and close() ends it.
    execFileSync('umount', ['-l', machine.directory]);
    await machine.close();
  });

  it('serves on and says so; what is changed meanwhile is served once there is room, and outlives a restart without the cluster', async () => {
    const load = machine.load('api.example.com', 2);
    const agent = machine.leader('agent');
    fill();
    await eventually('the log says so', () =>
      machine.log.some(({ level, msg }) => level === 'error' && /is full: users and tunnels are served/.test(msg)),
    );
    cluster.end.outbox.set(serviceItem('late'));
    const token = machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', 'other');
    await assert.rejects(token, /ENOSPC|no space/);
    // Longer than an agent that hangs may hang.
    await new Promise((resolve) => setTimeout(resolve, 8000));
    assert.equal(machine.leader('agent'), agent);
    assert.equal(cluster.link.state.isUp, true);
    makeRoom();
    await eventually('the log says that there is room', () => machine.log.some(({ msg }) => /has room again/.test(msg)));
    await eventually('what was changed is served', async () => (await served('late.example.com')) === 503);
    await eventually('it is on disk', () => readFileSync(join(machine.directory, 'links/intent/home.jsonl'), 'utf8').includes('prod/late'));
    const lost = (await load.end()).filter(({ status }) => status !== 200);
    assert.deepEqual(lost, []);
    await cluster.close();
    process.kill(machine.leader('agent'), 'SIGKILL');
    await machine.ready();
    await eventually('it is served again', async () => (await served('late.example.com')) === 503);
    assert.equal(await served('api.example.com'), 200);
  });

  it('does not start, and says what is missing', async () => {
    const other = join(machine.root, 'other');
    mkdirSync(other, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=700', 'none', other]);
    assert.match(await machine.refusal('--dir', other), /^1: frp-k8s: the disk of .*\/other is full: [0-9]+ KiB are free, .*make room/);
    execFileSync('umount', ['-l', other]);
  });
});
