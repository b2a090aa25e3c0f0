/** Parts of the gateway hang, die in every replica at once, or are cut off, under a steady load. The long form: test/soak/faults.ts. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { foreign } from '../support/controller.ts';
import { beyond, hangs, lostAfterMs } from '../support/gateway-hangs.ts';
import { reloadFaults } from '../support/gateway-reloads.ts';
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

  for (const step of [...hangs, ...reloadFaults].filter(({ isLong }) => !isLong))
    test(`no user's request is lost beyond the bound when ${step.name}`, async (t) => {
      const told = await load!.during(step);
      t.diagnostic(summary(told));
      // How late a request may be, and how long sidecars take to come back, depends on the machine: the summary says it, and
      // the long form holds it to its bound.
      const { outageSeconds } = step;
      assert.deepEqual(beyond(outageSeconds === undefined ? step : { ...step, outageSeconds: 6 * outageSeconds }, told, lostAfterMs), []);
    });
});
