/** The room on the disk of the gateway's directory. Without it what runs goes on, but keeps nothing and takes no new configuration. */
import { statfsSync } from 'node:fs';
import type { Log } from '../../log.ts';

/** Of configurations and what clusters want; bytes. */
export const leastRoom = 1024 * 1024;
const lookMs = 2000;

/** For this user. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** The parts cannot say it themselves: their logs are on that disk. @returns a function that ends it */
export function watchDisk(directory: string, log: Pick<Log, 'error' | 'info'>): () => void {
  let isFull = false;
  const look = () => {
    const free = freeBytes(directory);
    if (free < leastRoom === isFull) return;
    isFull = !isFull;
    if (isFull)
      log.error(
        { free },
        `the disk of ${directory} is full: users and tunnels are served as before, and changes wait until there is room; make room (df ${directory} shows it)`,
      );
    else log.info({ free }, `the disk of ${directory} has room again`);
  };
  look();
  const timer = setInterval(look, lookMs);
  return () => clearInterval(timer);
}
