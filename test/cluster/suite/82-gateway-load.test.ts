/** A steady load on the gateway while what is around it changes or breaks: nothing is lost. The long form: test/soak/gateway.ts. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { foreign } from '../support/controller.ts';
import { changes } from '../support/gateway-changes.ts';
import { faults } from '../support/gateway-faults.ts';
import { gatewayInstalled } from '../support/gateway.ts';
import { GatewayLoad, losses, summary } from '../support/gateway-load.ts';
import { exchanges } from '../support/gateway-rotations.ts';
import { ns, subjects } from '../support/gateway-subjects.ts';
import { saidMeanwhile } from '../support/said-meanwhile.ts';

suite('the gateway under load', { skip: foreign }, () => {
  let load: GatewayLoad | undefined;

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await subjects();
    load = await GatewayLoad.start({ rate: 100, leastMs: 3000 });
  });
  after(async () => void (await load?.end()));

  for (const step of [...changes, ...faults, ...exchanges].filter(({ isLong }) => !isLong))
    test(`loses nothing: ${step.name}`, async (t) => {
      const began = Date.now();
      const told = await load!.during(step);
      t.diagnostic(summary(told));
      if (losses(told).length > 0) for (const line of await saidMeanwhile(ns, began)) t.diagnostic(line);
      assert.deepEqual(losses(told), []);
    });

  test('loses nothing between these steps', async (t) => {
    const told = await load!.end();
    t.diagnostic(summary(told));
    assert.deepEqual(losses(told), []);
  });
});
