import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { OnlineProxy } from '../../../src/gateway/members/frps-client.ts';
import type { Identity } from '../../../src/gateway/pod-identity.ts';
import { Members } from '../../../src/gateway/members/members.ts';
import { Ports } from '../../../src/gateway/members/port-pool.ts';
import { userOf } from '../../../src/gateway/pod-identity.ts';
import { logTo } from '../../../src/log.ts';
import { until } from '../../support/until.ts';

const uid = '3f2a6c1e-0000-4000-8000-000000000001';
const identity: Identity = { cluster: '', namespace: 'shop', pod: 'web-1', uid };
const name = `shop.web.0a1b2c3d.web-1.${uid}`;

let online: OnlineProxy[];
let isDown: boolean;
let members: Members;
/** runs while frps' answer is on its way */
let meanwhile: () => void | Promise<void>;
let now: number;

beforeEach(() => {
  [online, isDown, meanwhile, now] = [[], false, () => {}, 0];
  const list = async () => {
    if (isDown) throw new Error('connection refused');
    const answer = [...online];
    await meanwhile();
    return answer;
  };
  members = new Members({ list, changed: () => {}, isTaken: () => false, log: logTo({ write: () => {} }), clock: { now: () => now } });
});
afterEach(() => members.close());

const opened = (port: number, metadata?: unknown): OnlineProxy => ({ name, port, user: userOf(identity), metadata });
const ports = () => [...members.all].map(({ port }) => port);

describe('members', () => {
  it('are those that frps has online; one that was only announced is none yet', async () => {
    const port = members.assign(name, identity, 's1')!;
    await members.sync();
    assert.deepEqual(ports(), []);
    online = [opened(port)];
    await members.sync();
    assert.deepEqual([...members.all], [{ name, port, identity, service: 'shop/web', backendId: uid, origins: [] }]);
  });

  it('are known again after a restart of the agent, from frps alone', async () => {
    online = [
      opened(29_000),
      { name: 'foreign', port: 29_001, user: '', metadata: undefined },
      { name: `bank.web.0a1b2c3d.web-1.${uid}`, port: 29_002, user: userOf(identity), metadata: undefined },
    ];
    await members.sync();
    assert.deepEqual(ports(), [29_000]);
    assert.notEqual(members.assign(name, identity, 's1'), 29_000);
  });

  it("have the origins of their proxy's metadata, whatever its client has written there", async () => {
    const origins = async (metadata: unknown) => {
      online = [];
      await members.sync();
      online = [opened(29_000, metadata)];
      await members.sync();
      return [...members.all][0]!.origins;
    };
    assert.deepEqual(await origins({ origins: '0123456789ab,ba9876543210,0123456789ab' }), ['0123456789ab', 'ba9876543210']);
    assert.deepEqual(await origins({ origins: '0123456789AB, ba9876543210,../x,,0123456789ab0' }), []);
    for (const metadata of [undefined, null, 'text', [], {}, { origins: 7 }, { origins: null }, { origins: '' }])
      assert.deepEqual(await origins(metadata), []);
    const many = Array.from({ length: 10_000 }, (_, index) => index.toString(16).padStart(12, '0'));
    assert.equal((await origins({ origins: many.join(',') })).length, 256);
  });

  it('are removed at once when frps closes their proxy, and kept when it closes one of an earlier session', async () => {
    const first = members.assign(name, identity, 's1')!;
    online = [opened(first)];
    await members.sync();
    const second = members.assign(name, identity, 's2')!;
    assert.notEqual(second, first);
    online = [opened(second)];
    await members.sync();
    members.closed(name, 's1');
    assert.deepEqual(ports(), [second]);
    members.closed(name, 's2');
    assert.deepEqual(ports(), []);
  });

  it('are not restored by an answer of frps that is older than the close of their proxy', async () => {
    const port = members.assign(name, identity, 's1')!;
    online = [opened(port)];
    await members.sync();
    meanwhile = () => members.closed(name, 's1');
    await members.sync();
    assert.deepEqual(ports(), []);
  });

  it('stay as they are while frps cannot be asked, and are none after it has restarted', async () => {
    online = [opened(29_000)];
    await members.sync();
    isDown = true;
    await members.sync();
    assert.deepEqual(ports(), [29_000]);
    isDown = false;
    online = [];
    await members.sync();
    assert.deepEqual(ports(), []);
  });

  it('that were announced and never registered free their port', async () => {
    members.assign(name, identity, 's1');
    assert.equal(members.loadOf(identity).ofPod, 1);
    now = 15_000;
    await members.sync();
    assert.equal(members.loadOf(identity).ofPod, 0);
  });

  it('are asked for at frps soon after an announcement, without a call of sync', async () => {
    const port = members.assign(name, identity, 's1')!;
    online = [opened(port)];
    while (members.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(ports(), [port]);
  });

  it('are asked for again after an answer that was so slow that the next question fell due before it', async () => {
    meanwhile = async () => {
      meanwhile = () => {};
      online = [opened(members.assign(name, identity, 's1')!)];
      await new Promise((resolve) => setTimeout(resolve, 100));
    };
    await members.sync();
    await until(() => members.size === 1);
  });
});

describe('ports', () => {
  it('rest for a minute before they are given out again, and never are those of others', () => {
    const all = new Ports({ now: () => now });
    const isTaken = (port: number) => port === 29_999;
    assert.equal(all.assign(isTaken), 29_998);
    all.free(29_998);
    assert.equal(all.assign(isTaken), 29_997);
    now += 60_000;
    assert.equal(all.assign(isTaken), 29_998);
  });

  it('run out: once all have been given out, an assignment finds none', () => {
    const all = new Ports({ now: () => now });
    let count = 0;
    while (all.assign(() => false) !== undefined) count++;
    assert.equal(count, 32_000 - 10_005 + 1);
  });
});
