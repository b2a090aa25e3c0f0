/** Whether a Pod is for Windows: by what it says of itself, or by the nodes that it asks for. */
import type { CheckedPod, NodeSelectorTerm } from './pod.ts';

const osLabels = ['kubernetes.io/os', 'beta.kubernetes.io/os'];

export function isForWindows({ spec }: CheckedPod): boolean {
  const terms: unknown = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return (
    spec.os?.name === 'windows' ||
    osLabels.some((key) => spec.nodeSelector?.[key] === 'windows') ||
    [spec, ...containers].some(({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true) ||
    // One of the terms is enough for a node.
    (Array.isArray(terms) && terms.length > 0 && terms.every((term: NodeSelectorTerm | null) => isWindowsOnly(term)))
  );
}

const isWindowsOnly = (term: NodeSelectorTerm | null): boolean => {
  const expressions: unknown = term?.matchExpressions;
  return (
    Array.isArray(expressions) &&
    expressions
      .filter((expression) => typeof expression === 'object' && expression !== null)
      .some(
        ({ key, operator, values }: NonNullable<NodeSelectorTerm['matchExpressions']>[number]) =>
          osLabels.includes(key ?? '') &&
          operator === 'In' &&
          Array.isArray(values) &&
          values.length > 0 &&
          values.every((value) => value === 'windows'),
      )
  );
};
