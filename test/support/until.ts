import { setTimeout as wait } from 'node:timers/promises';

/** Waits until something is so. The bound ends a wait in vain, which would keep the whole run alive; no test measures time with it. */
export async function until(isSo: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await isSo()); await wait(5))
    if (Date.now() > end) throw new Error(`it never came that ${isSo.toString()}`);
}
