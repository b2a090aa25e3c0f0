/**
 * A cluster that has joined and means harm, and strangers at the same port, against a whole gateway (`frp-k8s gateway up`):
 * each is refused with a reason at both ends, and another cluster's link, Pod and users do not notice.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority } from '../../certs/authority.ts';
import { createSigningRequest } from '../../certs/signing-request.ts';
import type { LinkIdentity } from '../../src/link/held-link.ts';
import { paths } from '../../src/link/protocol.ts';
import { issuer } from '../unit/gateway/agent-tokens.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { joinedPod, type JoinedPod } from './joined-pod.ts';
import { asked, begin, changes, hello, nothing, podItem, rawLink, session, silent, type RawLink } from './link-attacker.ts';
import { Machine, type Outcome } from './up-harness.ts';

const MiB = 2 ** 20;
/** What the agent may grow by, whatever a cluster sends: it takes 32 MiB of one, and holds them more than once. */
const mostGrowth = 300 * MiB;

describe('a gateway with a cluster that means harm', () => {
  const machine = new Machine();
  let evil: LinkIdentity;
  let calm: TestCluster;
  let pod: JoinedPod;
  let bystanders: { end: () => Promise<Outcome[]> };
  let number = 0;

  const joined = async (cluster: string, ...grant: string[]): Promise<LinkIdentity> => {
    const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', cluster, ...grant);
    return joinAs(token.trim());
  };

  before(async () => {
    await machine.started();
    // The evil one is the older one: whatever its age decides, it decides for it.
    evil = await joined('evil', '--namespaces', 'prod,evil', '--hosts', '*.evil.example.com,api.example.com', '--ports', '9000');
    calm = startCluster(await joined('calm'));
    pod = await joinedPod(machine, calm, 'api', 'calm');
    await eventually('users reach the Pod', async () => (await machine.get('/', { host: 'api.example.com' })).body === 'calm');
    bystanders = machine.load('api.example.com', 2);
  });
  after(async () => {
    const lost = (await bystanders?.end())?.filter(({ status }) => status !== 200);
    pod?.end();
    await calm?.close();
    await machine.close();
    assert.deepEqual(lost, []);
  });
  beforeEach(() => (number = 0));

  const rss = (): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${machine.leader('agent')}/status`, 'utf8'))![1]) * 1024;
  /** What the agent's memory grows by at the most meanwhile. */
  async function growthOf(work: () => Promise<unknown>): Promise<number> {
    const first = rss();
    let most = first;
    const timer = setInterval(() => (most = Math.max(most, rss())), 50);
    await work().finally(() => clearInterval(timer));
    return Math.max(most, rss()) - first;
  }
  const tells = (cluster: string, reason: string): Promise<unknown> =>
    eventually(`the log says ${reason} of ${cluster}`, () =>
      machine.log.some((line) => 'cluster' in line && line.cluster === cluster && 'reason' in line && line.reason === reason),
    );
  const logged = (reason: string): number => machine.log.filter((line) => 'reason' in line && line.reason === reason).length;
  /** A link that has begun as it should. */
  async function linked(options?: { reads: boolean }): Promise<RawLink> {
    const link = await rawLink(evil, options);
    await link.say(hello());
    await link.say(nothing);
    return link;
  }
  /** Reasons that a cluster has been told, by item. */
  const refusals = ({ said }: RawLink): Record<string, string> =>
    Object.fromEntries(
      said.flatMap((message) =>
        message.type === 'changes'
          ? message.set.flatMap(({ kind, key, value }) => (kind === 'refused' ? [[key, (value as { reason: string }).reason]] : []))
          : [],
      ),
    );
  const ends = async (link: RawLink, reason: string): Promise<void> => {
    assert.equal(await Promise.race([link.ended, sleep(30_000, 'it goes on')]), reason);
    await tells('evil', reason);
  };
  /** The other cluster changes something, and the gateway has it. */
  async function calmIsServed(what: string): Promise<void> {
    const name = `after-${what}`;
    calm.end.outbox.set(serviceItem(name));
    await eventually(
      `the other cluster is served after ${what}`,
      async () => (await machine.get('/', { host: `${name}.example.com` })).status === 503,
    );
    calm.end.outbox.delete({ kind: 'service', key: `prod/${name}` });
    assert.equal(calm.link.state.isUp, true);
  }

  it('says to a cluster what it may not have, and gives it nothing of it', async () => {
    const link = await linked();
    const service = (name: string, expose: object, namespace = 'evil') => serviceItem(name, { namespace, spec: { expose } }) as object;
    await link.say(
      changes(1, [
        service('host', { type: 'domain', domain: 'bank.example.com' }),
        service('wide', { type: 'domain', domain: '*.example.com' }),
        serviceItem('port', { namespace: 'evil', spec: { serviceType: 'tcp', expose: { type: 'port', port: 9001 } } }),
        service('space', { type: 'domain', domain: 'x.evil.example.com' }, 'kube-system'),
        podItem('uid-foreign', { namespace: 'kube-system' }),
        { kind: 'secret', key: 'tls other/cert', value: { data: {} } },
      ]),
    );
    await eventually('each is refused', () => Object.keys(refusals(link)).length === 6);
    assert.deepEqual(
      refusals(link),
      Object.fromEntries(
        ['evil/host', 'evil/wide', 'evil/port', 'kube-system/space', 'pod uid-foreign', 'secret tls other/cert'].map((key) => [
          key,
          'NotGranted',
        ]),
      ),
    );
    assert.equal((await machine.get('/', { host: 'bank.example.com' })).status, 404);
    link.close();
  });

  it('takes no host from who is served at it: neither by an age, nor by a change of what is there, nor over a restart', async () => {
    const service = (name: string, host: string) =>
      serviceItem(name, {
        namespace: 'evil',
        creationTimestamp: '1970-01-01T00:00:00Z',
        spec: { expose: { type: 'domain', domain: host } },
      });
    const isCalm = async () => assert.equal((await machine.get('/', { host: 'api.example.com' })).body, 'calm');
    const link = await linked();
    await link.say(changes(1, [service('grab', 'api.example.com'), service('moves', 'x.evil.example.com')]));
    await eventually('it has what is free', async () => (await machine.get('/', { host: 'x.evil.example.com' })).status === 503);
    await eventually('it is told', () => refusals(link)['evil/grab'] === 'HostConflict');
    await link.say(changes(2, [service('moves', 'api.example.com')]));
    await eventually('it is told again', () => refusals(link)['evil/moves'] === 'HostConflict');
    await isCalm();
    const before = machine.leader('agent');
    process.kill(before, 'SIGKILL');
    await eventually('there is another agent', () => machine.leader('agent') !== before);
    const again = await eventually('it takes links', () => rawLink(evil));
    await again.say(hello());
    await again.say({ ...nothing, isSame: false });
    await again.say(changes(1, []));
    await eventually('it is told by the next agent', () => refusals(again)['evil/grab'] === 'HostConflict');
    await eventually('the other cluster has its link', () => calm.link.state.isUp);
    await isCalm();
    const gone = ['evil/grab', 'evil/moves'].map((key) => ({ kind: 'service', key }));
    await again.say(changes(2, [], true, gone));
    again.close();
  });

  it('ends a link of another version', async () => {
    const link = await rawLink(evil);
    await link.say(hello({ version: { major: 9, minor: 0 } }));
    await ends(link, 'VersionDiffers');
  });

  it('ends a link that leaves a message unfinished, or never begins one', async () => {
    const [half, mute] = [await linked(), await rawLink(evil)];
    // Of two links of a cluster the newer one stays: the other waits by itself.
    assert.equal(await half.ended, 'Replaced');
    await ends(mute, 'MessageCutOff');
    const next = await linked();
    await next.say('{"type":"changes","number":1,"set":[');
    await ends(next, 'MessageCutOff');
  });

  it('does not take a snapshot of 100 MB, in parts or as one, and its memory is bounded', async () => {
    const growth = await growthOf(async () => {
      const parts = await linked();
      const part = (from: number) =>
        Array.from({ length: 100 }, (_, i) => ({
          kind: 'secret',
          key: `tls evil/s${from}-${i}`,
          value: { data: { 'tls.crt': 'x'.repeat(10_000) } },
        }));
      for (let i = 0; i < 100; i++) await parts.say(changes(++number, part(i), false));
      await ends(parts, 'TooMuch');
      const one = await linked();
      await one.say(`{"type":"changes","number":1,"set":["`);
      for (let i = 0; i < 100; i++) await one.say('x'.repeat(MiB));
      await ends(one, 'MessageTooLarge');
      const has = await linked();
      const names = (from: number) => Array.from({ length: 3000 }, (_, i) => ['service', `${from}-${i}`.padEnd(600, 'x'), 'A'.repeat(22)]);
      await has.say({ ...nothing, isLast: false }).then(() => undefined);
      for (let i = 0; i < 60; i++) await has.say({ type: 'have', items: names(i), isSame: false, isLast: false });
      assert.notEqual(await has.ended, undefined);
    });
    assert.ok(growth < mostGrowth, `${Math.round(growth / MiB)} MiB more`);
    await calmIsServed('snapshots');
  });

  it('does not keep what a cluster does not read', async () => {
    const growth = await growthOf(async () => {
      const link = await linked({ reads: false });
      // Who does not read is not told that the link has ended, and may wait for ever to write.
      const ended = tells('evil', 'NotReading');
      for (let i = 0; i < 60_000 && !(await Promise.race([link.say(changes(++number, [])), ended])); i++);
      await ended;
      link.close();
    });
    assert.ok(growth < mostGrowth, `${Math.round(growth / MiB)} MiB more`);
    await calmIsServed('silence');
  });

  it('takes what floods it at its pace, over all links together, and the others meanwhile', async () => {
    const growth = await growthOf(async () => {
      for (let round = 0; round < 3; round++) {
        const link = await linked();
        number = 0;
        const flood = (async () => {
          for (let i = 0; i < 200; i++)
            await link.say(
              changes(
                ++number,
                Array.from({ length: 1000 }, (_, at) => podItem(`uid-${at % 10}`, { weight: i })),
                true,
              ),
            );
        })();
        await calmIsServed(`flood-${round}`);
        link.close();
        await flood;
      }
    });
    assert.ok(growth < mostGrowth, `${Math.round(growth / MiB)} MiB more`);
  });

  it('gives back to a cluster what is nested without an end', async () => {
    const link = await linked();
    const item = `{"kind":"service","key":"evil/deep","value":${'['.repeat(5000)}1${']'.repeat(5000)}}`;
    await link.say(`{"type":"changes","number":1,"set":[${item}],"delete":[],"isWhole":true}\n`);
    await ends(link, 'NotAMessage');
  });

  it("lets no cluster speak of another's Pods, by their names, their keys' ids or their public keys", async () => {
    const link = await linked();
    const keys = { kind: 'keys', key: 'tokens', value: { issuer, keys: pod.signer.keys.keys } };
    const facts = podItem(pod.uid, { name: pod.name, isReady: false, weight: 0 });
    await link.say(
      changes(1, [
        keys,
        facts,
        serviceItem('web', { namespace: 'evil', spec: { expose: { type: 'domain', domain: 'web.evil.example.com' } } }),
      ]),
    );
    await eventually('it is told that the keys are not its own', () => refusals(link)['keys tokens'] === 'KeyTaken');
    await eventually('the evil one is served', async () => (await machine.get('/', { host: 'web.evil.example.com' })).status === 503);
    const before = pod.log().length;
    await pod.restart();
    await eventually('the Pod is back', () => pod.log().slice(before).includes('start proxy success'));
    assert.doesNotMatch(pod.log(), /PodGone|TokenInvalid/);
    await eventually('its status comes home', () => (heard(calm.end)[`proxy ${pod.proxy}`] as { status?: string })?.status === 'online');
    await sleep(1500);
    await eventually('users reach the Pod', async () => (await machine.get('/', { host: 'api.example.com' })).body === 'calm');
    link.close();
  });

  it('ends its tunnels for nobody who changes authorities all the time', async () => {
    const link = await linked();
    const count = () => machine.processes('tunnel').length;
    const before = count();
    for (let i = 0; i < 20; i++) {
      const { bundlePem } = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
      await link.say(changes(++number, [{ kind: 'authority', key: 'clients', value: { bundle: bundlePem } }]));
      await sleep(200);
    }
    assert.ok(count() - before <= 6, `${count()} processes`);
    link.close();
  });

  it('has room for a cluster while strangers hold connections, with and without a handshake, and requests that never end', async () => {
    const held = Array.from({ length: 300 }, silent);
    const sessions = (await Promise.allSettled(Array.from({ length: 250 }, () => session()))).flatMap((each) =>
      each.status === 'fulfilled' ? [each.value] : [],
    );
    for (const each of sessions) begin(each, paths.join).write('{"id":"');
    const { identity } = calm;
    await calm.close();
    calm = startCluster(identity, { end: calm.end });
    await eventually('the other cluster has its link', () => calm.link.state.isUp);
    await eventually('requests without an end are ended', () => sessions.every(({ destroyed }) => destroyed));
    for (const each of [...held, ...sessions]) each.destroy();
    await calmIsServed('strangers');
  });

  it('refuses tokens that are none, in one way for all, and its log is not theirs', async () => {
    const { requestPem: request } = await createSigningRequest('x');
    await eventually('the strangers before have left room', async () => {
      (await session()).destroy();
      return true;
    });
    for (let i = 0; i < 100; i++) {
      const over = await session().catch(() => undefined);
      if (!over) continue;
      const secret = 'A'.repeat(43);
      const answer = await asked(over, paths.join, { id: 'AAAAAAAAAAAA', secret, request, now: Date.now() });
      assert.deepEqual([answer.status, answer.reason], [403, 'TokenUnknown']);
      over.destroy();
    }
    assert.ok(logged('TokenUnknown') > 0 && logged('TokenUnknown') <= 90, `${logged('TokenUnknown')} lines`);
    await calmIsServed('guesses');
  });

  it('renews a certificate as often as it may be needed, and no more', async () => {
    const over = await session(evil);
    const { requestPem: request } = await createSigningRequest('evil');
    const reasons = [];
    for (let i = 0; i < 12; i++) reasons.push((await asked(over, paths.renew, { request, now: Date.now() })).reason);
    assert.deepEqual(reasons.slice(0, 10), Array<undefined>(10).fill(undefined));
    assert.equal(reasons.at(-1), 'TooOften');
    over.destroy();
  });

  it('knows a cluster no more that was removed, by whatever certificate', async () => {
    const link = await linked();
    await machine.command('gateway', 'clusters', 'remove', 'evil', '--dir', machine.directory);
    await ends(link, 'ClusterRemoved');
    const over = await session(evil);
    for (const path of [paths.link, paths.renew]) assert.equal((await asked(over, path, { request: '', now: 0 })).reason, 'ClusterRemoved');
    over.destroy();
    await calmIsServed('removal');
  });
});
