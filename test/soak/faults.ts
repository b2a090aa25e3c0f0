/**
 * Faults at the gateway under 100 requests a second, one after the other (test/soak/run faults), each with what it may cost.
 * The last line of the table is what came between them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { root, testNamespace } from '../cluster/support/cluster.ts';
import { claimFaults } from '../cluster/support/gateway-claims.ts';
import { apiServerAway, beyond, hangs, type Bounded } from '../cluster/support/gateway-hangs.ts';
import { reloadFaults } from '../cluster/support/gateway-reloads.ts';
import { failed, GatewayLoad, losses, summary, type Told } from '../cluster/support/gateway-load.ts';
import { ns, subjects } from '../cluster/support/gateway-subjects.ts';
import { gatewayInstalled } from '../cluster/support/gateway.ts';

const rate = Number(process.env.SOAK_RATE ?? 100);
/** names of steps, or parts of them; default all */
const only = process.env.SOAK_STEPS === undefined ? undefined : new RegExp(process.env.SOAK_STEPS);
const say = (text: string): void => console.log(`${new Date().toISOString()} ${text}`);

const steps = [...hangs, ...reloadFaults, ...claimFaults, apiServerAway].filter(({ name }) => only?.test(name) ?? true);

await gatewayInstalled();
await testNamespace(ns);
await subjects();
const load = await GatewayLoad.start({ rate, leastMs: 20_000 });
const all: { told: Told; problems: string[]; bound: string }[] = [];
for (const step of steps) {
  const told = await load.during(step);
  const problems = beyond(step, told);
  say(`${step.name}: ${summary(told)}; beyond its bound: ${problems.join(', ') || 'nothing'}`);
  all.push({ told, problems, bound: boundOf(step) });
}
const between = await load.end();
all.push({ told: between, problems: losses(between), bound: '0 lost' });
mkdirSync(`${root}/artifacts`, { recursive: true });
writeFileSync(`${root}/artifacts/soak-faults.json`, `${JSON.stringify({ rate, faults: all }, undefined, 2)}\n`);
console.log(table());
if (all.some(({ problems }) => problems.length > 0)) process.exitCode = 1;

function boundOf({ lateMs, outageSeconds, isAbsent }: Bounded): string {
  const late = `${lateMs / 1000} s at most`;
  return outageSeconds === undefined ? `0 lost, ${late}` : `${isAbsent ? 'nobody' : '503'} for ${outageSeconds} s, ${late}`;
}

/** Late: answered after 2 s. Held: in the hands of a HAProxy that died. Refused: by a Pod that nobody could take out of the Service. */
function table(): string {
  const heads = ['fault', 'sent', 'lost', 'held', 'refused', 'late', 'slowest ms', 'outage ms', 'bound', 'kept'];
  const rows = all.map(({ told, problems, bound }) => {
    const { http, https, step } = told;
    const { lost, refused } = failed(told);
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((count, each) => count + each, 0);
    return [
      step.name,
      http.sent + https.sent,
      sum(lost),
      http.held + https.held,
      sum(refused),
      http.late + https.late,
      Math.max(http.slowest, https.slowest),
      Math.round(Math.max(http.outageMs, https.outageMs)),
      bound,
      problems.length === 0 ? 'yes' : 'NO',
    ].map(String);
  });
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  return [heads, ...rows].map((cells) => cells.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')).join('\n');
}
