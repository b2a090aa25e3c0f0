/** The gateway: frps as a pure tunnel, HAProxy above it, and the same DistributedService by either way. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { gatewayInstalled, users } from '../support/gateway.ts';
import { apply, rolledOut } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { requests, servedBy } from '../support/traffic.ts';

const ns = 'gateway';

suite('the gateway', () => {
  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
  });

  test('one annotated Pod answers a request through HAProxy and its tunnel', async () => {
    await apply(
      httpService(ns, 'hello', 'hello.gateway.example.com'),
      deployment({ namespace: ns, name: 'hello', frp: { group: 'hello' } }),
    );
    await rolledOut(ns, 'hello');
    const [only] = await servedBy('hello.gateway.example.com', 1, users);
    assert.match(only!, /^hello-/);
  });

  test('replicas share the requests', async () => {
    await apply(deployment({ namespace: ns, name: 'hello', frp: { group: 'hello' }, replicas: 3 }));
    await rolledOut(ns, 'hello');
    await servedBy('hello.gateway.example.com', 3, users);
    const shares = await requests('hello.gateway.example.com', 300, '/', users);
    for (const [pod, count] of shares) assert.ok(count > 60, `${pod}: ${count} of 300`);
  });
});
