/**
 * Import it to make certificates at little cost: tests share a few RSA keys, those of authorities and of leaves apart, and
 * get them in turn, so that two certificates in a row never share a key. The keys are made once and kept in node_modules.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mock } from 'node:test';
import { newKey, type RsaKey } from '../../certs/keys.ts';

const few = 6;
const directory = path.join(import.meta.dirname, '../../node_modules/.cache/frp-k8s-keys');

for (const purpose of ['forAuthority', 'forLeaf'] as const) {
  const make = newKey[purpose];
  const made: Promise<RsaKey>[] = [];
  let next = 0;
  mock.method(newKey, purpose, () => {
    const index = next++ % few;
    return (made[index] ??= kept(path.join(directory, `${purpose}-${index}.json`), make));
  });
}

async function kept(file: string, make: () => Promise<RsaKey>): Promise<RsaKey> {
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found !== undefined) return JSON.parse(found) as RsaKey;
  const key = await make();
  // Other test files may make it as well: whoever renames last has it from then on.
  await mkdir(directory, { recursive: true });
  await writeFile(`${file}.${process.pid}`, JSON.stringify(key), { mode: 0o600 });
  await rename(`${file}.${process.pid}`, file);
  return key;
}
