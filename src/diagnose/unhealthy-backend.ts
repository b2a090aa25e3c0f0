/** Why a backend of a service is not healthy, as the gateway, the kubelet and the Pod itself say it, and what mends it. */
import { membershipsIn } from '../frp/proxy-names.ts';
import { annotation, label } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import type { CheckContext, Said } from './finding.ts';
import { annotate } from './pod-contexts.ts';
import { isReady, podProblem } from './pod-problem.ts';
import type { Probes } from './probes.ts';
import { itemsOf } from './read.ts';
import { patching } from './service-remedy.ts';
import { commandIn, describeIt, objectOf } from './service-words.ts';
import type { Container, Pod } from './shapes.ts';
import type { Snapshot } from './snapshot.ts';
import { rolledBack, workloadOf } from './workload-of.ts';

/** Of several the first of which a reason is known. @param message of the condition */
export async function unhealthy(
  service: DistributedService,
  { snapshot, probes }: CheckContext,
  level: 'error' | 'warning',
  message: string,
): Promise<Said> {
  const { namespace } = service.metadata;
  const bad = (service.status?.endpoints ?? []).find(({ healthy, reason }) => healthy === false && reason !== undefined);
  const pod = itemsOf(snapshot.pods).find(({ metadata }) => metadata.namespace === namespace && metadata.name === bad?.name);
  const problem = pod && podProblem(pod);
  const say = (reason: string, text: string, remedy: string): Said => ({ level, reason, object: objectOf(service), message: text, remedy });
  if (problem) {
    const remedy = rolledBack(pod, itemsOf(snapshot.workloads)) ?? problem.remedy ?? describeIt(service);
    return say(problem.reason, `backend ${bad!.name}: ${problem.message}`, remedy);
  }
  const why = bad?.reason ?? '';
  const closed = await closedPort(pod, why, probes);
  if (closed !== undefined) {
    const { hint, remedy } = notListening(service, pod, snapshot);
    return say('AppNotListening', `backend ${bad?.name ?? ''}: ${closed}${hint}`, remedy);
  }
  const refused = /refused by the gateway, ([A-Za-z]+)/.exec(why)?.[1];
  if (refused) return say(refused, `backend ${bad!.name} ${why}`, `kubectl -n ${namespace} delete pod ${bad!.name}`);
  if (isCheckFailed(why))
    return say(
      'HealthCheckFails',
      `backend ${bad!.name}: ${why}`,
      checkedAsReady(service, pod) ?? `kubectl -n ${namespace} logs ${bad!.name}`,
    );
  return say(level === 'error' ? 'BackendsUnhealthy' : 'BackendPartlyDown', message, commandIn(message) ?? describeIt(service));
}

const isCheckFailed = (why: string): boolean => /answered|did not answer|no HTTP answer|TLS handshake/.test(why);

/** @returns how it is known that nobody takes connections at the app's port; undefined where somebody may */
async function closedPort(pod: Pod | undefined, why: string, probes: Probes | undefined): Promise<string | undefined> {
  if (pod && !isListening(pod)) return "its sidecar waits for the app's port";
  if (/port takes no connection|port took no connection|takes no connections/.test(why)) return why;
  // An app that has gone looks to HAProxy as one that says nothing: the sidecar knows that nobody takes its connections.
  const isSilent = /no HTTP answer|TLS handshake/.test(why);
  if (!isSilent || !pod || !probes || !(await isRefusedInside(pod, probes))) return undefined;
  return `${why}, and its sidecar's connections to the app are refused`;
}

/** Whether the last that the sidecar says of the app is that nobody listens (Go's ECONNREFUSED, in frpc's words). */
async function isRefusedInside({ metadata: { namespace = '', name } }: Pod, probes: Probes): Promise<boolean> {
  const log = await probes.logOf(namespace, name, 'frpc');
  return (
    'ok' in log && log.ok.split('\n').some((line) => line.includes('connect to local service ') && line.includes('connection refused'))
  );
}

/** The startup of a sidecar ends when the app's port takes a connection. */
const isListening = ({ status }: Pod): boolean =>
  !status?.initContainerStatuses?.some(({ name, started }) => /^frpc/.test(name) && started === false);

/** What the kubelet finds well of a Pod that is Ready, the gateway will. */
function checkedAsReady(service: DistributedService, pod: Pod | undefined): string | undefined {
  const path = pod && isReady(pod) ? probedAt(pod, portOf(pod, service.metadata.name))?.path : undefined;
  if (path === undefined || path === service.spec.loadBalancing?.healthCheck?.path) return undefined;
  return patching(service, { loadBalancing: { healthCheck: { path } } });
}

/** What the kubelet asks of a port to know whether a container is ready. */
const probedAt = (pod: Pod, port: number | undefined) =>
  (pod.spec?.containers ?? [])
    .flatMap((container) => (container.readinessProbe?.httpGet && probedPort(container) === port ? [container.readinessProbe.httpGet] : []))
    .find(({ scheme = 'HTTP' }) => scheme === 'HTTP');

function probedPort({ readinessProbe, ports = [] }: Container): number | undefined {
  const port = readinessProbe?.httpGet?.port ?? readinessProbe?.tcpSocket?.port;
  return typeof port === 'string' ? ports.find(({ name }) => name === port)?.containerPort : port;
}

function notListening(service: DistributedService, pod: Pod | undefined, snapshot: Snapshot): { hint: string; remedy: string } {
  const { namespace = '', name } = service.metadata;
  const port = pod && portOf(pod, name);
  const workload = pod && workloadOf(pod, itemsOf(snapshot.workloads));
  const containers = pod?.spec?.containers ?? [];
  const declared = containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
  const [other] = port === undefined || declared.includes(port) ? [] : declared;
  if (other !== undefined) {
    const hint = ` (port ${port}, and its containers declare ${declared.join(', ')})`;
    if (workload) return { hint, remedy: annotate(workload, { [annotation.port]: String(other) }) };
    return { hint, remedy: `set ${annotation.port}: "${other}" on the Pod template of ${pod!.metadata.name}, and restart it` };
  }
  // The kubelet dials the Pod's address, and a sidecar the loopback.
  if (workload && isReady(pod) && containers.some((each) => probedPort(each) === port) && isByLoopback(workload.spec?.template))
    return {
      hint: ` (port ${port}, where the kubelet reaches it at the Pod's address)`,
      remedy: annotate(workload, { [annotation.appAddress]: 'podIP' }),
    };
  const hint = port === undefined ? '' : ` (port ${port})`;
  const logs = `kubectl -n ${namespace} logs ${pod?.metadata.name ?? `-l ${label.sidecar}=injected`}`;
  return { hint, remedy: `let the app listen on 0.0.0.0, or set ${annotation.port} to the port that it listens on: ${logs}` };
}

const isByLoopback = (template: { metadata?: { annotations?: Record<string, string> } } = {}): boolean =>
  template.metadata?.annotations?.[annotation.appAddress] !== 'podIP';

function portOf({ metadata: { namespace = '', annotations = {} } }: Pod, service: string): number | undefined {
  const texts = Object.entries(annotations).flatMap(([key, text]) => (/^frp\.io\/frpc(-[0-9]+)?\.json$/.test(key) ? [text] : []));
  return texts.flatMap((text) => membershipsIn(text, namespace)).find((each) => each.service === service)?.port;
}
