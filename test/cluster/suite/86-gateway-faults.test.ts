/** Parts of the gateway hang, die in every replica at once, or are cut off, under a steady load. The long form: test/soak/faults.ts. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { foreign } from '../support/controller.ts';
import { beyond, hangs } from '../support/gateway-hangs.ts';
import { gatewayInstalled } from '../support/gateway.ts';
import { GatewayLoad, summary } from '../support/gateway-load.ts';
import { ns, subjects } from '../support/gateway-subjects.ts';

suite('faults of the gateway under load', { skip: foreign }, () => {
  let load: GatewayLoad | undefined;

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await subjects();
    load = await GatewayLoad.start({ rate: 50, leastMs: 3000 });
  });
  after(async () => void (await load?.end()));

  for (const step of hangs)
    test(`users are served within the bound when ${step.name}`, async (t) => {
      const told = await load!.during(step);
      t.diagnostic(summary(told));
      assert.deepEqual(beyond(step, told), []);
    });
});
