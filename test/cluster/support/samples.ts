/** The objects of manifests/samples. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { items, type Manifest } from './kubectl.ts';
import { root } from './places.ts';

export const sample = (name: string): Manifest[] =>
  parseAllDocuments(readFileSync(join(root, 'manifests/samples', `${name}.yaml`), 'utf8')).map((document) => document.toJS() as Manifest);

/** A Secret that the program may read. */
export const allowedSecret = (namespace: string, name: string, stringData: Record<string, string>): Manifest => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace, labels: { 'frp.io/use': 'true' } },
  stringData,
});

/** A Service of Kubernetes over the Pods of that app. */
export const serviceOf = (namespace: string, app: string, port: number, more: object = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: app, namespace },
  spec: { selector: { app }, ports: [{ port }], ...more },
});

interface Running {
  metadata: { name: string; uid: string };
  status: Partial<Record<'initContainerStatuses' | 'containerStatuses', { name: string; restartCount: number }[]>>;
}

/** Every container of namespaces with its Pod's UID and its restarts: the same list later means that none was restarted. */
export async function runningIn(...namespaces: string[]): Promise<string[]> {
  const pods = (await Promise.all(namespaces.map((namespace) => items(namespace, 'pod')))).flat() as Running[];
  return pods
    .flatMap(({ metadata, status }) =>
      [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map(
        ({ name, restartCount }) => `${metadata.name} ${metadata.uid} ${name} ${restartCount}`,
      ),
    )
    .sort();
}
