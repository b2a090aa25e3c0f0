/** What frps and frpc write while nothing happens but health checks. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

test('a health check has no line in the logs of frps and of frpc', async (t) => {
  const gateway = await Gateway.start();
  t.after(() => gateway.close());
  let checks = 0;
  const port = await gateway.listen(
    createServer((incoming, response) => {
      if (incoming.url === '/health') checks++;
      response.end('web');
    }),
  );
  const pod = { namespace: 'shop', name: 'web', uid: '6d2a6c1e-0000-4000-8000-000000000001' };
  gateway.putService(service('web', { loadBalancing: { healthCheck: { type: 'http', path: '/health', interval: '1s' } } }));
  gateway.putPod(pod);
  const sidecar = await gateway.sidecar(pod, 'web', port);
  await eventually('it serves', async () => (await gateway.request('web.example.com')).body === 'web');
  // The harness has frpc say more than the injector does: level debug.
  const linesIn = (text: string) => text.split('\n').filter((line) => !line.includes(' [D] ')).length;
  const before = { checks, frps: linesIn(gateway.output('frps')), frpc: linesIn(sidecar.log()) };
  await eventually('ten checks', () => checks >= before.checks + 10);
  assert.equal(linesIn(gateway.output('frps')), before.frps, gateway.output('frps'));
  assert.equal(linesIn(sidecar.log()), before.frpc, sidecar.log());
});
