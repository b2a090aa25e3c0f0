/**
 * Users of a gateway, 200 requests a second, while everything around it changes, breaks or is exchanged, one after the other
 * (test/soak/run gateway). It tells of each phase what was lost and how long answers took, beside the one in which nothing
 * happens.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { root, system, testNamespace } from '../cluster/support/cluster.ts';
import { changes, gatewayUpdate } from '../cluster/support/gateway-changes.ts';
import { faults, replicaLosses } from '../cluster/support/gateway-faults.ts';
import { GatewayLoad, losses, summary, type Told } from '../cluster/support/gateway-load.ts';
import { exchanges, rotation } from '../cluster/support/gateway-rotations.ts';
import { ns, subjects } from '../cluster/support/gateway-subjects.ts';
import { gatewayInstalled } from '../cluster/support/gateway.ts';
import { kubectl } from '../cluster/support/kubectl.ts';
import { withSettings } from '../cluster/support/settings.ts';
import { table } from './gateway-table.ts';

const rate = Number(process.env.SOAK_RATE ?? 200);
const rounds = Number(process.env.SOAK_ROUNDS ?? 1);
/** names of steps, or parts of them; default all */
const only = process.env.SOAK_STEPS === undefined ? undefined : new RegExp(process.env.SOAK_STEPS);
const say = (text: string): void => console.log(`${new Date().toISOString()} ${text}`);

const steps = [...changes, ...faults, gatewayUpdate, ...replicaLosses, ...exchanges, ...rotation];

await gatewayInstalled();
// First, because a certificate keeps the life that it was issued with.
const restore = await withSettings({
  certificates: { lifetime: '3m', renewBefore: '2m', serverLifetime: '12m', rotationPause: '3m' },
});
try {
  await kubectl('-n', system, 'delete', 'secret', 'frp-gateway-tls');
  await testNamespace(ns);
  await subjects();
  const load = await GatewayLoad.start({ rate, leastMs: 10_000 });
  const all: Told[] = [];
  for (let round = 0; round < rounds; round++)
    for (const step of steps.filter(({ name }) => only?.test(name) ?? true)) {
      const told = await load.during(rounds === 1 ? step : { ...step, name: `${step.name}, ${round + 1}` });
      say(`${told.step.name}: ${summary(told, all[0]?.http)}; lost: ${losses(told).join(', ') || 'none'}`);
      all.push(told);
    }
  all.push(await load.end());
  mkdirSync(`${root}/artifacts`, { recursive: true });
  writeFileSync(`${root}/artifacts/soak-gateway.json`, `${JSON.stringify({ rate, phases: all }, undefined, 2)}\n`);
  console.log(table(all));
  if (all.some((told) => losses(told).length > 0)) process.exitCode = 1;
} finally {
  await restore();
  // With its whole life again.
  await kubectl('-n', system, 'delete', 'secret', 'frp-gateway-tls');
}
