/** The chart as a package, with its images pinned. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { tarGzip } from './archive.ts';
import { ownImage, pinned, shippedImages } from './pins.ts';
import { ownReference, type Release } from './release.ts';

export function chartPackage(release: Release): void {
  const { out, scratch, version, time } = release;
  const directory = join(scratch, 'chart', 'frp-k8s');
  cpSync('charts/frp-k8s', directory, { recursive: true });
  const values = join(directory, 'values.yaml');
  writeFileSync(values, pinnedValues(readFileSync(values, 'utf8'), release));
  tarGzip(join(out, `frp-k8s-chart-${version}.tgz`), join(scratch, 'chart'), 'frp-k8s', time);
}

/** values.yaml with the release's images; comments stay. */
export function pinnedValues(text: string, release: Pick<Release, 'pins' | 'repository' | 'version'>): string {
  const { pins, repository } = release;
  const { frpc, frps, haproxy } = shippedImages();
  const document = parseDocument(text);
  const pin = (path: readonly string[], reference: string): void => {
    const digest = pins.get(reference);
    if (digest !== undefined) document.setIn([...path, 'digest'], digest);
  };
  document.setIn(['image', 'repository'], `${repository}/${ownImage}`);
  pin(['image'], ownReference(release, ownImage));
  pin(['gateway', 'frps'], frps);
  pin(['gateway', 'haproxy'], haproxy);
  pin(['frpServer', 'image'], frps);
  if (pins.has(frpc)) document.set('config', document.createNode({ sidecar: { image: pinned(frpc, pins) } }));
  return document.toString({ lineWidth: 0 });
}
