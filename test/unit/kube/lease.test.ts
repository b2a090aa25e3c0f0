import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import { Election } from '../../../src/kube/lease.ts';
import type { Lease } from '../../../src/kube/types.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from './api-server.ts';

const path = '/apis/coordination.k8s.io/v1/namespaces/frp-system/leases/frp-controller';

it('a replica takes the Lease of one that has fallen silent as soon as it has run out, however seldom it looks', async (t) => {
  const api = await ApiServer.start();
  t.after(() => api.close());
  const spec = { holderIdentity: 'dead', leaseDurationSeconds: 1, leaseTransitions: 3 };
  api.put(path, { metadata: { name: 'frp-controller', namespace: 'frp-system' }, spec } as Lease);
  let leads = false;
  const election = new Election({
    client: api.client,
    log: pino({ level: 'silent' }),
    namespace: 'frp-system',
    name: 'frp-controller',
    identity: 'a',
    retryMs: 3_600_000,
    onLeading: () => (leads = true),
    onLost: () => assert.fail('it was never lost'),
  });
  t.after(() => election.close());
  await until(() => leads);
  const taken = (api.objects.get(path) as Lease).spec;
  assert.deepEqual([taken?.holderIdentity, taken?.leaseTransitions], ['a', 4]);
  assert.equal(api.requests.filter(({ method }) => method === 'GET').length, 2);
});
