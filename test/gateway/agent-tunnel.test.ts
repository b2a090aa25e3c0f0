/** What the fields about the tunnel do, through a real frpc, frps and HAProxy. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { freePort } from './haproxy-harness.ts';
import { certificate } from './certificates.ts';

const uid = (end: number) => `5c2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const pod = (end: number) => ({ namespace: 'shop', name: `app-${end}`, uid: uid(end) });

describe('through the tunnel', { timeout: 175_000 }, () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway?.close());

  /** A service with one Pod more. */
  async function joins(name: string, end: number, port: number, spec: Partial<DistributedServiceSpec>, proxy: object = {}): Promise<void> {
    gateway.putService(service(name, spec));
    gateway.putPod(pod(end));
    await gateway.sidecar(pod(end), name, port, { proxy });
  }
  const serves = (host: string, path = '/') =>
    eventually(`${host} is served`, async () => (await gateway.request(host, path)).status === 200);

  /** A user's request whose answer is read by the test. */
  async function open(host: string, path: string, agent?: Agent): Promise<IncomingMessage> {
    const call = request({
      host: '127.0.0.1',
      port: gateway.ports.http,
      path,
      headers: { host },
      ...(agent ? { agent } : { agent: false }),
    });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    return response;
  }
  async function whole(response: IncomingMessage): Promise<number> {
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    return bytes;
  }

  it('an https check takes a backend that certified itself out by its threshold, and in again', async (t) => {
    const port = await freePort();
    const healthCheck = {
      type: 'https' as const,
      path: '/healthz',
      interval: '1s',
      timeout: '1s',
      failureThreshold: 2,
      successThreshold: 2,
    };
    const spec = {
      serviceType: 'tcp' as const,
      expose: { type: 'port' as const, port },
      loadBalancing: { algorithm: 'round-robin' as const, healthCheck },
    };
    let isWell = true;
    const checks: boolean[] = [];
    const app = (name: string, answer: () => boolean) =>
      gateway.listen(
        createSecure(certificate(t, name), (req, res) => {
          const isFine = answer();
          if (req.url === '/healthz') res.writeHead(isFine ? 200 : 503).end();
          else res.end(name);
        }),
      );
    await joins('secure', 1, await app('well', () => true), spec);
    await joins('secure', 2, await app('sick', () => (checks.push(isWell), isWell)), spec);
    const ask = async () => {
      const tls = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
      tls.on('error', () => {});
      const name = new Promise<string>((resolve) => {
        tls.once('secureConnect', () => resolve(String(tls.getPeerCertificate().subject.CN)));
        tls.once('close', () => resolve(''));
      });
      return name.finally(() => tls.destroy());
    };
    const answer = (...names: string[]) =>
      eventually(`${names.join(' and ')} answer`, async () => {
        const seen = new Set([await ask(), await ask(), await ask(), await ask()]);
        return [...seen].sort().join() === names.join();
      });
    await answer('sick', 'well');
    checks.length = 0;
    isWell = false;
    await answer('well');
    assert.ok(checks.filter((each) => !each).length >= 2, 'not by one failure');
    checks.length = 0;
    isWell = true;
    await answer('sick', 'well');
    assert.ok(checks.filter((each) => each).length >= 2, 'not by one success');
  });

  for (const mode of ['client', 'server'] as const)
    it(`a bandwidth limit holds, enforced by the ${mode}`, async () => {
      const size = 1024 * 1024;
      const app = createServer((req, res) => res.end(req.url === '/big' ? Buffer.alloc(size) : 'ok'));
      // The sidecar is configured with it too: of two sides, the one of the mode enforces it.
      const transport = { bandwidthLimit: '256KB', bandwidthLimitMode: mode };
      const end = mode === 'client' ? 3 : 4;
      await joins(`slow-${mode}`, end, await gateway.listen(app), { advanced: { bandwidth: { limit: '256KB', mode } } }, { transport });
      await serves(`slow-${mode}.example.com`);
      const start = performance.now();
      assert.equal(await whole(await open(`slow-${mode}.example.com`, '/big')), size);
      const seconds = (performance.now() - start) / 1000;
      assert.ok(seconds > 2, `1 MB in ${seconds} s, at 256 KB a second after the first 256`);
    });

  it('a stream of tokens lasts longer than keepAlive, and silence does not', async () => {
    const tokens = 30;
    const app = createServer((req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      if (req.url === '/') return void res.end();
      res.write('data: 0\n\n');
      if (req.url === '/silent') return;
      let count = 1;
      const timer = setInterval(() => (count < tokens ? res.write(`data: ${count++}\n\n`) : (clearInterval(timer), res.end())), 250);
      res.on('close', () => clearInterval(timer));
    });
    await joins('ollama', 5, await gateway.listen(app), { advanced: { timeout: { keepAlive: '5s' } } });
    await serves('ollama.example.com');
    const [stream, silent] = await Promise.all([open('ollama.example.com', '/stream'), open('ollama.example.com', '/silent')]);
    const isCut = whole(silent).then(
      () => false,
      () => true,
    );
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    assert.equal(text.match(/data: /g)?.length, tokens);
    assert.ok(await isCut, 'a user is not left waiting for what does not come');
  });

  describe('the connection pool', () => {
    /** An app whose connections are counted. */
    async function pooled(name: string, end: number, connectionPool: object) {
      const held: (() => void)[] = [];
      const app = createServer({ keepAliveTimeout: 0 }, (req, res) => {
        if (req.url === '/hold') held.push(() => res.end('held'));
        else res.end('ok');
      });
      const open = new Set<Socket>();
      let count = 0;
      app.on('connection', (socket: Socket) => {
        count++;
        open.add(socket.on('close', () => open.delete(socket)));
      });
      await joins(name, end, await gateway.listen(app), { advanced: { connectionPool } });
      await serves(`${name}.example.com`);
      return { held, open, count: () => count, user: () => userOf(`${name}.example.com`) };
    }

    /** Somebody who asks again and again on a connection of his own. */
    function userOf(host: string) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      after(() => agent.destroy());
      return { ask: async (path = '/') => whole(await open(host, path, agent)) };
    }

    const usage = async (name: string) => {
      const { body } = await gateway.get('/metrics', gateway.ports.operations);
      return Number(
        new RegExp(`frp_distributed_service_connection_pool_usage\\{namespace="shop",name="${name}",[^}]*\\} (.*)`).exec(body)?.[1],
      );
    };

    it('keeps connections to the app for the next request; its metric tells how much of them is in use', async () => {
      const { count, held, user } = await pooled('pool', 6, { size: 5 });
      const { ask } = user();
      await ask();
      const before = count();
      for (let i = 0; i < 10; i++) await ask();
      assert.equal(count() - before, 0, 'no new one');
      await eventually('all are idle', async () => (await usage('pool')) === 0);
      const waiting = ask('/hold');
      await eventually('one is in use', async () => (await usage('pool')) > 0);
      for (const release of held) release();
      await waiting;
      await eventually('all are idle', async () => (await usage('pool')) === 0);
    });

    it('keeps no more than its size', async () => {
      const { open, held, user } = await pooled('small', 7, { size: 2 });
      const waiting = Array.from({ length: 6 }, () => user().ask('/hold'));
      await eventually('all are there', () => held.length === 6);
      assert.ok(open.size >= 6);
      for (const release of held) release();
      await Promise.all(waiting);
      await eventually('two are left', () => open.size <= 2);
    });

    it('closes what has been idle for its time', async () => {
      const { open, user } = await pooled('idle', 8, { idleTimeout: '1s' });
      await user().ask();
      await eventually('it is closed', () => open.size === 0);
    });

    it('keeps nothing where it is switched off', async () => {
      const { count, user } = await pooled('nopool', 9, { enabled: false });
      const { ask } = user();
      const before = count();
      for (let i = 0; i < 5; i++) await ask();
      assert.equal(count() - before, 5, 'one for each request');
    });
  });
});
