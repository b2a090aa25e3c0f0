/**
 * Answers of a language model: nothing for as long as the model is loaded, and then a token a second, through the gateway and
 * through a plain frps. `FRPK8S_LONG=1` makes it what people see, 90 s and then five minutes. Without it the first token comes after
 * 65 s: longer than all that would cut it off or ask again by itself, 30 s of the gateway for a service that says nothing of its time,
 * and 60 s of an frps without vhostHTTPTimeout.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { request, until } from './haproxy-harness.ts';
import { startServer, startSidecar, token } from './injected-sidecar.ts';

const { firstMs, tokens } = process.env.FRPK8S_LONG ? { firstMs: 90_000, tokens: 300 } : { firstMs: 65_000, tokens: 5 };
const whole = Array.from({ length: tokens }, (_, at) => `token ${at + 1}\n`).join('');
const subject = service('web', {
  expose: { domain: 'web.example.com' },
  loadBalancing: { healthCheck: { type: 'http', path: '/', interval: '5s', timeout: '2s' } },
  advanced: { timeout: { request: '10m' } },
});

/** @property asked methods of the requests for an answer, in their order */
async function startModel(t: TestContext): Promise<{ port: number; asked: (string | undefined)[] }> {
  const asked: (string | undefined)[] = [];
  const model = createServer((incoming, answer) => {
    if (incoming.url !== '/generate') return void answer.end('ready');
    asked.push(incoming.method);
    void (async () => {
      await sleep(firstMs);
      for (let at = 1; at <= tokens; at++) {
        answer.write(`token ${at}\n`);
        if (at < tokens) await sleep(1000);
      }
      answer.end();
    })();
  });
  await once(model.listen(0, '127.0.0.1'), 'listening');
  t.after(() => (model.close(), model.closeAllConnections()));
  return { port: (model.address() as AddressInfo).port, asked };
}

/** @param users port at which they come */
async function assertWhole(users: number, { asked }: Awaited<ReturnType<typeof startModel>>): Promise<void> {
  const ask = (path: string, method = 'GET') =>
    request(users, 'web.example.com', path, { method, ...(method === 'POST' && { body: '{"prompt":"why?"}' }) });
  await until(async () => (await ask('/').catch(() => undefined))?.body === 'ready');
  const answers = await Promise.all(['GET', 'POST'].map((method) => ask('/generate', method)));
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body]),
    [
      [200, whole],
      [200, whole],
    ],
  );
  assert.deepEqual(asked.sort(), ['GET', 'POST']);
}

suite('an answer that begins late and takes long comes whole, and the model is asked once', { concurrency: true }, () => {
  test('through the gateway', async (t) => {
    const model = await startModel(t);
    const gateway = await Gateway.start();
    t.after(() => gateway.close());
    gateway.putService(subject);
    const pod = { namespace: 'shop', name: 'web-0', uid: '5c2a6c1e-0000-4000-8000-000000000009' };
    gateway.putPod(pod);
    await gateway.sidecar(pod, 'web', model.port);
    await assertWhole(gateway.ports.http, model);
  });

  test('through a plain frps that waits as long as the one of manifests/frps', async (t) => {
    const model = await startModel(t);
    const shipped = readFileSync(new URL('../../manifests/frps/frps.toml', import.meta.url), 'utf8');
    const [, seconds] = /^vhostHTTPTimeout = ([0-9]{1,6})$/m.exec(shipped) ?? [];
    const { port, users } = await startServer(t, { vhostHTTPTimeout: Number(seconds) });
    const keys = { port, auth: { tokenSecret: 'frps-token' }, tls: 'unverified' } as const;
    await startSidecar(t, keys, { 'frps.token': token }, { groups: [{ service: subject, port: model.port }] });
    await assertWhole(users, model);
  });
});
