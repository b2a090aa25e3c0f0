/** One `gateway up` for each directory: a file with the process that has it, which counts as long as that process is alive. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { isAlive, processId, type ProcessId } from './processes.ts';

type Holder = ProcessId & { boot: string };

/** @returns a function that gives it back @throws UserError where another process has it */
export function lock(directory: string): () => void {
  const path = join(directory, 'up.lock');
  const mine = `${path}.${process.pid}`;
  const own: Holder = { ...processId(process.pid)!, boot: bootOf() };
  writeFileSync(mine, JSON.stringify(own), { mode: 0o600 });
  try {
    for (;;) {
      if (!isTaken(() => linkSync(mine, path))) break;
      const holder = read(path);
      if (holder && isSame(holder, own)) break;
      if (holder && holder.boot === own.boot && isAlive(holder))
        throw new UserError(
          `another frp-k8s gateway up (process ${holder.pid}) has ${directory}: end it first (kill ${holder.pid}), or name another directory with --dir`,
        );
      takeAway(path, holder);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => {
    const holder = read(path);
    if (holder && isSame(holder, own)) rmSync(path, { force: true });
  };
}

/** One that somebody else has put there meanwhile is given back. */
function takeAway(path: string, seen: Holder | undefined): void {
  const aside = `${path}.old.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // Another one was faster.
  }
  const taken = read(aside);
  if (taken && !(seen && isSame(taken, seen))) isTaken(() => linkSync(aside, path));
  rmSync(aside, { force: true });
}

function isTaken(attempt: () => void): boolean {
  try {
    attempt();
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true;
    throw error;
  }
}

function read(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

const isSame = (a: Holder, b: Holder): boolean => a.pid === b.pid && a.started === b.started && a.boot === b.boot;

const bootOf = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
