/** DistributedServices from a file or a directory: the embedded default. Read again when something in it changes. */
import { statSync, watch } from 'node:fs';
import path from 'node:path';
import type { Log } from '../../log.ts';
import type { ServiceStore } from '../../model/store.ts';
import { readServices } from './read.ts';

/** Editors and mounted ConfigMaps change a file in several steps; it is read when they have ended. Milliseconds. */
const settle = 100;

export interface FileServices {
  /** Why the files as they are now are not in use; undefined when they are. */
  problem(): string | undefined;
  close(): void;
}

/**
 * Fills the store from the files and keeps it so. Files with a problem leave the store as it was, and are logged.
 * @throws UserError when the files have a problem at the start
 */
export function watchFiles(location: string, store: ServiceStore, log: Log): FileServices {
  let problem: string | undefined;
  store.replace(readServices(location));
  log.info({ services: store.size, location }, 'services read');
  const reread = () => {
    try {
      store.replace(readServices(location));
      problem = undefined;
      log.info({ services: store.size, location }, 'services read again');
    } catch (error) {
      problem = (error as Error).message;
      log.error({ location }, `services not changed: ${problem}`);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  // The directory and not the file: an editor's rename, or a ConfigMap's symlink swap, ends the watch of a file.
  const directory = statSync(location).isDirectory();
  const watcher = watch(directory ? location : path.dirname(location), { recursive: directory }, () => {
    clearTimeout(timer);
    timer = setTimeout(reread, settle);
  });
  watcher.on('error', (error) => log.error({ err: error, location }, 'services are no longer watched'));
  return {
    problem: () => problem,
    close: () => {
      clearTimeout(timer);
      watcher.close();
    },
  };
}
