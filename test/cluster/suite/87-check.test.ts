/**
 * `frp-k8s check` against a real installation with a gateway: nothing wrong, then faults. Each is the one thing that is said, `explain`
 * tells the same, and the remedy, run as it is printed, mends it.
 */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { gatewayInstalled, users } from '../support/gateway.ts';
import { apply, rolledOut } from '../support/kubectl.ts';
import { servedBy } from '../support/traffic.ts';
import { unvalidated } from '../support/unvalidated.ts';
import { chosen, chosenLanes, isWhole } from '../support/faults/chosen.ts';
import { check, hostOf, isNamedAndMended, isWell, lineOf, name, workset } from '../support/faults/faults.ts';
import { installationFaults, stripper } from '../support/faults/installation.ts';
import { late, serviceLanes } from '../support/faults/services.ts';
import { workloadLanes } from '../support/faults/workloads.ts';

const ns = 'check';
const conflicting = 'check-conflict';
const lanes = chosenLanes([...workloadLanes(), ...(await serviceLanes())]);
const strip = await stripper();
after(() => strip.close());

suite('frp-k8s check', () => {
  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await apply(...workset(ns));
    await rolledOut(ns, name);
    await servedBy(hostOf(ns), 1, users);
    if (!isWhole) return;
    await testNamespace(conflicting);
    await unvalidated(() => apply(...late(conflicting, hostOf(ns))));
  });

  test('says that nothing is wrong, and gets a real request through by each replica', async () => {
    await isWell(ns);
    const { findings } = await check(ns, '--traffic');
    assert.deepEqual(findings.map(lineOf), []);
  });

  suite('of faults in namespaces of their own', { concurrency: 2 }, () => {
    for (const { namespace, objects = workset(namespace), faults } of lanes)
      // One after the other: a suite has the concurrency of the one around it.
      suite(namespace, { concurrency: 1 }, () => {
        before(async () => {
          await testNamespace(namespace);
          await apply(...objects);
          await isWell(namespace);
        });
        for (const fault of faults)
          test(`names ${fault.fault}, and mends it by the remedy as printed`, () => isNamedAndMended(namespace, fault));
      });

    if (isWhole)
      test('names a host that two namespaces have, and mends it by the remedy as printed', () =>
        isNamedAndMended(conflicting, {
          fault: 'a host that another namespace has',
          make: () => Promise.resolve(),
          reason: 'HostConflict',
        }));
  });

  suite('of faults of the installation', { concurrency: 1 }, () => {
    for (const fault of chosen(installationFaults(strip.make)))
      test(`names ${fault.fault}, and mends it by the remedy as printed`, () => isNamedAndMended(ns, fault));
  });
});
