/** What the status of each service says already, with what an outside look adds to it. */
import { membershipsIn } from '../../frp/proxy-names.ts';
import { group, label } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Check, CheckContext, Said } from '../finding.ts';
import { podProblem } from '../pod-problem.ts';
import { itemsOf } from '../read.ts';
import { few, look, warning, wrong } from '../say.ts';
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

const each = (
  id: string,
  title: string,
  say: (service: DistributedService, context: CheckContext) => readonly Said[],
  more: readonly string[] = [],
): Check => ({
  id,
  category: 'services',
  title,
  after: [...after, ...more],
  run: (context) =>
    look(context.snapshot.services, (services) =>
      few(
        services.filter(({ metadata }) => metadata.deletionTimestamp === undefined).flatMap((service) => say(service, context)),
        'services',
      ),
    ),
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
  told('configuration-valid', 'every service can be served as it is written', 'ConfigurationValid', (service, { reason }) =>
    reason === 'HostConflict' ? `kubectl -n ${service.metadata.namespace} edit dsvc ${service.metadata.name}` : undefined,
  ),
  told('network', 'the server of every service answers', 'NetworkReady', () => undefined),
  each('backends', 'every service has a healthy backend at each of its ports', (service, { snapshot }) => {
    const condition = conditionOf(service, 'BackendsAvailable');
    if (condition?.status !== 'False') return [];
    const { reason = '', message = '' } = condition;
    if (reason === 'BackendsStarting') return [warning(reason, objectOf(service), message, describeIt(service))];
    if (reason === 'BackendsUnhealthy') return [unhealthy(service, snapshot, 'error', message)];
    return [wrong(reason, objectOf(service), message, commandIn(message) ?? remedyFor(service, reason))];
  }),
  each('all-backends', 'every backend of every service is healthy', (service, { snapshot }) => {
    const condition = conditionOf(service, 'BackendsAvailable');
    if (condition?.status !== 'True' || !service.status?.endpoints?.some(({ healthy }) => healthy === false)) return [];
    return [unhealthy(service, snapshot, 'warning', condition.message ?? '')];
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

const remedyFor = (service: DistributedService, reason: string): string =>
  reason === 'NoBackendsFound'
    ? `put the annotation ${group}/group: ${service.metadata.name} on the Pod template of the workload in namespace ${service.metadata.namespace}, and restart it`
    : describeIt(service);

/** Why the first of the backends is not healthy, as the gateway, the kubelet and the Pod itself say it. */
function unhealthy(service: DistributedService, { pods }: Snapshot, level: 'error' | 'warning', message: string): Said {
  const bad = (service.status?.endpoints ?? []).find(({ healthy, reason }) => healthy === false && reason !== undefined);
  const pod = itemsOf(pods).find(({ metadata }) => metadata.namespace === service.metadata.namespace && metadata.name === bad?.name);
  const problem = pod && podProblem(pod);
  const say = (reason: string, text: string, remedy: string): Said => ({ level, reason, object: objectOf(service), message: text, remedy });
  if (problem) return say(problem.reason, `backend ${bad!.name}: ${problem.message}`, problem.remedy ?? describeIt(service));
  const why = bad?.reason ?? '';
  const refused = /refused by the gateway, ([A-Za-z]+)/.exec(why)?.[1];
  if (refused) return say(refused, `backend ${bad!.name} ${why}`, `kubectl -n ${service.metadata.namespace} delete pod ${bad!.name}`);
  if (/port takes no connection|port took no connection|takes no connections/.test(why))
    return notListening(service, pod, level, `backend ${bad!.name}: ${why}`);
  if (/answered|did not answer|no HTTP answer|TLS handshake/.test(why))
    return say('HealthCheckFails', `backend ${bad!.name}: ${why}`, `kubectl -n ${service.metadata.namespace} logs ${bad!.name}`);
  if (pod && !isListening(pod))
    return notListening(service, pod, level, `backend ${pod.metadata.name}: its sidecar waits for the app's port`);
  return say(level === 'error' ? 'BackendsUnhealthy' : 'BackendPartlyDown', message, commandIn(message) ?? describeIt(service));
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
