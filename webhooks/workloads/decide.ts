/**
 * Warnings for workloads: the whole decision about the Pod template, so that a wrong group shows at `kubectl apply`
 * and not as an event on a ReplicaSet. Nothing is refused here.
 */
import { annotation as names } from '../../src/model/names.ts';
import { slipsIn, slipText } from '../pods/annotation-names.ts';
import { decidePod, type PodContext } from '../pods/decide.ts';
import { problemsOf, type Decision } from '../review/types.ts';
import { podTemplateOf } from './templates.ts';

export function decideWorkload(object: unknown, context: PodContext): Decision {
  const template = podTemplateOf(object, context.config.workloadKinds);
  const warnings: string[] = [];
  if (template?.pointer) {
    const annotations = annotationsOf(template.pod);
    const misplaced = misplacedGroup(object, template);
    if (misplaced !== undefined) warnings.push(misplaced);
    if (Object.hasOwn(annotations, names.group)) {
      const decision = decidePod(template.pod, context);
      // One warning each: the API server cuts long ones.
      for (const { message } of problemsOf(decision)) warnings.push(`its Pods will be refused: ${message}`);
      warnings.push(...decision.warnings);
    } else {
      // Without the group, because its own name is the one that is misspelt.
      warnings.push(...slipsIn(annotations).map(slipText));
    }
  }
  return { outcome: 'allowed', reason: warnings.length > 0 ? 'Warned' : 'Fine', message: 'workloads are never refused', warnings };
}

/** What is to be said where the group is on the workload and not on its Pod template. */
export function misplacedGroup(object: unknown, { pod, pointer }: { pod: unknown; pointer: string }): string | undefined {
  if (!Object.hasOwn(annotationsOf(object), names.group) || Object.hasOwn(annotationsOf(pod), names.group)) return undefined;
  return `annotation ${names.group} is on the ${kindOf(object)} itself and has no effect there; put it on its Pod template: ${dotted(pointer)}.metadata.annotations`;
}

const dotted = (pointer: string) => pointer.slice(1).replaceAll('/', '.');
const kindOf = (object: unknown) => String((object as { kind?: unknown }).kind);

function annotationsOf(object: unknown): Record<string, unknown> {
  const annotations = (object as { metadata?: { annotations?: unknown } } | null)?.metadata?.annotations;
  return typeof annotations === 'object' && annotations !== null ? (annotations as Record<string, unknown>) : {};
}
