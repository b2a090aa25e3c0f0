/** The kustomize bases as an archive, with their images pinned. */
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { tarGzip } from './archive.ts';
import { ownImage, pinned, shippedImages } from './pins.ts';
import { ownReference, type Release } from './release.ts';

export function manifestsArchive(release: Release): void {
  const { out, scratch, version, time } = release;
  const name = `frp-k8s-manifests-${version}`;
  const directory = join(scratch, 'manifests', name);
  cpSync('manifests', directory, { recursive: true });
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const file = join(directory, entry);
    if (statSync(file).isFile() && file.endsWith('.yaml')) writeFileSync(file, pinnedManifest(entry, readFileSync(file, 'utf8'), release));
  }
  tarGzip(join(out, `${name}.tar.gz`), join(scratch, 'manifests'), name, time);
}

/** @param path relative to manifests/ */
export function pinnedManifest(path: string, text: string, release: Pick<Release, 'pins' | 'repository' | 'version'>): string {
  if (path.endsWith('kustomization.yaml')) return withOwnImage(text, release);
  if (/^(install|gateway)\/config\.yaml$/.test(path)) return withSidecarImage(text, release);
  // A container's image, and nothing else, is after this key; references have no character that YAML would quote.
  return text.replace(/(^[ -]*image: )(\S+)$/gm, (_, key: string, reference: string) => key + shipped(reference, release));
}

function shipped(reference: string, release: Pick<Release, 'pins' | 'repository' | 'version'>): string {
  const { frps, haproxy } = shippedImages();
  if (reference === 'frp-k8s-gateway:dev') return pinned(ownReference(release, 'frp-k8s-gateway'), release.pins);
  return [frps, haproxy].includes(reference) ? pinned(reference, release.pins) : reference;
}

function withOwnImage(text: string, release: Pick<Release, 'pins' | 'repository' | 'version'>): string {
  const document = parseDocument(text);
  if (!document.has('images')) return text;
  const digest = release.pins.get(ownReference(release, ownImage));
  const newName = `${release.repository}/${ownImage}`;
  document.set('images', document.createNode([{ name: ownImage, newName, ...(digest ? { digest } : { newTag: release.version }) }]));
  return document.toString({ lineWidth: 0 });
}

function withSidecarImage(text: string, { pins }: Pick<Release, 'pins'>): string {
  const { frpc } = shippedImages();
  if (!pins.has(frpc)) return text;
  const document = parseDocument(text);
  document.setIn(['sidecar', 'image'], pinned(frpc, pins));
  return document.toString({ lineWidth: 0 });
}
