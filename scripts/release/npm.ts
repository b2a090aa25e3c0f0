/** The package for npm: the program, its manifests, chart and documents. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Release } from './release.ts';
import { run } from './run.ts';

export function npmPackage({ out, version, scratch }: Release): void {
  // npm gives everything in it the same time.
  run('npm', ['pack', '--silent', '--pack-destination', scratch]);
  renameSync(join(scratch, `frp-k8s-${version}.tgz`), join(out, `frp-k8s-npm-${version}.tgz`));
}
