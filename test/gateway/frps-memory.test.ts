/** Who fills frps' memory through its tunnel loses the tunnel, before frps reaches its limit; the tunnels of others stay. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { issue } from '../../certs/authority.ts';
import { service } from '../support/services.ts';
import { eventually, Gateway } from './agent-harness.ts';
import { frame, FrpClient, type Credentials } from './frp-client.ts';

const mebibyte = 1024 * 1024;
const memory = 384 * mebibyte;
const bystander = { namespace: 'shop', name: 'app', uid: '5c2a6c1e-0000-4000-8000-000000000001' };
/** Frames of frp's multiplexer (yamux spec.md). */
const [data, window, ping] = [0, 1, 2];
const syn = 1;

let stream = 1;
const next = () => (stream += 2);
const batch = (count: number, make: (index: number) => Buffer) => Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
/** Each would fill frps' memory in a way of its own; nothing that frps answers is read. */
const pings = () => batch(5000, (index) => frame(ping, syn, 0, index));
const streams = () => batch(5000, () => frame(window, syn, next(), 0));
const unread = () =>
  batch(4, () => {
    const [id, bytes] = [next(), Buffer.alloc(250_000)];
    return Buffer.concat([frame(window, syn, id, 0), frame(data, 0, id, bytes.length, bytes)]);
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
    gateway.putPod(bystander);
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

  for (const [name, make] of Object.entries({ pings, streams }))
    it(`fills nothing with ${name}, which reach frps so many in a second, and others are served by the tunnel that they had`, async (t) => {
      const until = Date.now() + 6000;
      const most = await attack(await credentials(), make, () => Date.now() > until);
      t.diagnostic(`frps took ${Math.round(most / mebibyte)} MiB at most`);
      assert.ok(most < 200 * mebibyte, `frps uses ${most} bytes`);
      await goesOn();
    });

  it('is turned away where it sends data that nobody reads, and others are served by the tunnel that they had', async (t) => {
    const own = await credentials();
    const until = Date.now() + 120_000;
    const most = await attack(own, unread, () => turnedAway() > 0 || Date.now() > until);
    t.diagnostic(`frps took ${Math.round(most / mebibyte)} MiB at most`);
    assert.ok(turnedAway() > 0, 'the agent ends it, and says so');
    assert.ok(most < memory, `frps uses ${most} bytes`);
    const again = await FrpClient.connect(own);
    await eventually('it comes in no more', () => again.socket.destroyed);
    await goesOn();
  });
});
