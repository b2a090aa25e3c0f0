/** Whether what asks for a sidecar gets one: by the injector's own decision, and by what became of the Pods. */
import { annotation, label } from '../../model/names.ts';
import { slipsIn, slipText } from '../../../webhooks/pods/annotation-names.ts';
import { namespaceDefaults } from '../../../webhooks/pods/namespace-defaults.ts';
import { decidePod, type PodContext } from '../../../webhooks/pods/decide.ts';
import { problemsOf } from '../../../webhooks/review/types.ts';
import { misplacedGroup } from '../../../webhooks/workloads/decide.ts';
import type { Check, Said } from '../finding.ts';
import { heldBack, restartOf } from '../held-back.ts';
import { annotate, groupOf, podContexts, templateOf } from '../pod-contexts.ts';
import { podProblem } from '../pod-problem.ts';
import { itemsOf, valueOf } from '../read.ts';
import { templateRemedy } from '../template-remedy.ts';
import { rolledBack, workloadOf } from '../workload-of.ts';
import { few, look, lookAll, named, warning, wrong } from '../say.ts';
import type { Pod, Workload } from '../shapes.ts';
import type { Snapshot } from '../snapshot.ts';

const after = ['namespace', 'crd'];

const isOptedOut = (annotations: Record<string, string> = {}): boolean => annotations[annotation.inject] === 'false';
const hasSidecar = ({ spec }: Pod): boolean =>
  [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(({ name }) => /^frpc(-\d+)?$/.test(name));

const disabledIn = ({ namespaces }: Snapshot): ReadonlySet<string> =>
  new Set(itemsOf(namespaces).flatMap(({ metadata }) => (metadata.labels?.[label.injection] === 'disabled' ? [metadata.name] : [])));

export const injectionChecks: readonly Check[] = [
  {
    id: 'opted-out',
    category: 'injection',
    title: 'no namespace with annotated workloads has injection switched off',
    after,
    run: ({ snapshot }) =>
      lookAll(snapshot.namespaces, snapshot.workloads, (_, workloads) => {
        const disabled = disabledIn(snapshot);
        const found = workloads.filter(
          ({ metadata, spec }) => disabled.has(metadata.namespace ?? '') && groupOf(spec?.template?.metadata?.annotations) !== undefined,
        );
        return few(
          found.map((workload) =>
            warning(
              'NamespaceOptedOut',
              named(workload.kind, workload),
              `it asks for a sidecar, and its namespace has the label ${label.injection}: disabled`,
              `kubectl label namespace ${workload.metadata.namespace} ${label.injection}- && ${restartOf(workload)}`,
            ),
          ),
          'workloads',
        );
      }),
  },
  {
    id: 'templates',
    category: 'injection',
    title: 'the webhooks take every annotated workload as it is',
    after: [...after, 'configuration'],
    // By defaults in place of the installation's configuration the answer would be another one.
    run: ({ snapshot }) =>
      look(snapshot.config, () =>
        lookAll(snapshot.workloads, snapshot.services, (workloads) => {
          const contextOf = podContexts(snapshot);
          const disabled = disabledIn(snapshot);
          const said = workloads
            .filter(
              ({ metadata, spec }) =>
                !disabled.has(metadata.namespace ?? '') && groupOf(spec?.template?.metadata?.annotations) !== undefined,
            )
            .flatMap((workload) => templateSaid(workload, contextOf));
          return few(said, 'workloads');
        }),
      ),
  },
  {
    id: 'misplaced',
    category: 'injection',
    title: 'annotations are on Pod templates, where they have effect',
    after,
    run: ({ snapshot: { workloads } }) =>
      look(workloads, (all) =>
        all.flatMap((workload): Said[] => {
          const message = misplacedGroup(workload, { pod: templateOf(workload), pointer: '/spec/template' });
          const { kind, metadata } = workload;
          if (message === undefined || (valueOf(workloads) ?? []).length === 0) return [];
          const moved = annotate(workload, { [annotation.group]: metadata.annotations?.[annotation.group] ?? null });
          return [warning('AnnotationMisplaced', named(kind, workload), message, moved)];
        }),
      ),
  },
  {
    id: 'unknown-annotations',
    category: 'injection',
    title: 'every annotation that looks like one of frp.io is one',
    after,
    run: ({ snapshot: { workloads } }) => look(workloads, (all) => all.flatMap((workload) => slips(workload))),
  },
  {
    id: 'namespace-annotations',
    category: 'injection',
    title: 'annotations of namespaces have effect',
    after,
    run: ({ snapshot: { namespaces } }) =>
      look(namespaces, (all) =>
        all.flatMap((namespace) =>
          (namespaceDefaults(namespace.metadata.name, namespace.metadata.annotations)?.warnings ?? []).map((text) => {
            const [, message = text, remedy] = /^(.*?)(?:; correct it, or take it off: (kubectl .*))?$/s.exec(text) ?? [];
            return warning('AnnotationIneffective', named('Namespace', namespace), message, remedy);
          }),
        ),
      ),
  },
  {
    id: 'pods-injected',
    category: 'injection',
    title: 'every Pod that asks for a sidecar has one',
    after,
    run: ({ snapshot }) =>
      lookAll(snapshot.pods, snapshot.namespaces, (pods) => {
        const disabled = disabledIn(snapshot);
        const bare = pods.filter((pod) => {
          const { annotations, namespace = '', deletionTimestamp } = pod.metadata;
          const isOver = deletionTimestamp !== undefined || ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');
          return !isOver && !disabled.has(namespace) && groupOf(annotations) !== undefined && !isOptedOut(annotations) && !hasSidecar(pod);
        });
        return few(
          bare.map((pod) =>
            wrong(
              'PodNotInjected',
              named('Pod', pod),
              'it has the annotation frp.io/group and no sidecar',
              `kubectl -n ${pod.metadata.namespace} delete pod ${pod.metadata.name}`,
            ),
          ),
          'Pods',
        );
      }),
  },
  {
    id: 'pods-run',
    category: 'injection',
    title: 'every Pod with a sidecar can run',
    after,
    run: ({ snapshot: { pods, workloads } }) =>
      look(pods, (all) =>
        few(
          all.flatMap((pod) => {
            const problem = podProblem(pod);
            return problem ? { ...problem, remedy: rolledBack(pod, itemsOf(workloads)) ?? problem.remedy } : [];
          }),
          'Pods',
        ),
      ),
  },
  {
    id: 'pods-made',
    category: 'injection',
    title: 'no Pod of an annotated workload is refused',
    after: [...after, 'configuration'],
    run: ({ snapshot }) =>
      look(snapshot.config, () =>
        lookAll(snapshot.events, snapshot.workloads, (_, workloads) => {
          const contextOf = podContexts(snapshot);
          const said = workloads.flatMap((workload): Said[] => {
            if (groupOf(templateOf(workload).metadata?.annotations) === undefined) return [];
            const held = heldBack(workload, snapshot, contextOf(workload.metadata.namespace ?? ''));
            // Scaling to 0 may be meant; a service that has no backend by it says so.
            return !held || held.reason === 'ScaledToZero'
              ? []
              : [wrong(held.reason, named(workload.kind, workload), held.why, held.remedy)];
          });
          return few(said, 'workloads');
        }),
      ),
  },
  {
    id: 'orphaned-pods',
    category: 'injection',
    title: 'no Pod has a sidecar for a service that is gone',
    after,
    run: ({ snapshot }) =>
      lookAll(snapshot.pods, snapshot.services, (pods, services) => {
        const names = new Set(services.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
        const orphans = pods.flatMap((pod): Said[] => {
          const { namespace = '', annotations, deletionTimestamp } = pod.metadata;
          // Of a workload that asks for the service still, it is said of the workload: another Pod would be refused.
          const workload = workloadOf(pod, itemsOf(snapshot.workloads));
          const isAskedFor = workload !== undefined && groupOf(templateOf(workload).metadata?.annotations) === groupOf(annotations);
          if (deletionTimestamp !== undefined || !hasSidecar(pod) || isAskedFor) return [];
          const lost = (groupOf(annotations)?.split(',') ?? [])
            .map((each) => each.trim())
            .filter((each) => !names.has(`${namespace}/${each}`));
          return lost.length === 0
            ? []
            : [
                warning(
                  'OrphanedPod',
                  named('Pod', pod),
                  `it has a sidecar for ${lost.join(', ')}, of which there is no DistributedService`,
                  `kubectl -n ${namespace} delete pod ${pod.metadata.name}`,
                ),
              ];
        });
        return few(orphans, 'Pods');
      }),
  },
];

function templateSaid(workload: Workload, contextOf: (namespace: string) => PodContext): Said[] {
  const { namespace = '' } = workload.metadata;
  const object = named(workload.kind, workload);
  const context = contextOf(namespace);
  const decision = decidePod(templateOf(workload), context);
  const edit = `kubectl -n ${namespace} edit ${workload.kind.toLowerCase()} ${workload.metadata.name}`;
  const denied = problemsOf(decision).map((problem) =>
    wrong(problem.reason, object, `its Pods will be refused: ${problem.message}`, templateRemedy(workload, problem, context)),
  );
  // Of unknown annotations, and of the namespace's, other checks say more.
  const warnings = decision.warnings
    .filter((text) => !text.includes('is not known to frp-k8s') && !text.startsWith(`namespace ${namespace}: `))
    .map((text) => warning('AnnotationIneffective', object, text, edit));
  return [...denied, ...warnings];
}

function slips(workload: Workload): Said[] {
  const annotations = templateOf(workload).metadata?.annotations ?? {};
  return slipsIn(annotations).map((slip): Said => {
    const { key, near } = slip;
    const remedy = annotate(workload, { [key]: null, ...(near === undefined ? {} : { [near]: annotations[key]! }) });
    return warning('AnnotationUnknown', named(workload.kind, workload), slipText(slip), remedy);
  });
}
