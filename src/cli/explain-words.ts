/** What `explain` is asked about. */
import { UserError } from '../errors.ts';

export const kindsOf = {
  pod: 'Pod',
  deployment: 'Deployment',
  statefulset: 'StatefulSet',
  daemonset: 'DaemonSet',
  service: 'DistributedService',
  host: 'Request',
} as const;
export type Word = keyof typeof kindsOf;

export interface Wanted {
  kind: Word;
  name: string;
  /** where it was written before the name: NAMESPACE/NAME */
  namespace?: string;
}

/** As kubectl takes them too. */
const others: Readonly<Record<string, Word>> = {
  pods: 'pod',
  po: 'pod',
  deploy: 'deployment',
  deployments: 'deployment',
  sts: 'statefulset',
  statefulsets: 'statefulset',
  ds: 'daemonset',
  daemonsets: 'daemonset',
  dsvc: 'service',
  distributedservice: 'service',
  distributedservices: 'service',
  services: 'service',
};

/** KIND NAME, KIND/NAME, or with the namespace before the name. @throws UserError @returns undefined where nothing is said and nothing must be */
export function wantedIn(positionals: readonly string[], mayBeAll: boolean): Wanted | undefined {
  if (positionals.length === 0 && mayBeAll) return undefined;
  const [first = '', ...rest] = positionals;
  const slash = first.indexOf('/');
  const [word, name, ...more] = slash > 0 && rest.length === 0 ? [first.slice(0, slash), first.slice(slash + 1)] : [first, ...rest];
  const kind = Object.hasOwn(kindsOf, word ?? '') ? (word as Word) : others[word ?? ''];
  if (kind === undefined || !name || more.length > 0)
    throw new UserError(
      `explain: say what is to be explained: ${Object.keys(kindsOf).join(', ')}, and its name, such as: frp-k8s explain pod web-0`,
    );
  const [namespace = '', own = '', ...deeper] = name.split('/');
  return kind === 'host' || own === '' || deeper.length > 0 ? { kind, name } : { kind, name: own, namespace };
}
