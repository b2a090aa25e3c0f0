/** Why no Pod serves a service that has its backends from annotated Pods: the workload that should have made them. */
import { closest } from '../closest.ts';
import { annotation, label } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import { slipsIn } from '../../webhooks/pods/annotation-names.ts';
import { decidePod } from '../../webhooks/pods/decide.ts';
import { problemsOf } from '../../webhooks/review/types.ts';
import type { CheckReason } from '../model/reasons/checks.ts';
import { heldBack, restartOf, wantedOf } from './held-back.ts';
import { annotate, groupOf, podContexts, templateOf } from './pod-contexts.ts';
import { itemsOf } from './read.ts';
import { named, textOf } from './say.ts';
import { templateRemedy } from './template-remedy.ts';
import type { Workload } from './shapes.ts';
import type { Around } from './snapshot.ts';

export interface NoPods {
  reason: CheckReason | (string & {});
  /** a sentence that names the workload */
  message: string;
  remedy: string;
}

/** Whether it has its backends from annotated Pods, and none is there. */
export const isWithoutPods = ({ spec: { backends }, status }: DistributedService): boolean =>
  backends.endpoints === undefined &&
  (backends.discovery?.mode ?? 'auto') === 'auto' &&
  (status?.conditions?.some(({ type, reason }) => type === 'BackendsAvailable' && reason === 'NoBackendsFound') ?? false);

const groupsIn = (workload: Workload): string[] =>
  (groupOf(templateOf(workload).metadata?.annotations) ?? '').split(',').map((group) => group.trim());

/** @returns undefined where no workload of the namespace seems to be meant for it */
export function whyNoPods({ metadata: { namespace = '', name } }: DistributedService, around: Around): NoPods | undefined {
  const workloads = itemsOf(around.workloads).filter(({ metadata }) => metadata.namespace === namespace);
  const own = workloads.find((workload) => groupsIn(workload).includes(name));
  return own ? whyNotThose(own, around) : meantFor(name, workloads, around);
}

const say = (workload: Workload, reason: NoPods['reason'], why: string, remedy: string): NoPods => ({
  reason,
  message: `${textOf(named(workload.kind, workload))}: ${why}`,
  remedy,
});

function whyNotThose(workload: Workload, around: Around): NoPods {
  const { namespace = '', name } = workload.metadata;
  const context = podContexts(around)(namespace);
  const template = templateOf(workload);
  if (itemsOf(around.namespaces).some(({ metadata }) => metadata.name === namespace && metadata.labels?.[label.injection] === 'disabled'))
    return say(
      workload,
      'NamespaceOptedOut',
      `its namespace has the label ${label.injection}: disabled`,
      `kubectl label namespace ${namespace} ${label.injection}- && ${restartOf(workload)}`,
    );
  const held = heldBack(workload, around, context);
  if (held) return say(workload, held.reason, held.why, held.remedy);
  const decision = decidePod(template, context);
  const [problem] = problemsOf(decision);
  if (problem)
    return say(workload, problem.reason, `its Pods will be refused: ${problem.message}`, templateRemedy(workload, problem, context));
  if (decision.reason === 'OptedOut')
    return say(workload, 'OptedOut', decision.message, `${annotate(workload, { [annotation.inject]: null })} && ${restartOf(workload)}`);
  const wanted = wantedOf(workload);
  const why = `it is to have ${wanted} Pod${wanted === 1 ? '' : 's'}, and none has a sidecar that the server knows`;
  return say(workload, 'NoBackendsFound', why, `frp-k8s explain ${workload.kind.toLowerCase()} ${name} -n ${namespace}`);
}

/** Of those that name another service, or none: by a slip in the group, or of the annotation's name or place. */
function meantFor(service: string, workloads: readonly Workload[], around: Around): NoPods | undefined {
  for (const workload of workloads) {
    const annotations = templateOf(workload).metadata?.annotations ?? {};
    const group = groupOf(annotations);
    const { services } = podContexts(around)(workload.metadata.namespace ?? '');
    if (group !== undefined) {
      if (services.get(workload.metadata.namespace ?? '', group) || closest(group, [service]) === undefined) continue;
      return say(workload, 'UnknownGroup', `its group is ${group}`, annotate(workload, { [annotation.group]: service }));
    }
    const slip = slipsIn(annotations).find(({ key, near }) => near === annotation.group && annotations[key] === service);
    if (slip)
      return say(
        workload,
        'AnnotationUnknown',
        `it has ${slip.key}, which is not known; it was probably meant to be ${annotation.group}`,
        annotate(workload, { [slip.key]: null, [annotation.group]: service }),
      );
    if (groupOf(workload.metadata.annotations) === service)
      return say(
        workload,
        'AnnotationMisplaced',
        `${annotation.group} is on itself and not on its Pod template`,
        annotate(workload, { [annotation.group]: service }),
      );
  }
  return undefined;
}
