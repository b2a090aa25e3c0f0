/**
 * 500 DistributedServices at once: time until each has its certificate, API calls a service, CPU and memory of the
 * controller, and what it writes afterwards (nothing).
 *
 *   npm run test:cluster -- --keep 10-install
 *   FRP_LAB_NAME=frp-k8s test/cluster/lab run -- npm run bench:controller [COUNT]
 *
 * Needs an installation, KUBECONFIG and kubectl. Prints one JSON line.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { hasCertificates } from '../cluster/support/controller.ts';
import { apply, items, kubectl } from '../cluster/support/kubectl.ts';
import { httpService, namespace } from '../cluster/support/objects.ts';
import { must } from '../cluster/support/run.ts';
import { leaseRenewals, perService, rounded, sample } from './metrics.ts';

const count = Number(process.argv[2] ?? 500);
const ns = 'bench-controller';
const steadySeconds = 30;

const services = Array.from({ length: count }, (_, i) => httpService(ns, `bench-${i}`, `bench-${i}.bench.example.com`));
const versions = async () =>
  JSON.stringify((await items(ns, 'distributedservice,secrets')).map(({ metadata }) => String(metadata.resourceVersion)));
const seconds = (since: number) => rounded((Date.now() - since) / 1000);

await apply(namespace(ns));
const before = await sample();
const started = Date.now();
await must('kubectl', ['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: services }) });
const created = seconds(started);
while (!(await items(ns, 'distributedservice')).every(hasCertificates)) await wait(500);
const converged = seconds(started);
await wait(3000); // Events of the last ones
const after = await sample();
const steadyFrom = await versions();
await wait(steadySeconds * 1000);
const steady = await sample();
const isSteady = steadyFrom === (await versions());
const deleted = Date.now();
await kubectl('delete', 'distributedservice', '--all', '-n', ns, '--timeout=300s');
const result = {
  services: count,
  createdSeconds: created,
  convergedSeconds: converged,
  memoryBeforeMiB: before.memoryMiB,
  ...perService(before, after, count),
  steady: {
    seconds: steadySeconds,
    versionsUnchanged: isSteady,
    writes: Math.max(0, Math.floor(steady.writes - after.writes - leaseRenewals(after, steady) - 2)),
    cpuPercent: rounded((100 * (steady.cpuSeconds - after.cpuSeconds)) / steadySeconds),
  },
  deletedSeconds: seconds(deleted),
};
await kubectl('delete', 'namespace', ns, '--wait=false');
console.log(JSON.stringify(result));
