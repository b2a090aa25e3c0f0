/** What the status of each service says already, with what an outside look adds to it. */
import { membershipsIn } from '../../frp/proxy-names.ts';
import { group, label } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Check, CheckContext, Said } from '../finding.ts';
import { isWithoutPods, whyNoPods } from '../no-pods.ts';
import { podProblem } from '../pod-problem.ts';
import { creating } from '../secret-remedy.ts';
import { itemsOf } from '../read.ts';
import { few, look, warning, wrong } from '../say.ts';
import type { Probes } from '../probes.ts';
import type { Pod } from '../shapes.ts';
import type { Snapshot } from '../snapshot.ts';

type Condition = NonNullable<NonNullable<DistributedService['status']>['conditions']>[number];

const objectOf = ({ metadata }: DistributedService) => ({ kind: 'DistributedService', namespace: metadata.namespace, name: metadata.name });
const describeIt = ({ metadata }: DistributedService) => `kubectl -n ${metadata.namespace} describe dsvc ${metadata.name}`;
const conditionOf = ({ status }: DistributedService, type: string): Condition | undefined =>
  status?.conditions?.find((each) => each.type === type);

/** A command in a message of the controller's: what follows the last "kubectl" up to the end of the clause. */
export function commandIn(message: string): string | undefined {
  const found = /(?:kubectl|frp-k8s) [^;`]+/.exec(message)?.[0].trim();
  return found?.endsWith('.') || found?.endsWith(')') ? found.slice(0, -1) : found;
}

const after = ['namespace', 'crd'];
/** More than are told by name. */
const mostTried = 6;

const each = (
  id: string,
  title: string,
  say: (service: DistributedService, context: CheckContext) => readonly Said[] | Promise<readonly Said[]>,
  more: readonly string[] = [],
): Check => ({
  id,
  category: 'services',
  title,
  after: [...after, ...more],
  run: async (context) => {
    const unread = look(context.snapshot.services, () => []);
    if (unread.length > 0) return unread;
    const said: Said[] = [];
    for (const service of itemsOf(context.snapshot.services)) {
      if (service.metadata.deletionTimestamp !== undefined) continue;
      // Of many the first are told, so nothing is tried for the others.
      said.push(...(await say(service, said.length < mostTried ? context : { snapshot: context.snapshot })));
    }
    return few(said, 'services');
  },
});

/** A condition that is False, in its own words. */
const told = (
  id: string,
  title: string,
  type: string,
  remedy: (service: DistributedService, condition: Condition) => string | undefined,
): Check =>
  each(id, title, (service) => {
    const condition = conditionOf(service, type);
    if (condition?.status !== 'False') return [];
    const message = condition.message ?? '';
    return [
      wrong(condition.reason ?? type, objectOf(service), message, commandIn(message) ?? remedy(service, condition) ?? describeIt(service)),
    ];
  });

export const serviceChecks: readonly Check[] = [
  each(
    'status-current',
    'the status of every service tells of its newest version',
    (service, { snapshot: { at } }) => {
      const { metadata, status } = service;
      const age = at - Date.parse(metadata.creationTimestamp ?? '');
      if (status?.observedGeneration === metadata.generation || age < 10_000) return [];
      return [
        warning(
          'StatusOutdated',
          objectOf(service),
          `it is of generation ${metadata.generation}, and the status of ${status?.observedGeneration ?? 'none'}`,
          'kubectl -n frp-system logs deployment/frp-controller',
        ),
      ];
    },
    ['controller-pods', 'leader'],
  ),
  each('configuration-valid', 'every service can be served as it is written', async (service, { probes }) => {
    const condition = conditionOf(service, 'ConfigurationValid');
    if (condition?.status !== 'False') return [];
    const { reason = 'ConfigurationValid', message = '' } = condition;
    const edit = `kubectl -n ${service.metadata.namespace} edit dsvc ${service.metadata.name}`;
    const made = reason === 'SecretMissing' ? await creating(service, message, probes) : undefined;
    const remedy = made ?? commandIn(message) ?? (reason === 'HostConflict' ? edit : describeIt(service));
    return [wrong(reason, objectOf(service), message, remedy)];
  }),
  told('network', 'the server of every service answers', 'NetworkReady', () => undefined),
  each('backends', 'every service has a healthy backend at each of its ports', async (service, context) => {
    const { snapshot } = context;
    const condition = conditionOf(service, 'BackendsAvailable');
    if (condition?.status !== 'False') return [];
    const { reason = '', message = '' } = condition;
    if (reason === 'BackendsStarting') return [warning(reason, objectOf(service), message, describeIt(service))];
    if (reason === 'NoBackendsFound') return [noBackends(service, snapshot, message)];
    if (reason === 'BackendsUnhealthy') return [await unhealthy(service, context, 'error', message)];
    return [wrong(reason, objectOf(service), message, commandIn(message) ?? describeIt(service))];
  }),
  each('all-backends', 'every backend of every service is healthy', async (service, context) => {
    const condition = conditionOf(service, 'BackendsAvailable');
    if (condition?.status !== 'True' || !service.status?.endpoints?.some(({ healthy }) => healthy === false)) return [];
    return [await unhealthy(service, context, 'warning', condition.message ?? '')];
  }),
  each('pods-current', 'every Pod has the newest configuration of its service', (service) => {
    const message = conditionOf(service, 'BackendsAvailable')?.message ?? '';
    if (service.status?.state !== 'Updating' || !/older configuration|still configured/.test(message)) return [];
    return [warning('PodsOutdated', objectOf(service), message, commandIn(message) ?? describeIt(service))];
  }),
  told('cluster-service', 'every Service in the cluster that a service asks for is there', 'ClusterServiceReady', () => undefined),
  each('clusters-agree', 'no cluster says otherwise of a service than another', (service) => {
    const condition = conditionOf(service, 'SpecDiffers');
    return condition?.status === 'True'
      ? [warning(condition.reason ?? '', objectOf(service), condition.message ?? '', describeIt(service))]
      : [];
  }),
  {
    id: 'deletions',
    category: 'services',
    title: 'no service that was deleted is held up',
    after,
    run: ({ snapshot: { services, at } }) =>
      look(services, (all) =>
        all.flatMap((service): Said[] => {
          const since = at - Date.parse(service.metadata.deletionTimestamp ?? '');
          if (!(since > 60_000)) return [];
          const held = service.metadata.finalizers?.join(', ') ?? '';
          return [
            wrong(
              'DeletionStuck',
              objectOf(service),
              `it was deleted ${Math.round(since / 1000)} s ago, and is held by ${held}`,
              'kubectl -n frp-system logs deployment/frp-controller',
            ),
          ];
        }),
      ),
  },
];

/** Where it has its backends from says who should have made one: the condition knows the service alone. */
function noBackends(service: DistributedService, snapshot: Snapshot, message: string): Said {
  const { namespace, name } = service.metadata;
  // What is to be done about hosts, names and selectors is the condition's last clause.
  if (!isWithoutPods(service))
    return wrong('NoBackendsFound', objectOf(service), message, commandIn(message) ?? message.slice(message.lastIndexOf('; ') + 1).trim());
  const why = whyNoPods(service, snapshot);
  if (why) return wrong(why.reason, objectOf(service), `0 backends: ${why.message}`, why.remedy);
  const remedy = `put the annotation ${group}/group: ${name} on the Pod template of the workload in namespace ${namespace}, and restart it`;
  return wrong('NoBackendsFound', objectOf(service), `0 backends: no workload of namespace ${namespace} asks for it`, remedy);
}

/** Why the first of the backends is not healthy, as the gateway, the kubelet and the Pod itself say it. */
async function unhealthy(
  service: DistributedService,
  { snapshot: { pods }, probes }: CheckContext,
  level: 'error' | 'warning',
  message: string,
): Promise<Said> {
  const bad = (service.status?.endpoints ?? []).find(({ healthy, reason }) => healthy === false && reason !== undefined);
  const pod = itemsOf(pods).find(({ metadata }) => metadata.namespace === service.metadata.namespace && metadata.name === bad?.name);
  const problem = pod && podProblem(pod);
  const say = (reason: string, text: string, remedy: string): Said => ({ level, reason, object: objectOf(service), message: text, remedy });
  if (problem) return say(problem.reason, `backend ${bad!.name}: ${problem.message}`, problem.remedy ?? describeIt(service));
  const why = bad?.reason ?? '';
  if (pod && !isListening(pod))
    return notListening(service, pod, level, `backend ${pod.metadata.name}: its sidecar waits for the app's port`);
  const refused = /refused by the gateway, ([A-Za-z]+)/.exec(why)?.[1];
  if (refused) return say(refused, `backend ${bad!.name} ${why}`, `kubectl -n ${service.metadata.namespace} delete pod ${bad!.name}`);
  if (/port takes no connection|port took no connection|takes no connections/.test(why))
    return notListening(service, pod, level, `backend ${bad!.name}: ${why}`);
  // An app that has gone looks to HAProxy as one that says nothing: the sidecar knows that nobody takes its connections.
  const isSilent = /no HTTP answer|TLS handshake/.test(why);
  if (isSilent && pod && probes && (await isRefusedInside(pod, probes)))
    return notListening(service, pod, level, `backend ${bad!.name}: ${why}, and its sidecar's connections to the app are refused`);
  if (/answered|did not answer|no HTTP answer|TLS handshake/.test(why))
    return say('HealthCheckFails', `backend ${bad!.name}: ${why}`, `kubectl -n ${service.metadata.namespace} logs ${bad!.name}`);
  return say(level === 'error' ? 'BackendsUnhealthy' : 'BackendPartlyDown', message, commandIn(message) ?? describeIt(service));
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

function notListening(service: DistributedService, pod: Pod | undefined, level: 'error' | 'warning', message: string): Said {
  const { namespace = '', name } = service.metadata;
  const port = pod && portOf(pod, name);
  const declared = (pod?.spec?.containers ?? []).flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
  const others = port === undefined || declared.includes(port) ? [] : declared;
  const hint = port === undefined ? '' : ` (port ${port}${others.length > 0 ? `, and its containers declare ${others.join(', ')}` : ''})`;
  const remedy =
    others.length > 0
      ? `set ${group}/port: "${others[0]}" on the Pod template of ${pod!.metadata.name}, and restart it`
      : `let the app listen on 0.0.0.0, or set ${group}/port to the port that it listens on: kubectl -n ${namespace} logs ${pod?.metadata.name ?? `-l ${label.sidecar}=injected`}`;
  return { level, reason: 'AppNotListening', object: objectOf(service), message: message + hint, remedy };
}

function portOf({ metadata: { namespace = '', annotations = {} } }: Pod, service: string): number | undefined {
  const texts = Object.entries(annotations).flatMap(([key, text]) => (/^frp\.io\/frpc(-[0-9]+)?\.json$/.test(key) ? [text] : []));
  return texts.flatMap((text) => membershipsIn(text, namespace)).find((each) => each.service === service)?.port;
}
