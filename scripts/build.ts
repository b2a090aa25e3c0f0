/** `npm run build`: the program as one file, dist/frp-k8s.js, for the image and for `npm pack`. */
import { chmod, rm } from 'node:fs/promises';
import { bundle } from './bundle.ts';

const outfile = 'dist/frp-k8s.js';

await rm('dist', { recursive: true, force: true });
const { outputs } = await bundle({ outfile });
await chmod(outfile, 0o755);
for (const [file, { bytes }] of Object.entries(outputs)) console.log(`${file}  ${Math.round(bytes / 1024)} KiB`);
