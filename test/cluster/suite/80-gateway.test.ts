/** The gateway: frps as a pure tunnel, HAProxy above it, and the same DistributedService by either way. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ask } from '../support/ask.ts';
import { root, testNamespace } from '../support/cluster.ts';
import { conditionOf, frpsProxies } from '../support/controller.ts';
import { gatewayInstalled, membersApi, users } from '../support/gateway.ts';
import { apply, get, kubectl, rolledOut, type Json } from '../support/kubectl.ts';
import { deployment, httpService, pod, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
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

  test('a Pod with the readiness gate is ready when requests reach it, and not before', async () => {
    const host = 'gated.gateway.example.com';
    const healthCheck = { type: 'http', path: '/health', interval: '2s', timeout: '1s' };
    const backends = { discovery: { mode: 'auto' } };
    const env = [
      { name: 'PORT', value: '8080' },
      { name: 'HEALTHY', value: 'false' },
    ];
    await apply(service(ns, 'gated', { serviceType: 'http', backends, expose: { domain: host }, loadBalancing: { healthCheck } }));
    const frp = { group: 'gated', 'readiness-gate': 'true' };
    await apply(pod({ namespace: ns, name: 'gated', frp, container: { env, readinessProbe: undefined } }));
    const condition = async (type: string): Promise<Json> => conditionOf((await get(ns, 'pod', 'gated')).status, type);
    await kubectl('-n', ns, 'wait', '--for=condition=ContainersReady', 'pod/gated', '--timeout=60s');
    for (const ordinal of [0, 1])
      await eventually(`a member of replica ${ordinal} without traffic`, async () =>
        assert.deepEqual(
          (await frpsProxies(ns, 'gated', membersApi(ordinal))).map(({ status }) => status),
          ['offline'],
        ),
      );
    assert.equal((await condition('Ready')).reason, 'ReadinessGatesNotReady');
    const { podIP } = (await get(ns, 'pod', 'gated')).status as { podIP: string };
    await ask(podIP, { host, path: '/health?ok=true', method: 'POST' }, 8080);
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/gated', '--timeout=90s');
    assert.equal((await condition('frp.io/registered')).reason, 'Registered');
    assert.deepEqual(await servedBy(host, 1, users), ['gated']);
  });

  test('the samples for what is around it are taken by the API server', async () => {
    const said = await kubectl('apply', '--dry-run=server', '-f', join(root, 'manifests/gateway/samples'));
    assert.match(said, /ingress\.networking\.k8s\.io\/frp-gateway created/);
  });
});
