/**
 * The unit tests in three processes: one for each file costs as much again, for starting it and loading what most of them
 * import. A file becomes a suite, so that its hooks outside of every `describe` are its own, and its name is told.
 */
import { globSync } from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';

const folder = path.join(import.meta.dirname, '..');
const files = globSync('**/*.test.ts', { cwd: folder }).sort();

/** Declares every third file's tests. @param which 0, 1 or 2 */
export function third(which: 0 | 1 | 2): void {
  for (const [index, file] of files.entries()) {
    if (index % 3 === which) describe(file, () => import(path.join(folder, file)) as Promise<void>);
  }
}
