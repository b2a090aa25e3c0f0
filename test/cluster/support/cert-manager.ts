/** cert-manager: its real CRDs and its real controllers (test/cluster/cert-manager), as a process beside the cluster. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, system } from './cluster.ts';
import { apply, get, kubectl } from './kubectl.ts';
import { namespace } from './objects.ts';
import { eventually, must } from './run.ts';

const kinds = [
  ...['certificates', 'certificaterequests', 'issuers', 'clusterissuers'].map((plural) => ({ plural, group: 'cert-manager.io' })),
  ...['challenges', 'orders'].map((plural) => ({ plural, group: 'acme.cert-manager.io' })),
];
/** Where the Secrets of ClusterIssuers are. */
const home = 'cert-manager';

/** Applies the CRDs and starts the controllers. @param nameserver by which they look at challenges before an authority does @returns a function that ends them, and takes all of it away */
export async function certManager(nameserver?: string): Promise<() => Promise<void>> {
  await customResources();
  mkdirSync(join(root, 'artifacts'), { recursive: true });
  const log = openSync(join(root, 'artifacts/cert-manager.log'), 'a');
  const kubeconfig = process.env.KUBECONFIG;
  assert.ok(kubeconfig, 'KUBECONFIG must name the kubeconfig of the cluster');
  const args = ['--kubeconfig', kubeconfig, '--cluster-resource-namespace', home];
  if (nameserver !== undefined) args.push('--acme-http01-solver-nameserver', nameserver);
  const program = spawn(process.env.CERT_MANAGER ?? 'cert-manager', args, { stdio: ['ignore', log, log] });
  const ended = once(program, 'close');
  await once(program, 'spawn');
  await apply(namespace(home));
  return async () => {
    program.kill('SIGTERM');
    await ended;
    await noCertManager();
  };
}

/** A cluster that has never seen cert-manager; an earlier run may have left its CRDs. */
export async function noCertManager(): Promise<void> {
  const crds = kinds.map(({ plural, group }) => `${plural}.${group}`);
  await kubectl('delete', 'crd', ...crds, '--ignore-not-found', '--timeout=60s');
  await kubectl('delete', 'namespace', home, '--ignore-not-found', '--timeout=60s');
}

/** The lines that helm would fill in are labels and their condition. The Go module has them; test/cluster/run downloads it. */
async function customResources(): Promise<void> {
  const module = process.env.FRPK8S_CERT_MANAGER;
  assert.ok(module, 'FRPK8S_CERT_MANAGER must name the directory of the Go module github.com/cert-manager/cert-manager');
  for (const { plural, group } of kinds) {
    const input = readFileSync(`${module}/deploy/crds/crd-${plural}.yaml`, 'utf8').replaceAll(/^.*\{\{.*$\n/gm, '');
    await must('kubectl', ['apply', '--server-side', '-f', '-'], { input });
    await isTrue('crd', `${plural}.${group}`, 'Established');
  }
}

/** Not `kubectl wait`, which fails where the conditions are still null. */
export const isTrue = (kind: string, name: string, condition: string, namespace = ''): Promise<void> =>
  eventually(`${condition} of ${kind} ${name}`, async () => {
    const { status } = await get(namespace, kind, name);
    const conditions = (status?.conditions ?? []) as { type: string; status: string }[];
    assert.equal(conditions.find(({ type }) => type === condition)?.status, 'True');
  });

/** The ClusterIssuer frp-ca-issuer, which issues with the installation's own authority: the frp server trusts what it issues. */
export async function clusterIssuer(): Promise<void> {
  const { data } = await get(system, 'secret', 'frp-ca');
  await apply(
    { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: 'frp-ca', namespace: home }, data },
    {
      apiVersion: 'cert-manager.io/v1',
      kind: 'ClusterIssuer',
      metadata: { name: 'frp-ca-issuer' },
      spec: { ca: { secretName: 'frp-ca' } },
    },
  );
  await isTrue('clusterissuer', 'frp-ca-issuer', 'Ready');
}

/** Has cert-manager issue a certificate anew, as `cmctl renew` does, and waits until it has. */
export async function renewed(namespace: string, certificate: string): Promise<void> {
  const revision = async () => Number((await get(namespace, 'certificate', certificate)).status.revision);
  const before = await revision();
  const { status } = await get(namespace, 'certificate', certificate);
  const issuing = {
    type: 'Issuing',
    status: 'True',
    reason: 'ManuallyTriggered',
    message: 'by a test',
    lastTransitionTime: new Date().toISOString(),
  };
  const patch = JSON.stringify({ status: { conditions: [...status.conditions, issuing] } });
  await kubectl('-n', namespace, 'patch', 'certificate', certificate, '--subresource=status', '--type=merge', '-p', patch);
  await eventually(`revision ${before + 1} of ${certificate}`, async () => assert.ok((await revision()) > before));
}
