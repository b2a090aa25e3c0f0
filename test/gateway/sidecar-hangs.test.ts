/** A sidecar that hangs: it keeps its tunnel open, its kernel acknowledges for it, and nothing in the tunnel is answered. */
import assert from 'node:assert/strict';
import { createServer, request, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const host = 'web.example.com';
const pods = [1, 2].map((n) => ({ namespace: 'shop', name: `web-${n}`, uid: `3f2a6c1e-0000-4000-8000-00000000000${n}` }));
const [hung, other] = pods as [(typeof pods)[0], (typeof pods)[0]];
/** Of the promise three seconds; the rest is this machine's. */
const lateMs = 5000;

describe('a sidecar that hangs', { timeout: 240_000 }, () => {
  let gateway: Gateway;
  /** requests that reached each app, by method and path */
  const seen = new Map<string, string[]>();

  /** Names itself; `/slow` after five seconds, `/stream` with one word at once and the other one after five seconds. */
  const app = (name: string): Server =>
    createServer((incoming, response) => {
      incoming.resume();
      seen.set(name, [...(seen.get(name) ?? []), `${incoming.method} ${incoming.url}`]);
      if (incoming.url === '/stream') response.write('first ');
      setTimeout(() => response.end(name), incoming.url === '/' ? 5 : 5000);
    });

  before(async () => {
    gateway = await Gateway.start();
    // The check is too slow to help.
    const healthCheck = { type: 'http' as const, path: '/', interval: '60s', timeout: '30s' };
    gateway.putService(service('web', { loadBalancing: { algorithm: 'round-robin', healthCheck } }));
    for (const pod of pods) {
      gateway.putPod(pod);
      await gateway.sidecar(pod, 'web', await gateway.listen(app(pod.name)));
    }
    await bothServe();
  });
  after(() => gateway?.close());

  const bothServe = () =>
    eventually('both serve', async () => {
      const answers = [await asked(), await asked()].map(({ text }) => text);
      return pods.every(({ name }) => answers.includes(`200 ${name}`));
    });

  /** A user's request. @returns status and body, or what became of it, and the milliseconds that it took */
  const asked = (path = '/', method = 'GET'): Promise<{ text: string; ms: number }> =>
    new Promise((resolve) => {
      const began = performance.now();
      const done = (text: string) => resolve({ text, ms: Math.round(performance.now() - began) });
      const outgoing = request(
        { host: '127.0.0.1', port: gateway.ports.http, path, method, headers: { host }, agent: false },
        (incoming) => {
          let body = '';
          incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
          incoming.on('end', () => done(`${incoming.statusCode} ${body}`));
          incoming.on('error', (error) => done(error.message));
        },
      );
      outgoing.on('error', (error) => done(error.message));
      outgoing.end(method === 'POST' ? 'x' : undefined);
    });

  it('costs nobody more than three seconds, and no request that must not be repeated reaches an app twice', async () => {
    const streams = await Promise.all([asked('/stream', 'POST'), asked('/slow', 'POST'), asked('/slow', 'POST')]);
    assert.deepEqual(new Set(streams.map(({ text }) => text.slice(0, 3))), new Set(['200']), 'silent answers of five seconds come');
    seen.clear();
    gateway.signal(`frpc ${hung.name}`, 'SIGSTOP');
    const answers: Promise<{ text: string; ms: number }>[] = [];
    const posts: Promise<{ text: string; ms: number }>[] = [];
    for (let round = 0; round < 40; round++) {
      answers.push(asked(), asked());
      if (round % 10 === 0) posts.push(asked('/', 'POST'));
      await sleep(100);
    }
    const told = await Promise.all(answers);
    assert.deepEqual([...new Set(told.map(({ text }) => text))], [`200 ${other.name}`]);
    const slowest = Math.max(...told.map(({ ms }) => ms));
    assert.ok(slowest < lateMs, `${slowest} ms`);
    const sent = (await Promise.all(posts)).map(({ text }) => text);
    const carriedOut = [...seen.values()].flat().filter((each) => each === 'POST /').length;
    assert.equal(carriedOut, sent.filter((text) => text.startsWith('200')).length);
    gateway.signal(`frpc ${hung.name}`, 'SIGCONT');
    await bothServe();
  });

  it('is told from a HAProxy that was itself held up, whose tunnels all stay', async () => {
    const logins = () => pods.map(({ name }) => gateway.output(`frpc ${name}`).split('login to server success').length - 1);
    const before = logins();
    for (let round = 0; round < 3; round++) {
      gateway.signal('tunnel', 'SIGSTOP');
      await sleep(4000);
      gateway.signal('tunnel', 'SIGCONT');
      await sleep(500);
    }
    await bothServe();
    assert.deepEqual(logins(), before);
  });
});
