/** The end of the program: SIGTERM or SIGINT begins an orderly one, a second signal ends it at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';

const signals = ['SIGTERM', 'SIGINT'] as const;
/** Requests under way when the drain is over get this long; the API server waits at most 30 s for any. */
const graceMs = 5000;

export interface Stoppable {
  /** Stop being ready, and have clients go elsewhere. */
  drain(): void;
  close(graceMs: number): Promise<void>;
}

/**
 * Resolves once a first signal has led to a drain of `drainMs` and then to the end of all servers. The drain covers the
 * time that Endpoints and kube-proxy need to take this replica out of the Service.
 */
export async function stopOnSignal(stoppable: Stoppable, drainMs: number, log: Log): Promise<void> {
  const signal = await firstSignal();
  for (const name of signals) process.once(name, () => endNow(name, log));
  log.info({ signal, drainMs }, `draining for ${drainMs / 1000} s; a second signal ends at once`);
  stoppable.drain();
  await sleep(drainMs);
  await stoppable.close(graceMs);
  log.info('stopped');
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const listeners = signals.map((name) => {
      const listener = () => {
        for (const [index, other] of signals.entries()) process.off(other, listeners[index]!);
        resolve(name);
      };
      process.on(name, listener);
      return listener;
    });
  });
}

function endNow(signal: NodeJS.Signals, log: Log): never {
  log.warn({ signal }, 'second signal: ending at once');
  process.exit(signal === 'SIGINT' ? 130 : 143);
}
