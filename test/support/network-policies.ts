/** What NetworkPolicies let through between two ends, by the rules of Kubernetes: at whom it comes from, and whom it goes to. */
import { BlockList } from 'node:net';
import { selects } from '../../src/diagnose/policies.ts';

interface Selector {
  matchLabels?: Record<string, string>;
}
interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string };
}
interface Rule {
  ports?: { protocol?: string; port?: number | string; endPort?: number }[];
  from?: Peer[];
  to?: Peer[];
}
export interface Policy {
  metadata: { name: string; namespace: string };
  spec: { podSelector: Selector; policyTypes: ('Ingress' | 'Egress')[]; ingress?: Rule[]; egress?: Rule[] };
}

/** A Pod, or, without a namespace, a process outside of the cluster. */
export interface End {
  namespace?: string;
  /** beside kubernetes.io/metadata.name */
  namespaceLabels?: Record<string, string>;
  labels?: Record<string, string>;
  address?: string;
  /** ports of its containers by name */
  ports?: Record<string, number>;
}

export interface Connection {
  from: End;
  to: End;
  port: number;
  protocol: 'TCP' | 'UDP';
}

/** @returns names of the policies that stop it; none where it passes */
export function stoppedBy(policies: readonly Policy[], { from, to, port, protocol }: Connection): string[] {
  const at = (own: End, direction: 'ingress' | 'egress', peer: End) => {
    const mine = policies.filter(
      ({ metadata, spec }) =>
        metadata.namespace === own.namespace &&
        selects(spec.podSelector, own.labels) &&
        spec.policyTypes.some((type) => type.toLowerCase() === direction),
    );
    const passes = mine.some(({ metadata, spec }) =>
      (spec[direction] ?? []).some(
        (rule) => hasPort(rule, port, protocol, to) && hasPeer(direction === 'ingress' ? rule.from : rule.to, peer, metadata.namespace),
      ),
    );
    return passes ? [] : mine.map(({ metadata }) => `${metadata.namespace}/${metadata.name} (${direction})`);
  };
  return [...at(from, 'egress', to), ...at(to, 'ingress', from)];
}

const hasPort = ({ ports }: Rule, wanted: number, protocol: string, to: End): boolean =>
  ports === undefined ||
  ports.some(({ protocol: own = 'TCP', port, endPort }) => {
    const first = typeof port === 'string' ? to.ports?.[port] : (port ?? 1);
    return own === protocol && first !== undefined && first <= wanted && wanted <= (endPort ?? (port === undefined ? 65_535 : first));
  });

const hasPeer = (peers: Peer[] | undefined, end: End, own: string): boolean =>
  peers === undefined ||
  peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock) return end.address !== undefined && isIn(end.address, ipBlock.cidr);
    if (end.namespace === undefined) return false;
    const isNamespace = namespaceSelector
      ? selects(namespaceSelector, { 'kubernetes.io/metadata.name': end.namespace, ...end.namespaceLabels })
      : end.namespace === own;
    return isNamespace && selects(podSelector, end.labels);
  });

function isIn(address: string, cidr: string): boolean {
  const [network = '', length = '32'] = cidr.split('/');
  const list = new BlockList();
  list.addSubnet(network, Number(length));
  return list.check(address);
}
