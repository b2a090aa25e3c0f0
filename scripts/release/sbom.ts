/** What the program is made of, as CycloneDX: its packages as npm has them in its lock file, and the images that it runs beside. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { executableNode } from './executable.ts';
import { shippedImages } from './pins.ts';
import type { Release } from './release.ts';
import { run } from './run.ts';

interface Bom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: { name: string; type: string; 'bom-ref': string } };
  components: { type: string; name: string; version: string; 'bom-ref': string; [key: string]: unknown }[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

export function billOfMaterials({ out, version, time, pins }: Release): void {
  const bom = JSON.parse(run('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'])) as Bom;
  const images = Object.values(shippedImages()).map((reference) => {
    const colon = reference.lastIndexOf(':');
    const [name, tag, digest] = [reference.slice(0, colon), reference.slice(colon + 1), pins.get(reference)];
    const hashes = digest === undefined ? {} : { hashes: [{ alg: 'SHA-256', content: digest.slice('sha256:'.length) }] };
    return { type: 'container', name, version: tag, 'bom-ref': reference, ...hashes };
  });
  const node = { type: 'application', name: 'node', version: executableNode, 'bom-ref': `node@${executableNode}` };
  const shipped = shippedPackages();
  bom.components = [...bom.components.filter((each) => shipped.has(each['bom-ref'])), node, ...images];
  bom.dependencies = bom.dependencies.filter(({ ref }) => ref === bom.metadata.component['bom-ref'] || shipped.has(ref));
  for (const dependency of bom.dependencies) dependency.dependsOn = dependency.dependsOn?.filter((ref) => shipped.has(ref)) ?? [];
  // npm names the package by its folder, and gives every document a time and a number of its own.
  bom.metadata.component = { ...bom.metadata.component, name: 'frp-k8s', type: 'application' };
  bom.metadata.timestamp = new Date(time * 1000).toISOString();
  delete bom.serialNumber;
  bom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bom))}`;
  writeFileSync(join(out, `frp-k8s-${version}.cdx.json`), `${JSON.stringify(bom, undefined, 2)}\n`);
}

/** NAME@VERSION of all packages that are not for development alone. `npm sbom --omit dev` leaves out what both have in common. */
function shippedPackages(): Set<string> {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { name?: string; version: string; dev?: boolean }>;
  };
  const folder = 'node_modules/';
  return new Set(
    Object.entries(packages).flatMap(([path, { name, version, dev }]) => {
      const at = path.lastIndexOf(folder);
      return at < 0 || dev ? [] : [`${name ?? path.slice(at + folder.length)}@${version}`];
    }),
  );
}

/** Of version 8 (RFC 9562): what its maker likes, here from the content. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
