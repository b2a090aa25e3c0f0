/** Pods that the gateway turns away, as their clusters are told of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RefusedPods } from '../../../src/gateway/api/refused-pods.ts';
import type { PodFacts } from '../../../src/frp/pod-facts.ts';

const about = { cluster: 'edge', namespace: 'shop', pod: 'web-0', uid: 'u0' };
const facts: PodFacts = { namespace: 'shop', name: 'web-0', isReady: true, weight: undefined, ip: undefined, ports: { web: 80, api: 81 } };
const told = (refused: RefusedPods) => refused.statuses(() => facts).map(({ name, reason }) => [name, reason]);

test('a refused proxy is told of its service, a refused login of each service of the Pod, until the Pod is let in', () => {
  const refused = new RefusedPods();
  refused.refused('NoPort', 'none is free', { ...about, service: 'web' });
  assert.deepEqual(told(refused), [['shop.web.00000000.web-0.u0', 'refused by the gateway, NoPort: none is free']]);
  refused.admitted(about);
  assert.equal(told(refused).length, 1);
  refused.admitted(about, 'web');
  assert.deepEqual(told(refused), []);
  refused.refused('TokenExpired', 'it has', about);
  assert.deepEqual(
    told(refused).map(([name]) => name),
    ['shop.web.00000000.web-0.u0', 'shop.api.00000000.web-0.u0'],
  );
  assert.deepEqual(
    refused.statuses(() => undefined),
    [],
  );
});

test('who is not proven, and who has not tried for two minutes, is not told of', () => {
  let now = 0;
  const refused = new RefusedPods(() => now);
  refused.refused('NoToken', 'there is none');
  refused.refused('NoPort', 'none is free', { ...about, service: 'web' });
  assert.equal(told(refused).length, 1);
  now = 120_001;
  assert.deepEqual(told(refused), []);
});

test('a cluster that floods the gateway is told of 200 of its Pods, and takes no place of another cluster’s', () => {
  const refused = new RefusedPods();
  refused.refused('NoPort', 'none is free', { ...about, service: 'web' });
  for (let pod = 0; pod < 1000; pod++)
    refused.refused('NoPort', 'none is free', { cluster: 'loud', namespace: 'a', pod: `p-${pod}`, uid: `u-${pod}`, service: 'web' });
  const names = told(refused).map(([name]) => name);
  assert.equal(names.length, 201);
  assert.ok(names.includes('shop.web.00000000.web-0.u0') && names.includes('a.web.00000000.p-999.u-999'));
});
