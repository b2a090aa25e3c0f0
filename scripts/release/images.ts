/** Images as archives of the OCI layout, by buildah; several processors in one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tarFile } from './archive.ts';
import { ownReference, type Release } from './release.ts';
import { run } from './run.ts';

/** Targets of the Dockerfile, by the name of their image. */
const targets = { 'frp-k8s': 'program', 'frp-k8s-gateway': 'gateway' } as const;

export type ImageName = keyof typeof targets;

export interface ImageOptions {
  names: readonly ImageName[];
  /** NAME=VALUE of the Dockerfile: other images to build upon */
  buildArguments: readonly string[];
}

export const imageNames = Object.keys(targets) as ImageName[];

/** @returns digests of the images, by their references */
export function images(release: Release, { names, buildArguments }: ImageOptions): Map<string, string> {
  return new Map(names.map((name) => [ownReference(release, name), image(name, release, buildArguments)]));
}

function image(
  name: ImageName,
  { version, commit, time, out, scratch, architectures }: Release,
  buildArguments: readonly string[],
): string {
  const list = `localhost/${name}-release-${process.pid}`;
  const directory = `${name}-image-${version}`;
  const labels = { version, revision: commit, created: new Date(time * 1000).toISOString().replace('.000', '') };
  run('buildah', ['manifest', 'create', list]);
  try {
    run('buildah', [
      'build',
      '--quiet',
      '--layers=false',
      // Of every file and of the image itself.
      ...['--timestamp', String(time)],
      ...['--platform', architectures.map((architecture) => `linux/${architecture}`).join(',')],
      ...['--manifest', list, '--target', targets[name], '--format', 'oci'],
      ...['START=plain', ...buildArguments].flatMap((argument) => ['--build-arg', argument]),
      ...Object.entries(labels).flatMap(([label, value]) => ['--label', `org.opencontainers.image.${label}=${value}`]),
      '.',
    ]);
    run('buildah', ['manifest', 'push', '--all', '--quiet', list, `oci:${join(scratch, directory)}:${version}`]);
  } finally {
    run('buildah', ['manifest', 'rm', list]);
  }
  tarFile(join(out, `${directory}.oci.tar`), scratch, directory, time);
  return digestIn(join(scratch, directory));
}

/** Of the only image of a layout. */
function digestIn(layout: string): string {
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
  if (manifests.length !== 1) throw new Error(`${layout} has ${manifests.length} images`);
  return manifests[0]!.digest;
}
