/** How much memory the processes of a HAProxy use, as the kernel counts it. Linux alone has what is read here. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { masterSocket } from '../config/global.ts';
import { runCommand } from './cli.ts';

export interface MemoryUse {
  bytes: number;
  /** when that was so; milliseconds since the epoch */
  at: number;
}

/** undefined where it is not known. Never rejects. */
export type MeasureMemory = () => Promise<MemoryUse | undefined>;

/**
 * What the supervisor of HAProxy's container writes (manifests/gateway/supervise.sh): the container's use, and when.
 * @param file absolute
 */
export const writtenUse =
  (file: string): MeasureMemory =>
  async () => {
    try {
      const [text, { mtimeMs }] = [await readFile(file, 'utf8'), await stat(file)];
      return /^[0-9]{1,15}\n$/.test(text) ? { bytes: Number(text), at: mtimeMs } : undefined;
    } catch {
      return undefined;
    }
  };

/**
 * Of processes on this machine, by their ids: master, newest and old ones. A page that several have counts once.
 * @param directory of the sockets
 */
export const ownUse =
  (directory: string): MeasureMemory =>
  async () => {
    try {
      const shown = await runCommand(join(directory, masterSocket), 'show proc');
      const pids = [...shown.matchAll(/^([0-9]+) +(?:master|worker) /gm)].map(([, pid]) => pid!);
      const bytes = await Promise.all(pids.map(proportionalSize));
      return { bytes: bytes.reduce((sum, size) => sum + size, 0), at: Date.now() };
    } catch {
      return undefined;
    }
  };

/** None of a process that has just ended. */
async function proportionalSize(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return '';
    throw error;
  });
  return Number(/^Pss: +([0-9]+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
