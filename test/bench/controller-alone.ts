/**
 * `npm run bench -- --only controller`: the controller with a real API server (kube-apiserver and etcd, without a node) in
 * namespaces of their own: many DistributedServices at once until each has its certificate, and until all are deleted. A whole
 * cluster, whose other parts write too, has bench:controller.
 */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { createAuthority, issue } from '../../certs/authority.ts';
import { loadAccess } from '../../src/kube/access.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { customResourceDefinitions, distributedServices, namespaces, type KubeObject } from '../../src/kube/types.ts';
import { service } from '../support/services.ts';
import { Processes } from './gateway/processes.ts';
import type { Measurement } from './record/verdicts.ts';
import { table } from './report.ts';

export interface ControllerOptions {
  services: number;
  /** file for the measurements, JSON */
  record: string;
  apiServer: string;
  etcd: string;
}

const root = path.join(import.meta.dirname, '..', '..');
const tenants = 10;
const atOnce = 16;
const pollMs = 250;
const patienceSeconds = 600;
const day = 86_400_000;
const manager = 'bench';

await measure(JSON.parse(process.argv[2]!) as ControllerOptions);

async function measure(options: ControllerOptions): Promise<never> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  spawnSync('ip', ['link', 'set', 'lo', 'up'], { stdio: 'inherit' });
  const directory = mkdtempSync(path.join(tmpdir(), 'frp-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const processes = new Processes();
  const kubeconfig = await startApiServer(processes, directory, options);
  const client = new KubeClient(loadAccess({ kubeconfig }));
  await until(processes, 'the API server is ready', () => client.text('/readyz').then((text) => text === 'ok'));
  await install(client);
  processes.start('controller', process.execPath, [path.join(root, 'dist', 'frp-k8s.js'), 'controller'], { KUBECONFIG: kubeconfig });
  await until(processes, 'the controller is ready', () => fetch('http://127.0.0.1:8080/readyz').then(({ ok }) => ok));
  await sleep(3000);

  const wanted = Array.from({ length: options.services }, (_, index) => service(`bench-${index}`, {}, `bench-${index % tenants}`));
  const cpu = () => processes.cpuMs().get('controller')!;
  const [cpuBefore, start] = [cpu(), performance.now()];
  await inTurns(wanted, (each) => client.create(distributedServices, each, manager));
  const created = (performance.now() - start) / 1000;
  const all = async () => (await client.list(distributedServices)).items;
  await until(processes, 'all have their certificates', async () => (await all()).every(hasCertificate));
  const converged = (performance.now() - start) / 1000;
  const spent = cpu() - cpuBefore;
  const resident = processes.residentMb().get('controller')!;
  const from = performance.now();
  await inTurns(wanted, ({ metadata: { namespace, name } }) => client.delete(distributedServices, namespace, name));
  await until(processes, 'all are deleted', async () => (await all()).length === 0);
  const deleted = (performance.now() - from) / 1000;

  const title = `${options.services} services, load ${loadavg()[0]!.toFixed(1)}`;
  const cells = [
    title,
    created.toFixed(1),
    converged.toFixed(1),
    deleted.toFixed(1),
    (spent / options.services).toFixed(1),
    resident.toFixed(0),
  ];
  console.log(table(['the controller', 'created s', 'converged s', 'deleted s', 'CPU ms/service', 'RSS MB'], [cells]));
  const name = `controller.${options.services}`;
  const measurements: Measurement[] = [
    { id: `${name}.converge`, value: converged, unit: 's' },
    { id: `${name}.delete`, value: deleted, unit: 's' },
    { id: `${name}.cpu`, value: spent / options.services, unit: 'ms/service' },
    { id: `${name}.rss`, value: resident, unit: 'MB' },
  ];
  writeFileSync(options.record, JSON.stringify(measurements));
  process.exit();
}

/** @returns the path of an administrator's kubeconfig */
async function startApiServer(processes: Processes, directory: string, { apiServer, etcd }: ControllerOptions): Promise<string> {
  const file = (name: string, text: string) => {
    writeFileSync(path.join(directory, name), text);
    return path.join(directory, name);
  };
  const authority = await createAuthority({ lifetimeMs: day, now: Date.now() });
  const request = {
    commonName: 'kube-apiserver',
    dnsNames: ['kubernetes.default.svc'],
    ipAddresses: ['127.0.0.1'],
    usages: ['serverAuth' as const],
  };
  const { certPem, keyPem } = await issue(authority, { ...request, lifetimeMs: day, now: Date.now() });
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const store = 'http://127.0.0.1:2379';
  const data = ['--data-dir', path.join(directory, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error'];
  processes.start('etcd', etcd, [...data, '--listen-client-urls', store, '--advertise-client-urls', store]);
  processes.start('kube-apiserver', apiServer, [
    `--etcd-servers=${store}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    '--secure-port=6443',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=RBAC',
    `--tls-cert-file=${file('tls.crt', certPem)}`,
    `--tls-private-key-file=${file('tls.key', keyPem)}`,
    `--token-auth-file=${file('tokens.csv', 'bench-token,bench,bench,system:masters\n')}`,
    `--service-account-key-file=${file('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }) as string)}`,
    `--service-account-signing-key-file=${file('sa.key', privateKey.export({ type: 'sec1', format: 'pem' }) as string)}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
  ]);
  const cluster = { server: 'https://127.0.0.1:6443', 'certificate-authority-data': Buffer.from(authority.bundlePem).toString('base64') };
  return file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'bench', cluster }],
      users: [{ name: 'bench', user: { token: 'bench-token' } }],
      contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
      'current-context': 'bench',
    }),
  );
}

/** The CRD, and the namespaces of the installation and of tenants. */
async function install(client: KubeClient): Promise<void> {
  const crd = parse(readFileSync(path.join(root, 'manifests', 'crd', 'distributedservices.frp.io.yaml'), 'utf8')) as KubeObject;
  await client.create(customResourceDefinitions, crd, manager);
  const names = ['frp-system', 'frp-gateway', ...Array.from({ length: tenants }, (_, index) => `bench-${index}`)];
  for (const name of names) await client.create(namespaces, { metadata: { name } }, manager);
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(pollMs))
    if (
      await client.list(distributedServices).then(
        () => true,
        () => false,
      )
    )
      return;
}

const hasCertificate = (object: KubeObject): boolean => {
  const { status } = object as { status?: { conditions?: { type: string; status: string }[] } };
  return status?.conditions?.some((each) => each.type === 'CertificatesReady' && each.status === 'True') ?? false;
};

async function inTurns<T>(all: readonly T[], work: (each: T) => Promise<unknown>): Promise<void> {
  const rest = all.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const each of rest) await work(each);
    }),
  );
}

async function until(processes: Processes, what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + patienceSeconds * 1000; !(await isSo().catch(() => false)); await sleep(pollMs))
    if (Date.now() > end) throw new Error(`not in ${patienceSeconds} s: ${what}\n${processes.tell()}`);
}
