/**
 * 500 DistributedServices at once: time until each has its certificate, API calls a service, CPU and memory of the
 * controller, and what it writes afterwards (nothing).
 *
 *   npm run test:cluster -- --keep 10-install
 *   FRP_LAB_NAME=frp-k8s test/cluster/lab run -- npx node test/bench/controller.ts [COUNT]
 *
 * Needs an installation, KUBECONFIG and kubectl, and a way to Pod addresses. Prints one JSON line.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { get, items, kubectl, type Json } from '../cluster/support/kubectl.ts';
import { httpService, namespace } from '../cluster/support/objects.ts';
import { must } from '../cluster/support/run.ts';

const count = Number(process.argv[2] ?? 500);
const ns = 'bench-controller';
const steadySeconds = 30;

interface Sample {
  calls: number;
  writes: number;
  cpuSeconds: number;
  memoryMiB: number;
}

/** From the leader's own metrics. */
async function sample(): Promise<Sample> {
  const lease = await get('frp-system', 'lease', 'frp-controller');
  const pod = String(lease.spec.holderIdentity).split('_')[0]!;
  const { status } = await get('frp-system', 'pod', pod);
  const text = await (await fetch(`http://${status.podIP}:8080/metrics`)).text();
  const values = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'))].map(([, labels = '', value]) => ({
      labels,
      value: Number(value),
    }));
  const sum = (found: { value: number }[]) => found.reduce((total, { value }) => total + value, 0);
  const calls = values('frp_operator_api_requests_total');
  return {
    calls: sum(calls),
    writes: sum(calls.filter(({ labels }) => !labels.includes('GET'))),
    cpuSeconds: sum(values('process_cpu_seconds_total')),
    memoryMiB: Math.round(sum(values('process_resident_memory_bytes')) / 2 ** 20),
  };
}

const services = Array.from({ length: count }, (_, i) => httpService(ns, `bench-${i}`, `bench-${i}.bench.example.com`));
const isReady = ({ status }: Json) =>
  ((status?.conditions ?? []) as Json[]).some(({ type, status: value }) => type === 'CertificatesReady' && value === 'True');
const versions = async () =>
  JSON.stringify((await items(ns, 'distributedservice')).map(({ metadata }) => String(metadata.resourceVersion)));
const seconds = (since: number) => Math.round((Date.now() - since) / 100) / 10;
/** The Lease is renewed every two seconds, by GET and PATCH: no service's calls. */
const leaseCalls = (period: number) => 2 * (period / 2);

await must('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(namespace(ns)) });
const before = await sample();
const started = Date.now();
await must('kubectl', ['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: services }) });
const created = seconds(started);
while (!(await items(ns, 'distributedservice')).every(isReady)) await wait(500);
const converged = seconds(started);
await wait(3000); // Events of the last ones
const after = await sample();
const period = seconds(started);
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
  callsPerService: Math.round(((after.calls - before.calls - leaseCalls(period)) / count) * 10) / 10,
  cpuMsPerService: Math.round(((after.cpuSeconds - before.cpuSeconds) * 1000) / count),
  memoryMiB: { before: before.memoryMiB, after: after.memoryMiB },
  steady: {
    seconds: steadySeconds,
    versionsUnchanged: isSteady,
    // Less the renewals of the Lease.
    writes: Math.max(0, steady.writes - after.writes - Math.ceil(leaseCalls(steadySeconds) / 2) - 2),
    cpuPercent: Math.round(((steady.cpuSeconds - after.cpuSeconds) / steadySeconds) * 1000) / 10,
  },
  deletedSeconds: seconds(deleted),
};
await kubectl('delete', 'namespace', ns, '--wait=false');
console.log(JSON.stringify(result));
