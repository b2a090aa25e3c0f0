/** Two services that claim one host, whose holder is deleted; with what it may cost. */
import assert from 'node:assert/strict';
import { conditionOf, frpsProxies, statusOf } from './controller.ts';
import { membersApi, onlineAtBoth, users } from './gateway.ts';
import type { Bounded } from './gateway-hangs.ts';
import { allServed, chaosService, host, ns, usual } from './gateway-subjects.ts';
import { apply, kubectl, rolledOut, type Json, type Manifest } from './kubectl.ts';
import { deployment } from './objects.ts';
import { eventually } from './run.ts';
import { servedBy } from './traffic.ts';
import { unvalidated } from './unvalidated.ts';

const name = 'heir';
const ownHost = 'heir.gateway.example.com';

/** As the app's service, at a host of its own or at the app's. */
function heir(domain: string): Manifest {
  const { spec, ...rest } = chaosService();
  const { tls } = (spec as Json).expose;
  return {
    ...rest,
    metadata: { namespace: ns, name },
    spec: { ...(spec as Json), expose: domain === host ? { domain, tls } : { domain } },
  };
}

/** It has lost the host, and its Pods have their tunnels at both replicas all the same. */
async function waits(service: string, pods: number): Promise<void> {
  await eventually(`${service} waits for the host`, async () =>
    assert.equal(conditionOf(await statusOf(ns, service), 'ConfigurationValid')?.reason, 'HostConflict'),
  );
  for (const ordinal of [0, 1])
    await eventually(`tunnels of ${service} at replica ${ordinal}`, async () =>
      assert.equal((await frpsProxies(ns, service, membersApi(ordinal))).length, pods),
    );
}

export const claimFaults: readonly Bounded[] = [
  {
    name: 'two services fight for a host and the older one is deleted',
    // The validating webhook, which refuses such a claim, is away for a moment twice.
    isLong: true,
    lateMs: 3500,
    outageSeconds: 2,
    isAbsent: true,
    run: async () => {
      // New Pods of a service that waits are refused, so it gets its own before.
      await apply(heir(ownHost), deployment({ namespace: ns, name, frp: { group: name } }));
      await rolledOut(ns, name);
      await onlineAtBoth(ns, name, 1);
      await unvalidated(() => apply(heir(host)));
      await waits(name, 1);
      await kubectl('-n', ns, 'delete', 'distributedservice', 'app', '--timeout=60s');
      await servedBy(host, 1, users);
      // And back by a change of the holder, which nobody is to notice.
      await unvalidated(() => apply(chaosService()));
      await waits('app', usual);
      await apply(heir(ownHost));
      await servedBy(host, usual, users);
      await kubectl('-n', ns, 'delete', 'distributedservice,deployment', name, '--timeout=60s');
      await allServed();
    },
  },
];
