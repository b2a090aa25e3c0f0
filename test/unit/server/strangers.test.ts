import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import '../../support/few-keys.ts';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { clientOptions } from '../../../src/webhook/server/clients.ts';
import { FairShare } from '../../../src/webhook/server/fair-share.ts';
import { until } from '../../support/until.ts';
import { allow, keepAlive, newCertificate, podReview, send, serving, type ServiceConfig } from './harness.ts';

/** Loopback has many addresses: the API server's is 127.0.0.1 here. */
const stranger = '127.0.0.2';
const closing: (() => unknown)[] = [];
after(() => Promise.all(closing.map((close) => close())));

async function started(...given: Parameters<typeof serving>): Promise<ServiceConfig> {
  const served = await serving(...given);
  closing.push(() => served.close(0));
  return served;
}

describe('with the authority of the API server’s certificate, the webhooks', async () => {
  const validity = { lifetimeMs: 86_400_000, now: Date.now() };
  const [ours, theirs] = [await createAuthority(validity), await createAuthority(validity)];
  const client = async (authority: typeof ours, commonName: string) => {
    const { certPem, keyPem } = await issue(authority, { commonName, usages: ['clientAuth'], ...validity });
    return { cert: certPem, key: keyPem };
  };
  let asked = 0;
  const count = () => (asked++, allow);
  const trust = { caPem: ours.certPem, names: ['kube-apiserver'] };

  it('answer it, before and after their own certificate is renewed', async () => {
    const served = await started(count, trust);
    const options = await client(ours, 'kube-apiserver');
    assert.equal((await send(served, podReview(), options)).status, 200);
    served.renew(await newCertificate('renewed'));
    const { status, servedBy } = await send(served, podReview(), options);
    assert.deepEqual([status, servedBy], [200, 'renewed']);
    await assert.rejects(send(served, podReview()));
  });

  it('answer nobody else: without a certificate, with one of another authority, or with another name', async () => {
    const served = await started(count, trust);
    asked = 0;
    for (const options of [{}, await client(theirs, 'kube-apiserver'), await client(ours, 'kubelet')]) {
      await assert.rejects(send(served, podReview(), options));
      await assert.rejects(send(served, undefined, { ...options, method: 'GET', path: '/' }));
    }
    assert.equal(asked, 0);
  });
});

describe('without it, a stranger', () => {
  it('who opens more than a thousand connections loses those, and the API server none', async () => {
    const served = await started(() => allow);
    const agent = keepAlive(served);
    const first = await send(served, podReview(), { agent });
    const sockets = Array.from({ length: 1200 }, () => connectTcp({ host: '127.0.0.1', port: served.port, localAddress: stranger }));
    closing.push(() => sockets.forEach((socket) => socket.destroy()));
    for (const socket of sockets) socket.on('error', () => undefined);
    const open = (): Socket[] => sockets.filter((socket) => !socket.destroyed);
    for (const socket of sockets) socket.on('end', () => socket.destroy());
    await until(() => open().length <= 1024);
    const again = await send(served, podReview(), { agent });
    assert.deepEqual([again.status, again.localPort], [200, first.localPort]);
    assert.equal((await send(served, podReview())).status, 200);
    agent.destroy();
  });

  it('who sends a dozen bodies without an end is turned away, and a large review of the API server is answered', async () => {
    const served = await started(() => allow);
    const half = Buffer.alloc(6.5 * 1024 * 1024, ' ');
    const statuses: number[] = [];
    for (let i = 0; i < 14; i++) {
      const request = httpsRequest({
        host: '127.0.0.1',
        port: served.port,
        ca: served.ca,
        method: 'POST',
        path: '/mutate/pods',
        agent: false,
        localAddress: stranger,
        headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
      });
      request.on('response', (response) => (statuses.push(response.statusCode!), response.resume()));
      request.on('error', () => undefined);
      request.write(half);
      closing.push(() => request.destroy());
    }
    await until(() => statuses.length >= 4);
    assert.deepEqual(new Set(statuses), new Set([429]));
    const object = { metadata: { annotations: { large: 'x'.repeat(5 * 1024 * 1024) } } };
    assert.equal((await send(served, podReview({ object }))).status, 200);
  });

  it('has ten seconds to shake hands and to send the head of a request, and thirty for all of it', async () => {
    const { server } = await started(() => allow);
    assert.deepEqual([clientOptions(undefined).handshakeTimeout, server.headersTimeout, server.requestTimeout], [10_000, 10_000, 30_000]);
  });
});

describe('a fair share', () => {
  it('never exceeds its limit, and takes only from whoever holds the most', () => {
    const step = fc.record({ owner: fc.constantFrom('a', 'b', 'c'), amount: fc.integer({ min: 1, max: 40 }), release: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const share = new FairShare(100);
        const held = new Map<() => void, { owner: string; amount: number }>();
        const sum = (owner: string) => [...held.values()].reduce((total, each) => total + (each.owner === owner ? each.amount : 0), 0);
        for (const { owner, amount, release } of steps) {
          const [oldest] = held.keys();
          if (release && oldest) {
            share.release(held.get(oldest)!.owner, oldest);
            held.delete(oldest);
          }
          const end = () => {
            const { owner: loser } = held.get(end)!;
            assert.ok(['a', 'b', 'c'].every((other) => sum(other) <= sum(loser)));
            held.delete(end);
          };
          held.set(end, { owner, amount });
          share.take(owner, end, amount);
          assert.ok(share.total <= 100);
          assert.equal(share.total, sum('a') + sum('b') + sum('c'));
        }
      }),
    );
  });
});
