/** The files of a configuration on disk. Each is replaced as a whole, so that HAProxy never reads half of one. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configFile } from '../config/global.ts';
import type { Rendered } from '../config/rendered.ts';

/** Writes what differs, the configuration last. Keys of certificates are in it: nobody else may read them. */
export async function writeRendered(directory: string, { files, config }: Pick<Rendered, 'files' | 'config'>): Promise<void> {
  for (const [path, text] of [...files, [configFile, config] as const]) await replace(join(directory, path), text);
}

/** Removes certificates and maps that no configuration names any more; to be called when HAProxy has the new one. */
export async function removeOthers(directory: string, { files }: Pick<Rendered, 'files'>): Promise<void> {
  for (const folder of ['certs', 'maps', 'keys'])
    for (const name of await readdir(join(directory, folder)).catch(() => []))
      if (!files.has(`${folder}/${name}`)) await rm(join(directory, folder, name), { force: true });
}

export async function replace(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) !== text) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}
