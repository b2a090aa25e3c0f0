/** A bundle of an installation in a cluster: read with the rights of the caller, in bounds, one part after the other. */
import { defaultConfig } from '../config/schema.ts';
import { allChecks } from '../diagnose/checks/all.ts';
import { printJson } from '../diagnose/print.ts';
import type { Probes } from '../diagnose/probes.ts';
import { itemsOf, read, unread, valueOf, type Read } from '../diagnose/read.ts';
import { runChecks } from '../diagnose/run.ts';
import { podResource, type Pod } from '../diagnose/shapes.ts';
import type { Snapshot } from '../diagnose/snapshot.ts';
import type { Reach } from '../explain/reach.ts';
import { readStatus } from '../explain/status.ts';
import type { KubeClient } from '../kube/client.ts';
import { pathOf } from '../kube/types.ts';
import { gatewayName } from '../model/names.ts';
import { Bundle } from './bundle.ts';
import { addObjects, knownAddresses } from './cluster-objects.ts';
import { hasSidecar } from './objects.ts';
import { addHaproxies } from './haproxies.ts';
import { Addresses } from './redact-text.ts';

export interface ClusterBundleOptions {
  client: KubeClient;
  snapshot: Snapshot;
  probes: Probes;
  reach: Reach;
  /** told of what is being read, for people */
  onProgress: (what: string) => void;
}

/** Of a container: its last lines, in at most so many bytes. */
const ownLog = { tailLines: 5000, limitBytes: 1024 * 1024 };
const sidecarLog = { tailLines: 300, limitBytes: 128 * 1024 };
const mostOwnPods = 50;
const mostSidecars = 50;

export async function bundleOfCluster(options: ClusterBundleOptions): Promise<Bundle> {
  const { snapshot, reach, onProgress } = options;
  const bundle = new Bundle(new Addresses(knownAddresses(snapshot)));
  addObjects(bundle, snapshot);
  onProgress('what check says');
  await addCheck(bundle, options);
  onProgress('what status says');
  await addStatus(bundle, options);
  onProgress('the configuration of HAProxy');
  if (hasGateway(snapshot)) await addHaproxies(bundle, reach);
  await addOwnPods(bundle, options);
  await addSidecars(bundle, options);
  return bundle;
}

/** Whether it is in this cluster, or nobody may say. */
const hasGateway = ({ gateway }: Snapshot): boolean =>
  unread(gateway.pods) !== undefined || itemsOf(gateway.pods).some(({ metadata }) => metadata.labels?.app === gatewayName);

async function addCheck(bundle: Bundle, { snapshot, probes, onProgress }: ClusterBundleOptions): Promise<void> {
  const report = await runChecks(allChecks, { snapshot, probes, told: () => {} }, { onProgress: (title) => onProgress(`check: ${title}`) });
  bundle.addValue('check.json', 'frp-k8s check -o json', JSON.parse(printJson(report, snapshot.at)));
}

async function addStatus(bundle: Bundle, { client, snapshot, reach }: ClusterBundleOptions): Promise<void> {
  const config = valueOf(snapshot.config) ?? defaultConfig;
  const options = { config, reach, namespace: snapshot.namespace, installation: snapshot.installation.name };
  bundle.addRead('status.json', 'frp-k8s status -o json', await read('read the status', () => readStatus(client, options)));
}

async function addOwnPods(bundle: Bundle, options: ClusterBundleOptions): Promise<void> {
  const { installation, gateway } = options.snapshot;
  const pods = [...new Map([installation, gateway].flatMap(({ pods: found }) => itemsOf(found)).map((pod) => [nameOf(pod), pod])).values()];
  if (pods.length > mostOwnPods)
    bundle.missing.push(`logs and metrics of ${pods.length - mostOwnPods} Pods of the installation: they are too many`);
  for (const pod of pods.slice(0, mostOwnPods)) {
    options.onProgress(`logs and metrics of Pod ${nameOf(pod)}`);
    for (const { name } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])])
      await addLog(bundle, options.client, pod, name, ownLog);
    await addMetrics(bundle, options.probes, pod);
  }
}

async function addSidecars(bundle: Bundle, { client, snapshot, onProgress }: ClusterBundleOptions): Promise<void> {
  const pods = itemsOf(snapshot.pods).filter(hasSidecar);
  // Those that do not work tell more than those that do.
  const isFine = ({ status }: Pod) =>
    Number(status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false);
  const chosen = pods.toSorted((a, b) => isFine(a) - isFine(b)).slice(0, mostSidecars);
  if (pods.length > chosen.length)
    bundle.missing.push(`logs of the sidecars of ${pods.length - chosen.length} more Pods: they are too many`);
  for (const pod of chosen) {
    onProgress(`log of the sidecar of Pod ${nameOf(pod)}`);
    const sidecars = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].filter(({ name }) =>
      name.startsWith(sidecarPrefix),
    );
    for (const { name } of sidecars) await addLog(bundle, client, pod, name, sidecarLog);
  }
}
const sidecarPrefix = 'frpc';

async function addLog(bundle: Bundle, client: KubeClient, pod: Pod, container: string, limits: typeof ownLog): Promise<void> {
  const { namespace = '', name } = pod.metadata;
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const hasPrevious = (statuses.find((each) => each.name === container)?.restartCount ?? 0) > 0;
  for (const previous of hasPrevious ? [false, true] : [false]) {
    const query = new URLSearchParams({
      container,
      timestamps: 'true',
      tailLines: `${limits.tailLines}`,
      limitBytes: `${limits.limitBytes}`,
    });
    if (previous) query.set('previous', 'true');
    const answer = await read(`get pods/log of namespace ${namespace}`, () =>
      client.text(`${pathOf(podResource, namespace, name)}/log?${query.toString()}`),
    );
    const path = `logs/${namespace}/${name}/${container}${previous ? '.previous' : ''}.log`;
    const what = `last lines of container ${container}${previous ? ' before it restarted' : ''}`;
    if ('ok' in answer) bundle.addLog(path, what, answer.ok);
    else bundle.addRead(path, what, answer);
  }
}

async function addMetrics(bundle: Bundle, probes: Probes, pod: Pod): Promise<void> {
  const { namespace = '', name } = pod.metadata;
  const port = pod.spec?.containers?.flatMap(({ ports = [] }) => ports).find((each) => each.name === 'metrics')?.containerPort;
  if (port === undefined) return;
  const answer = await probes.getFromPod(namespace, name, port, '/metrics');
  const path = `metrics/${namespace}/${name}.txt`;
  if ('ok' in answer && answer.ok.status === 200) bundle.addText(path, 'its metrics at that moment, at most 1 MiB', answer.ok.body);
  else bundle.addRead(path, 'metrics', 'ok' in answer ? ({ failed: `HTTP status ${answer.ok.status}` } satisfies Read<never>) : answer);
}

const nameOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;
