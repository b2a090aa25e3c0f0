/**
 * 300 certificates fall due: one life after they were made at once, and then all at the same moment, as after a night of
 * a suspended machine (the controllers are away until every one is due). How fast they are renewed, what that costs, and
 * how much of its life each had left.
 *
 *   npm run test:cluster -- --keep 10-install
 *   FRP_LAB_NAME=frp-k8s test/cluster/lab run -- npm run bench:renewal [COUNT]
 *
 * Needs an installation, KUBECONFIG and kubectl; restarts controller and webhooks with short lives, and puts the
 * configuration back. About nine minutes. Prints one JSON line; exit 1 where a certificate expired.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { inspectCertificate } from '../../certs/inspect.ts';
import { system } from '../cluster/support/places.ts';
import { controllerWorks, hasCertificates } from '../cluster/support/controller.ts';
import { follow } from '../cluster/support/follow.ts';
import { apply, gone, items, kubectl, scale } from '../cluster/support/kubectl.ts';
import { httpService, namespace } from '../cluster/support/objects.ts';
import { must } from '../cluster/support/run.ts';
import { withSettings } from '../cluster/support/settings.ts';
import { perService, rounded, sample, type Sample } from './metrics.ts';

const count = Number(process.argv[2] ?? 300);
const ns = 'bench-renewal';
/** Due from 3.3 to 3 minutes before the end: 1.7 to 2 minutes after it was issued. */
const lives = { lifetime: '5m', renewBefore: '3m' };
const allDueMs = 2 * 60_000;

interface Renewal {
  at: number;
  /** of the certificate that was replaced, in ms */
  leftMs: number;
}
const ends = new Map<string, number>();
let renewals: Renewal[] = [];

const secrets = follow(ns, 'secrets', ({ type, name, data }) => {
  if (type === 'DELETED' || !name.endsWith('-tls')) return;
  const { 'tls.crt': certificate = '' } = JSON.parse(data) as Record<string, string>;
  const { notAfter } = inspectCertificate(Buffer.from(certificate, 'base64').toString());
  const before = ends.get(name);
  ends.set(name, notAfter);
  if (before !== undefined && before !== notAfter) renewals.push({ at: Date.now(), leftMs: before - Date.now() });
});

/** Waits until `count` have been renewed since `before`, and sums them up. */
async function renewed(before: Sample) {
  while (renewals.length < count) await wait(100);
  const done = renewals.slice(0, count);
  const after = await sample();
  const first = done[0]!.at;
  const perSecond = new Map<number, number>();
  for (const { at } of done) perSecond.set(Math.floor((at - first) / 1000), (perSecond.get(Math.floor((at - first) / 1000)) ?? 0) + 1);
  const rates = [...perSecond.values()].sort((a, b) => a - b);
  return {
    fromFirstToLastSeconds: rounded((done.at(-1)!.at - first) / 1000),
    perSecond: { median: rates[Math.floor(rates.length / 2)], most: rates.at(-1) },
    leastLifeLeftSeconds: rounded(Math.min(...done.map(({ leftMs }) => leftMs)) / 1000),
    ...perService(before, after, count),
  };
}

await apply(namespace(ns));
const restore = await withSettings({ certificates: lives });
let result;
try {
  await controllerWorks();
  const services = Array.from({ length: count }, (_, i) => httpService(ns, `renewal-${i}`, `renewal-${i}.bench.example.com`));
  await must('kubectl', ['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: services }) });
  while (!(await items(ns, 'distributedservice')).every(hasCertificates)) await wait(500);
  renewals = [];
  const inTime = await renewed(await sample());
  await scale(system, 'frp-controller', 0);
  await gone(system, 'pod', '-l', 'app=frp-controller');
  await wait(allDueMs);
  renewals = [];
  await scale(system, 'frp-controller', 2);
  // The leader is a new process, whose counters begin at nothing.
  const atOnce = await renewed({ calls: 0, writes: 0, cpuSeconds: 0, memoryMiB: 0, at: Date.now() });
  result = { services: count, ...lives, inTime, atOnce };
} finally {
  await secrets.stop();
  await kubectl('delete', 'distributedservice', '--all', '-n', ns, '--timeout=300s');
  await restore();
  await kubectl('delete', 'namespace', ns, '--wait=false');
}
console.log(JSON.stringify(result));
if (Math.min(result.inTime.leastLifeLeftSeconds, result.atOnce.leastLifeLeftSeconds) <= 0) process.exitCode = 1;
