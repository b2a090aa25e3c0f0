/** `npm run build`: the program for the image and for `npm pack`: dist/frp-k8s.js, and dist/parts, from which a command reads its own. */
import { chmod, rename, rm } from 'node:fs/promises';
import { bundle } from './bundle.ts';

await rm('dist', { recursive: true, force: true });
const { outputs } = await bundle({ directory: 'dist' });
const read = readAtEachStart('dist/frp-k8s.mjs');
if (read > 32 * 1024)
  throw new Error(`every command reads ${Math.round(read / 1024)} KiB before its own parts: what src/main.ts imports is to be small`);
// The package's own `type` makes a module of it; `bin` has always had this name.
for (const ending of ['', '.map']) await rename(`dist/frp-k8s.mjs${ending}`, `dist/frp-k8s.js${ending}`);
await chmod('dist/frp-k8s.js', 0o755);
const programs = Object.entries(outputs).filter(([file]) => !file.endsWith('.map'));
const bytes = programs.reduce((sum, [, output]) => sum + output.bytes, 0);
console.log(`dist/frp-k8s.js and ${programs.length - 1} parts  ${Math.round(bytes / 1024)} KiB`);

/** Bytes of a file, and of what it imports other than lazily. */
function readAtEachStart(file: string, seen = new Set<string>()): number {
  if (seen.has(file)) return 0;
  seen.add(file);
  const { bytes = 0, imports = [] } = outputs[file] ?? {};
  return imports.reduce((sum, { kind, path }) => sum + (kind === 'import-statement' ? readAtEachStart(path, seen) : 0), bytes);
}
