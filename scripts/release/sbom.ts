/** What the program is made of, as CycloneDX: its packages as npm has them in its lock file, and the images that it runs beside. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { executableNode } from './executable.ts';
import { shippedImages } from './pins.ts';
import type { Release } from './release.ts';
import { run } from './run.ts';

interface Bom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: { name: string; type: string } };
  components: { type: string; name: string; version: string; [key: string]: unknown }[];
}

export function billOfMaterials({ out, version, time, pins }: Release): void {
  const bom = JSON.parse(run('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'])) as Bom;
  const images = Object.values(shippedImages()).map((reference) => {
    const colon = reference.lastIndexOf(':');
    const [name, tag, digest] = [reference.slice(0, colon), reference.slice(colon + 1), pins.get(reference)];
    const hashes = digest === undefined ? {} : { hashes: [{ alg: 'SHA-256', content: digest.slice('sha256:'.length) }] };
    return { type: 'container', name, version: tag, 'bom-ref': reference, ...hashes };
  });
  const node = { type: 'application', name: 'node', version: executableNode, 'bom-ref': `node@${executableNode}` };
  bom.components.push(node, ...images);
  // npm names the package by its folder, and gives every document a time and a number of its own.
  bom.metadata.component = { ...bom.metadata.component, name: 'frp-k8s', type: 'application' };
  bom.metadata.timestamp = new Date(time * 1000).toISOString();
  delete bom.serialNumber;
  bom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bom))}`;
  writeFileSync(join(out, `frp-k8s-${version}.cdx.json`), `${JSON.stringify(bom, undefined, 2)}\n`);
}

/** Of version 8 (RFC 9562): what its maker likes, here from the content. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
