import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eligibilityOf } from '../../../src/gateway/admission/eligibility.ts';
import { Patience } from '../../../src/gateway/admission/patience.ts';
import type { ServiceReader } from '../../../src/model/store.ts';
import { service } from '../../support/services.ts';

const podOf = (uid: string) => ({ cluster: '', namespace: 'shop', pod: 'app', uid });

test('services that are not known hold the proxies of a Pod up together no longer than one does, and another Pod not at all', async () => {
  let now = 0;
  const waited: Record<string, number> = {};
  const patience = new Patience({ now: () => now });
  const known = service('web');
  const ask = (uid: string, name: string) => {
    // As frps asks: one after the other, and each waits to its end.
    const waitFor: ServiceReader['waitFor'] = async (_namespace, _name, _ready, ms) => {
      waited[uid] = (waited[uid] ?? 0) + ms;
      now += ms;
      return undefined;
    };
    const services = { get: (_namespace: string, wanted: string) => (wanted === 'web' ? known : undefined), waitFor };
    return eligibilityOf(podOf(uid), name, { services, patience });
  };
  for (let index = 0; index < 200; index++) {
    const answer = await ask('a', `gone-${index}`);
    assert.ok(!answer.ok && answer.reason === 'UnknownService');
  }
  assert.deepEqual(waited, { a: 2000 });
  await ask('b', 'gone-1');
  await ask('b', 'web');
  assert.deepEqual(waited, { a: 2000, b: 2000 });
  // When frpc asks again the watch may be behind once more.
  now += 30_000;
  await ask('a', 'gone-1');
  await ask('a', 'gone-2');
  assert.deepEqual(waited, { a: 4000, b: 2000 });
});
