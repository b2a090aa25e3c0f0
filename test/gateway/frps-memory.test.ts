/** Who fills frps' memory through its tunnel loses the tunnel, before frps reaches its limit; the tunnels of others stay. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { issue } from '../../certs/authority.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { frame, FrpClient, message, type Credentials } from './frp-client.ts';

const mebibyte = 1024 * 1024;
const memory = 384 * mebibyte;
const bystander = { namespace: 'shop', name: 'app', uid: '5c2a6c1e-0000-4000-8000-000000000001' };
const attacker = { namespace: 'evil', name: 'app', uid: '5c2a6c1e-0000-4000-8000-000000000002' };
/** Frames of frp's multiplexer (yamux spec.md). */
const [data, window, ping] = [0, 1, 2];
const syn = 1;

let stream = 1;
const next = () => (stream += 2);
const batch = (count: number, make: (index: number) => Buffer) => Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
/** Each would fill frps' memory in a way of its own; nothing that frps answers is read. */
const pings = () => batch(5000, (index) => frame(ping, syn, 0, index));
const streams = () => batch(5000, () => frame(window, syn, next(), 0));
/** Half of a message of a work connection in each: frps waits ten seconds for the rest. */
const halves = () =>
  batch(2000, () => {
    const half = message('w', '{}', 100n);
    return Buffer.concat([frame(window, syn, next(), 0), frame(data, 0, stream, half.length, half)]);
  });
describe('a client that fills frps', { timeout: 300_000 }, () => {
  let gateway: Gateway;
  let log: () => string;
  const used = async () => Number((await readFile(join(gateway.directory, 'frps.memory'), 'utf8')).split(' ')[0]);
  before(async () => {
    gateway = await Gateway.start();
    await gateway.kill('frps');
    await gateway.startFrps(memory);
    const { port } = await gateway.app('bystander');
    gateway.putService(service('web'));
    gateway.putService(service('web', { expose: { type: 'domain', domain: 'evil.example.com' } }, 'evil'));
    for (const pod of [bystander, attacker]) gateway.putPod(pod);
    ({ log } = await gateway.sidecar(bystander, 'web', port));
    await eventually('the supervisor measures', async () => (await used()) > 0);
    await eventually('the bystander is served', async () => (await gateway.request('web.example.com')).status === 200);
  });
  after(() => gateway?.close());

  const turnedAway = () => gateway.lines.filter(({ msg }) => /turned away the certificate/.test(String(msg))).length;
  const credentials = async (): Promise<Credentials> => {
    const request = { commonName: 'frpc-evil-web', usages: ['clientAuth' as const], lifetimeMs: 3_600_000, now: Date.now() };
    const { certPem, keyPem } = await issue(gateway.authority, request);
    return { port: gateway.ports.tunnel, cert: certPem, key: keyPem };
  };

  const goesOn = async () => {
    const { status, body } = await gateway.request('web.example.com');
    assert.deepEqual({ status, body }, { status: 200, body: 'bystander' });
    assert.equal(log().split('login to server success').length - 1, 1, "the bystander's tunnel is the one that it had");
    assert.doesNotMatch(gateway.output('frps'), /supervise: frps/);
  };
  /** Comes again and again, because a tunnel that reads nothing ends by itself. @returns bytes that frps used at most */
  const attack = async (own: Credentials, make: () => Buffer, isOver: () => boolean): Promise<number> => {
    let most = 0;
    while (!isOver()) {
      const { socket } = await FrpClient.connect(own);
      socket.removeAllListeners('data').pause().setMaxListeners(0);
      const happens = (event: string) => new Promise((resolve) => socket.once(event, resolve));
      const ended = happens('close');
      while (!socket.destroyed && !isOver()) {
        if (!socket.write(make())) await Promise.race([happens('drain'), ended, sleep(200)]);
        most = Math.max(most, await used());
      }
      socket.destroy();
    }
    return most;
  };

  for (const [name, make] of Object.entries({ pings, streams, halves }))
    it(`fills nothing with ${name === 'halves' ? 'streams in which half a message is' : name}, which reach frps so many in a second, and others are served by the tunnel that they had`, async (t) => {
      const until = Date.now() + 6000;
      const most = await attack(await credentials(), make, () => Date.now() > until);
      t.diagnostic(`frps took ${Math.round(most / mebibyte)} MiB at most`);
      assert.ok(most < 150 * mebibyte, `frps uses ${most} bytes`);
      await goesOn();
    });

  it('fills nothing with messages whose answers it does not read, which reach frps so many in a second', async (t) => {
    const own = await credentials();
    const client = await FrpClient.connect(own);
    const { stream: control, answer } = await client.login({ privilege_key: await gateway.signer.token(attacker), pool_count: 0 });
    assert.equal(answer.error ?? '', '');
    // The answers fill the window of the stream, which is never opened again; each question then keeps a goroutine.
    const question = message('i', JSON.stringify({ pre_check: true }));
    const until = Date.now() + 6000;
    let most = 0;
    while (Date.now() < until && !client.socket.destroyed) {
      client.control(control, Buffer.concat(Array.from({ length: 2000 }, () => question)));
      if (client.socket.writableNeedDrain) await Promise.race([new Promise((resolve) => client.socket.once('drain', resolve)), sleep(100)]);
      most = Math.max(most, await used());
    }
    client.close();
    t.diagnostic(`frps took ${Math.round(most / mebibyte)} MiB at most`);
    assert.ok(most < 150 * mebibyte, `frps uses ${most} bytes`);
    await goesOn();
  });

  it('is turned away where it fills its pool of work connections with data that nobody reads, and others keep their tunnels', async (t) => {
    const own = await credentials();
    const token = await gateway.signer.token(attacker);
    const before = turnedAway();
    const until = Date.now() + 60_000;
    const mine: FrpClient[] = [];
    let most = 0;
    while (turnedAway() === before && Date.now() < until) {
      const client = await FrpClient.connect(own);
      mine.push(client);
      const { answer } = await client.login({ privilege_key: token, pool_count: 100 });
      const work = message('w', JSON.stringify({ run_id: answer.run_id }));
      for (let opened = 0; opened < 100 && turnedAway() === before && !client.socket.destroyed; opened++) {
        const id = client.open(work);
        // Its window is 256 KB until frps has accepted it.
        await sleep(50);
        for (let sent = 0; sent < 20; sent++) client.write(id, Buffer.alloc(250_000));
        most = Math.max(most, await used());
      }
    }
    for (const client of mine) client.close();
    t.diagnostic(`frps took ${Math.round(most / mebibyte)} MiB at most`);
    assert.ok(turnedAway() > before, 'the agent ends it, and says so');
    assert.ok(most < memory, `frps uses ${most} bytes`);
    const again = await FrpClient.connect(own);
    await eventually('it comes in no more', () => again.socket.destroyed);
    await goesOn();
  });
});
