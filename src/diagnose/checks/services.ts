/** What the status of each service says already, with what an outside look adds to it. */
import { annotation, cleanupFinalizer } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import type { Check, CheckContext, Said } from '../finding.ts';
import { isWithoutPods, whyNoPods } from '../no-pods.ts';
import { secretRemedy } from '../secret-remedy.ts';
import { patching, servingRemedy } from '../service-remedy.ts';
import { itemsOf, valueOf } from '../read.ts';
import { defaultConfig } from '../../config/schema.ts';
import { few, look, warning, wrong } from '../say.ts';
import { patchOf } from '../shell.ts';
import type { Snapshot } from '../snapshot.ts';
import { commandIn, describeIt, objectOf } from '../service-words.ts';
import { unhealthy } from '../unhealthy-backend.ts';

type Condition = NonNullable<NonNullable<DistributedService['status']>['conditions']>[number];

const conditionOf = ({ status }: DistributedService, type: string): Condition | undefined =>
  status?.conditions?.find((each) => each.type === type);

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
  each('configuration-valid', 'every service can be served as it is written', async (service, { probes, snapshot: { config } }) => {
    const condition = conditionOf(service, 'ConfigurationValid');
    if (condition?.status !== 'False') return [];
    const { reason = 'ConfigurationValid', message = '' } = condition;
    const edit = `kubectl -n ${service.metadata.namespace} edit dsvc ${service.metadata.name}`;
    const made = await secretRemedy(service, reason, message, probes);
    const serving = servingRemedy(service, reason, valueOf(config) ?? defaultConfig);
    const remedy = made ?? commandIn(message) ?? serving ?? (reason === 'HostConflict' ? edit : describeIt(service));
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
    const { reason, message = '' } = conditionOf(service, 'BackendsAvailable') ?? {};
    // With no backend at all that is current it is told above.
    if (service.status?.state !== 'Updating' || reason === 'RestartPods' || !/older configuration|still configured/.test(message))
      return [];
    return [warning('PodsOutdated', objectOf(service), message, commandIn(message) ?? describeIt(service))];
  }),
  told('cluster-service', 'every Service in the cluster that a service asks for is there', 'ClusterServiceReady', (service, { reason }) =>
    reason === 'NameTaken' ? patching(service, { expose: { clusterService: { name: `${service.metadata.name}-frp` } } }) : undefined,
  ),
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
          return [stuck(service, since)];
        }),
      ),
  },
];

/** The controller's own finalizer goes by itself; one of somebody else's waits for them. */
function stuck(service: DistributedService, since: number): Said {
  const { namespace, name, finalizers = [] } = service.metadata;
  const at = finalizers.findIndex((each) => each !== cleanupFinalizer);
  const taken = patchOf([{ op: 'remove', path: `/metadata/finalizers/${at}` }]);
  const remedy =
    at < 0 ? 'kubectl -n frp-system logs deployment/frp-controller' : `kubectl -n ${namespace} patch dsvc ${name} --type=json ${taken}`;
  const message = `it was deleted ${Math.round(since / 1000)} s ago, and is held by ${finalizers.join(', ')}`;
  return wrong('DeletionStuck', objectOf(service), message, remedy);
}

/** Where it has its backends from says who should have made one: the condition knows the service alone. */
function noBackends(service: DistributedService, snapshot: Snapshot, message: string): Said {
  const { namespace, name } = service.metadata;
  // What is to be done about hosts, names and selectors is the condition's last clause.
  if (!isWithoutPods(service))
    return wrong('NoBackendsFound', objectOf(service), message, commandIn(message) ?? message.slice(message.lastIndexOf('; ') + 1).trim());
  const why = whyNoPods(service, snapshot);
  if (why) return wrong(why.reason, objectOf(service), `0 backends: ${why.message}`, why.remedy);
  const remedy = `put the annotation ${annotation.group}: ${name} on the Pod template of the workload in namespace ${namespace}, and restart it`;
  return wrong('NoBackendsFound', objectOf(service), `0 backends: no workload of namespace ${namespace} asks for it`, remedy);
}
