/** The agent between a real frps, real frpc processes and two real HAProxies. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { service } from '../support/services.ts';
import { eventually, Gateway } from './agent-harness.ts';

const uid = (end: number) => `3f2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const pod = (end: number, namespace = 'shop') => ({ namespace, name: `web-${end}`, uid: uid(end) });

describe('the gateway', { timeout: 170_000 }, () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await Gateway.start();
    gateway.putService(service('web', { loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'tcp', interval: '1s' } } }));
  });
  after(() => gateway?.close());

  async function join(end: number): Promise<void> {
    const { port } = await gateway.app(`app ${end}`);
    gateway.putPod(pod(end));
    await gateway.sidecar(pod(end), 'web', port);
  }
  const served = async (count: number) => {
    const seen = new Set<string>();
    for (let index = 0; index < 4 * count; index++) {
      const { status, body } = await gateway.request('web.example.com');
      if (status !== 200) return undefined;
      seen.add(body);
    }
    return seen.size === count ? [...seen].sort() : undefined;
  };

  it('answers a request through HAProxy, frps, frpc and the app', async () => {
    await join(1);
    assert.deepEqual(await eventually('app 1 answers', () => served(1)), ['app 1']);
  });
});
