/** Label selectors, as k8s.io/apimachinery/pkg/apis/meta/v1 evaluates them. */
import type { DistributedServiceSpec } from '../../src/model/types.ts';

type LabelSelector = NonNullable<NonNullable<DistributedServiceSpec['backends']['discovery']>['selector']>;

const labelOf = (labels: Record<string, string>, key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);

/** An empty selector matches nothing here: it would take in every Pod of the namespace. */
export function selects(selector: LabelSelector, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  if (Object.keys(matchLabels).length + matchExpressions.length === 0) return false;
  return (
    Object.entries(matchLabels).every(([key, value]) => labelOf(labels, key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labelOf(labels, key);
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
      }
    })
  );
}
