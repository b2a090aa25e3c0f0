/** What the injector decides about a Pod, and why: the webhook's own decision in its own words. */
import { label } from '../model/names.ts';
import { decidePod, type PodContext } from '../../webhooks/pods/decide.ts';
import { problemsOf, type Decision } from '../../webhooks/review/types.ts';
import { bad, good, info, warn, type Line } from './explanation.ts';

/** A namespace whose label keeps the webhook from being asked. */
export const disabledNamespace = (namespace: string): Decision => ({
  outcome: 'skipped',
  reason: 'OptedOut',
  message: `namespace ${namespace} has the label ${label.injection}: disabled`,
  warnings: [],
});

export interface DecisionContext extends PodContext {
  /** the webhook is not asked */
  disabled: boolean;
}

/** @param pod a Pod, or the template of one */
export const decisionOf = (pod: unknown, { disabled, ...context }: DecisionContext): Decision =>
  disabled ? disabledNamespace(context.namespace) : decidePod(pod, context);

/** What the webhook warns of. */
export const noteLines = (warnings: readonly string[]): Line[] =>
  warnings.map((text) => warn(text, text.includes('is not known to frp-k8s') ? 'AnnotationUnknown' : undefined));

/** @param remedyOf what is to be done about a problem here, where its message does not say it */
export function decisionLines(decision: Decision, remedyOf: (reason: string) => string | undefined = () => undefined): Line[] {
  const { outcome, reason, message, warnings } = decision;
  const notes = noteLines(warnings.filter((text) => text !== message));
  switch (outcome) {
    case 'denied':
      return [
        ...problemsOf(decision).map((problem) =>
          bad(`refused, ${problem.reason}: ${problem.message}`, problem.reason, remedyOf(problem.reason)),
        ),
        ...notes,
      ];
    case 'skipped':
      return [info(`skipped, ${reason}: ${message}`), ...notes];
    case 'allowed':
    case 'patched':
      return [good(`${reason}: ${message}`), ...notes];
  }
}
