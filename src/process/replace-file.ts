/** Files that the next process reads, keys among them. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file as a whole, for its owner only; makes its directory where that is missing. Whoever reads it meanwhile has
 * the old text or the new one. Calls for one path come one after the other.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // One that a process left behind when it was killed would keep its mode.
  await rm(`${path}.new`, { force: true });
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
