/** A steady load on the gateway while what is around it changes or breaks: nothing is lost. The long form: test/soak/gateway.ts. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { foreign } from '../support/controller.ts';
import { changes, chaosApp, chaosService, host, ns, type Step } from '../support/gateway-changes.ts';
import { gatewayInstalled, users, usersAddress } from '../support/gateway.ts';
import { apply, rolledOut } from '../support/kubectl.ts';
import { failuresOf, PhasedLoad, type Phase } from '../support/phased-load.ts';
import { servedBy } from '../support/traffic.ts';

const rate = 100;

async function underLoad(step: Step): Promise<Phase> {
  const load = new PhasedLoad({ address: await usersAddress(), port: 80, host }, { rate, phase: step.name });
  await step.run();
  const [phase] = await load.end();
  return phase!;
}

suite('the gateway under load', { skip: foreign }, () => {
  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await apply(chaosService(), chaosApp(3));
    await rolledOut(ns, 'app');
    await servedBy(host, 3, users);
  });

  for (const step of changes.filter(({ isLong }) => !isLong))
    test(`loses nothing: ${step.name}`, async (t) => {
      const phase = await underLoad(step);
      t.diagnostic(`${phase.answered} of ${phase.sent}, p50 ${phase.p50} ms, p99 ${phase.p99} ms`);
      assert.deepEqual(failuresOf([phase]), []);
    });
});
