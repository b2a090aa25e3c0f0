/** Manifests as people and other programs write them: raw texts, one file each, for namespace `corpus`. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const directory = path.join(import.meta.dirname, 'manifests');

export interface RawManifest {
  name: string;
  file: string;
  text: string;
  /** how many Pods and Pod templates get a sidecar */
  injected: number;
  /** not for an API server: parts of objects, and kinds that it does not know */
  isPartial: boolean;
}

const counts: Record<string, number> = {
  'aliases.yaml': 2,
  'dapr.yaml': 1,
  'empty-namespace.yaml': 2,
  'indentation.yaml': 1,
  'istio-cni.yaml': 1,
  'istio-cronjob.yaml': 1,
  'istio-gateway.yaml': 1,
  'istio-native.yaml': 1,
  'istio-ordinary.yaml': 1,
  'istio-pod.yaml': 1,
  'istio-statefulset.yaml': 1,
  'istio.yaml': 2,
  'knative.yaml': 1,
  'linkerd.yaml': 2,
  'no-newline.json': 1,
  'partial.yaml': 0,
  'pod-list.json': 2,
  'podspec-twice.yaml': 3,
  'resources.yaml': 3,
  'stream.json': 1,
  'texts.yaml': 1,
};

export const rawManifests: RawManifest[] = globSync('*', { cwd: directory })
  .sort()
  .map((name) => {
    const file = path.join(directory, name);
    return { name, file, text: readFileSync(file, 'utf8'), injected: counts[name] ?? -1, isPartial: name === 'partial.yaml' };
  });
