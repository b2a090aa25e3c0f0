/** What each HAProxy may use where one program runs the whole gateway. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { memoryShares } from '../../../src/gateway/up/agent-part.ts';

const gibibyte = 2 ** 30;

it('the limit of the control group counts where it is below what the machine has, and else the machine', () => {
  assert.deepEqual(memoryShares(4 * gibibyte, 16 * gibibyte), { users: 2 * gibibyte, tunnel: gibibyte });
  const ofMachine = { users: 8 * gibibyte, tunnel: 4 * gibibyte };
  assert.deepEqual(memoryShares(0, 16 * gibibyte), ofMachine);
  // cgroup v1 says so where there is no limit.
  assert.deepEqual(memoryShares(2 ** 63 - 4096, 16 * gibibyte), ofMachine);
});

it('both together leave a quarter to frps, the agent and its checks, in whole bytes', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 53 - 1), fc.integer({ min: 1, max: 2 ** 50 }), (constrained, machine) => {
      const { users, tunnel } = memoryShares(constrained, machine);
      assert.ok(Number.isSafeInteger(users) && Number.isSafeInteger(tunnel));
      assert.ok(users >= tunnel && users + tunnel <= 0.75 * machine);
      if (constrained > 0) assert.ok(users + tunnel <= 0.75 * constrained);
    }),
  );
});
