/** The guide's app at a home cluster: what its status says, who serves it, and what becomes of its users while something happens. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { podsThatAnswer } from './ask.ts';
import { conditionOf, counts, statusOf } from './controller.ts';
import { PhasedLoad, type Phase } from './phased-load.ts';
import { eventually } from './run.ts';
import { vpsAddress } from './vps.ts';

export const host = 'web.home.example.com';
export const port = 8080;
/** How long a load goes on at least once a step is done. */
const settleMs = 3000;

/** `Reason` of a condition at home, with whether it is so. @returns its message */
export const says = (type: string, status: string, reason: string, seconds?: number): Promise<string> =>
  eventually(
    `${type} of web is ${status}, ${reason}`,
    async () => {
      const condition = conditionOf(await statusOf('shop', 'web'), type);
      assert.deepEqual([condition?.status, condition?.reason], [status, reason], JSON.stringify(condition));
      return String(condition.message);
    },
    seconds,
  );

export const served = (pods: number): Promise<void> =>
  eventually(`${pods} Pods serve`, async () => assert.equal((await podsThatAnswer(vpsAddress, pods * 4, { host }, port)).size, pods));

/** Both Pods serve, and the status has all of it. */
export async function allWell(): Promise<void> {
  await served(2);
  await says('LinkReady', 'True', 'Linked');
  await counts('shop', 'web', 2, 2);
}

/** What a step costs users who send 20 idempotent requests a second, by the phases that it names; the first one is `step`. */
export async function costOf(step: (load: PhasedLoad) => Promise<void>): Promise<Phase[]> {
  const load = new PhasedLoad({ address: vpsAddress, port, host }, { rate: 20, phase: 'step', timeoutMs: 30_000 });
  let phases: Phase[] = [];
  try {
    await step(load);
    // The status may still be that of before: what the step does to it comes within seconds.
    await sleep(settleMs);
    await allWell();
  } finally {
    phases = await load.end();
  }
  return phases;
}

export const lost = ({ sent, answered }: Phase): number => sent - answered;
export const summary = (phase: Phase): string =>
  `${phase.name}: ${phase.sent} sent, ${lost(phase)} lost${phase.failedAt.map((each) => `, ${each}`).join('')}; slowest ${phase.slowest} ms`;

/** What may be lost where a gateway has nobody to hand over to: what was under way, and what was tried at once. */
export function onlyUnderWay({ failedAt }: Phase): void {
  for (const each of failedAt) assert.match(each, /ECONNRESET|ECONNREFUSED|EPIPE|status 50[23]/);
}
