/** Which services a directory's gateway has, for commands that are told a name. */
import { readFileSync } from 'node:fs';
import { backendName } from '../haproxy/index.ts';
import { haproxyFile } from './layout.ts';

/**
 * Whether the gateway of the directory serves a service, by what its HAProxy was last given.
 * @param key namespace/name @returns undefined where that cannot be read
 */
export function servesService(directory: string, key: string): boolean | undefined {
  try {
    return readFileSync(haproxyFile(directory, 'users'), 'utf8')
      .split('\n')
      .includes(`backend ${backendName(key)}`);
  } catch {
    return undefined;
  }
}
