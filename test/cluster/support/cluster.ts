/** The installation under test, and namespaces of the tests in it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after } from 'node:test';
import { apply, get, kubectl, noneEnding, rolledOut, tryApply, tryKubectl, type Json } from './kubectl.ts';
import { httpService, images, namespace, pod } from './objects.ts';
import { clientNamespace, gatewayNamespace, root, system } from './places.ts';
import { eventually } from './run.ts';

export { clientNamespace, gatewayNamespace, root, system };

/** A folder of manifests as it is; with another image, an overlay of it as docs/guide/install.md describes. */
export function usingImage(manifests: string): string {
  if (images.program === 'frp-k8s:dev') return join(root, manifests);
  const overlay = join(root, 'artifacts/overlay', manifests);
  mkdirSync(overlay, { recursive: true });
  const [, name, tag] = /^(.*):([^:/]+)$/.exec(images.program) ?? [undefined, images.program, 'latest'];
  const resources = [relative(overlay, join(root, manifests))];
  writeFileSync(
    join(overlay, 'kustomization.yaml'),
    JSON.stringify({ resources, images: [{ name: 'frp-k8s', newName: name, newTag: tag }] }),
  );
  return overlay;
}

export const installation = (): string => usingImage('manifests/install');
export const install = (): Promise<string> => kubectl('apply', '-k', installation());
export const installServer = (): Promise<string> => kubectl('apply', '-k', join(root, 'manifests/frps'));

/** Installs what a user installs, unless it is there, and waits until it serves. A gateway of another suite is removed. */
export async function installed(): Promise<void> {
  const { code } = await tryKubectl('get', 'namespace', gatewayNamespace);
  if (code === 0) await removeGateway();
  const deployments = await tryKubectl('-n', system, 'get', 'deployment', 'frp-webhook', 'frp-controller', 'frp-server');
  if (deployments.code !== 0) {
    await install();
    await installServer();
  }
  await serving();
}

/** Every part serves, and by no configuration of before. */
export async function serving(): Promise<void> {
  await Promise.all([
    ...['frp-webhook', 'frp-controller', 'frp-server'].map((name) => rolledOut(system, name)),
    caBundlesWritten(),
    client(),
  ]);
  await reachable();
  await noneEnding(system, 'frp-webhook');
}

/** Back to manifests/install. */
async function removeGateway(): Promise<void> {
  await kubectl('delete', 'namespace', gatewayNamespace, '--timeout=180s');
  await kubectl('delete', 'clusterrole,clusterrolebinding', 'frp-k8s-gateway', '--ignore-not-found');
  await install();
}

/**
 * The API server reaches the webhooks. A Deployment is rolled out, and its caBundle written, before kube-proxy sends
 * connections to it and the API server trusts it; objects applied in between are refused.
 */
export async function reachable(): Promise<void> {
  await rolledOut(system, 'frp-webhook');
  await eventually('an answer of the webhooks', async () => {
    const { code, stderr } = await tryApply([httpService('default', 'reachable', 'reachable.example.com')], '--dry-run=server');
    if (code !== 0) throw new Error(stderr);
  });
}

export const webhookKinds = ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'];

/** The different caBundles of all webhooks of the installation, base64. */
export async function caBundles(): Promise<Set<string>> {
  const found = await Promise.all(webhookKinds.map((kind) => get('', kind, 'frp-k8s')));
  return new Set(found.flatMap(({ webhooks }) => (webhooks as Json[]).map(({ clientConfig }) => String(clientConfig.caBundle))));
}

/** Both webhook configurations carry a caBundle at every entry. */
export async function caBundlesWritten(): Promise<void> {
  for (const kind of webhookKinds) {
    await eventually(`caBundle in ${kind}`, async () => {
      const { webhooks } = (await get('', kind, 'frp-k8s')) as { webhooks: { name: string; clientConfig: { caBundle?: string } }[] };
      const without = webhooks.filter((webhook) => !webhook.clientConfig.caBundle).map((webhook) => webhook.name);
      if (without.length > 0) throw new Error(`no caBundle: ${without.join(', ')}`);
    });
  }
}

/** The Pod that users are, unless it is there. */
export async function client(): Promise<void> {
  if ((await tryKubectl('-n', clientNamespace, 'get', 'pod', 'client')).code !== 0) {
    await createNamespace(clientNamespace);
    await apply(
      pod({
        namespace: clientNamespace,
        name: 'client',
        container: { image: images.client, readinessProbe: undefined, ports: [] },
        pod: { terminationGracePeriodSeconds: 1 },
      }),
    );
  }
  await kubectl('-n', clientNamespace, 'wait', '--for=condition=Ready', 'pod/client', '--timeout=60s');
}

/** Pods are refused until the namespace has its service account, which another program makes. */
async function createNamespace(name: string, labels: Record<string, string> = {}): Promise<void> {
  await apply(namespace(name, labels));
  await eventually(`the service account of ${name}`, () => get(name, 'serviceaccount', 'default'));
}

const made: string[] = [];
// Of the root suite: a hook that is registered within another hook would run at once.
after(async () => {
  if (made.length > 0) await kubectl('delete', 'namespace', ...made, '--ignore-not-found', '--wait=false');
});

/** A namespace for the tests of one file; it goes when all of them have ended. */
export async function testNamespace(name: string, labels: Record<string, string> = {}): Promise<string> {
  await kubectl('delete', 'namespace', name, '--ignore-not-found');
  made.push(name);
  await createNamespace(name, labels);
  return name;
}
