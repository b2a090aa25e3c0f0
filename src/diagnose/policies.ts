/** What NetworkPolicies let through, as far as it follows from the objects alone. */
import type { NetworkPolicy, PolicyPort, Selector } from './shapes.ts';

/** Whether a policy is for Pods with these labels. */
export function selects({ matchLabels = {}, matchExpressions = [] }: Selector = {}, labels: Record<string, string> = {}): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const has = Object.hasOwn(labels, key);
      if (operator === 'In') return has && values.includes(labels[key]!);
      if (operator === 'NotIn') return !has || !values.includes(labels[key]!);
      return operator === 'Exists' ? has : !has;
    })
  );
}

/**
 * The policies that keep Pods from a port, or the port from everybody. To whom a rule allows it is not looked at: one that
 * allows it to anybody may be meant for this.
 * @returns none where a policy allows it, or none is for these Pods
 */
export function blocking(
  policies: readonly NetworkPolicy[],
  pod: { namespace: string; labels: Record<string, string> | undefined },
  direction: 'ingress' | 'egress',
  protocol: 'TCP' | 'UDP',
  port: number,
): readonly NetworkPolicy[] {
  const mine = policies.filter(
    ({ metadata, spec }) => metadata.namespace === pod.namespace && selects(spec?.podSelector, pod.labels) && isFor(spec, direction),
  );
  const rules = mine.flatMap(({ spec }) => spec?.[direction] ?? []);
  return rules.some(({ ports }) => allows(ports, protocol, port)) ? [] : mine;
}

/** Without types a policy is for ingress, and for egress where it has rules of it. */
const isFor = (spec: NetworkPolicy['spec'], direction: 'ingress' | 'egress'): boolean =>
  (spec?.policyTypes ?? ['Ingress', ...(spec?.egress ? ['Egress'] : [])]).some((type) => type.toLowerCase() === direction);

const allows = (ports: readonly PolicyPort[] | undefined, protocol: string, port: number): boolean =>
  ports === undefined ||
  ports.length === 0 ||
  ports.some((each) => {
    if ((each.protocol ?? 'TCP') !== protocol) return false;
    // A name may be any port.
    if (each.port === undefined || typeof each.port === 'string') return true;
    return each.endPort === undefined ? each.port === port : each.port <= port && port <= each.endPort;
  });
