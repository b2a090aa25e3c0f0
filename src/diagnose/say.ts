/** Ways to say what a check found, and what it could not look at. */
import type { CheckReason } from '../model/reasons/checks.ts';
import type { KubeObject } from '../kube/types.ts';
import type { ObjectName, Said } from './finding.ts';
import type { Snapshot } from './snapshot.ts';
import { itemsOf, unread, valueOf, type Read } from './read.ts';

type Reason = CheckReason | (string & {});
type About = ObjectName | undefined;

export const wrong = (reason: Reason, object: About, message: string, remedy?: string): Said => ({
  level: 'error',
  reason,
  object,
  message,
  remedy,
});
export const warning = (reason: Reason, object: About, message: string, remedy?: string): Said => ({
  ...wrong(reason, object, message, remedy),
  level: 'warning',
});
export const unknown = (message: string): Said => ({ level: 'unknown', reason: 'NotReadable', message });

export const named = (kind: string, { metadata: { namespace, name } }: KubeObject): ObjectName => ({
  kind,
  name,
  ...(namespace && { namespace }),
});

/** `Deployment frp-system/frp-webhook` */
export const textOf = ({ kind, namespace, name }: ObjectName): string =>
  `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;

/**
 * Looks at what was read.
 * @param absent what is said where it is not there; default: nothing
 */
export function look<T>(answer: Read<T>, say: (value: T) => readonly Said[], absent: () => readonly Said[] = () => []): readonly Said[] {
  if ('ok' in answer) return say(answer.ok);
  return 'absent' in answer ? absent() : [unknown(unread(answer)!)];
}

/** Several that a check rests on: the first that could not be read speaks for all. */
export function lookAll<A, B>(a: Read<A>, b: Read<B>, say: (a: A, b: B) => readonly Said[]): readonly Said[] {
  return look(a, (first) => look(b, (second) => say(first, second)));
}

const most = 5;
/** Of many alike the first are named, and the others counted. */
export function few(all: readonly Said[], what: string): readonly Said[] {
  if (all.length <= most) return all;
  const first = all[0]!;
  return [
    ...all.slice(0, most),
    { ...first, object: undefined, remedy: undefined, message: `${all.length - most} more ${what}, of which the first are named above` },
  ];
}

type Part = 'install' | 'gateway' | 'frps' | 'crd';

/** Values that have the chart make a part. */
const values: Readonly<Partial<Record<Part, string>>> = { gateway: ' --set gateway.enabled=true', frps: ' --set frpServer.enabled=true' };

/** Applies a part again, in the way that it was installed: Helm writes the release on all that it makes. */
export function applying({ installation }: Pick<Snapshot, 'installation'>, part: Part): string {
  const annotations = itemsOf(installation.workloads).map(
    ({ metadata }) => (metadata.annotations ?? {}) as Record<string, string | undefined>,
  );
  const release = annotations.find((each) => each['meta.helm.sh/release-name'] !== undefined);
  if (release === undefined) return part === 'crd' ? 'kubectl apply --server-side -k manifests/crd' : `kubectl apply -k manifests/${part}`;
  const namespace = release['meta.helm.sh/release-namespace'] ?? installation.name;
  return `helm upgrade ${release['meta.helm.sh/release-name']} charts/frp-k8s --namespace ${namespace} --reuse-values${values[part] ?? ''}`;
}

/** With the gateway its manifests have those of the installation, and their configuration. */
export const applyAll = (snapshot: Pick<Snapshot, 'installation' | 'gateway'>): string =>
  applying(snapshot, 'ok' in snapshot.gateway.namespace ? 'gateway' : 'install');

/**
 * What corrects the configuration: where it was edited after it had been applied, to apply it again; otherwise the fault is in
 * what is applied, and only an editor helps.
 */
export function correcting(snapshot: Pick<Snapshot, 'installation' | 'gateway' | 'configMap'>): string {
  const map = valueOf(snapshot.configMap);
  const { installation } = snapshot;
  const applied = map?.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'];
  if (applied !== undefined && dataIn(applied) !== map?.data?.['config.yaml']) return applyAll(snapshot);
  return `kubectl -n ${installation.name} edit configmap ${map?.metadata.name ?? 'frp-k8s-config'}`;
}

function dataIn(applied: string): string | undefined {
  try {
    return (JSON.parse(applied) as { data?: Record<string, string> }).data?.['config.yaml'];
  } catch {
    return undefined;
  }
}

/** Lets Pods out to a port, or everybody in: policies add up, so one more is enough, and the one in the way stays as it is. */
export function allowingPolicy(
  namespace: string,
  podSelector: object,
  direction: 'Ingress' | 'Egress',
  ports: readonly { protocol: string; port: number }[],
): string {
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: `frp-k8s-${direction.toLowerCase()}-${ports.map(({ port }) => port).join('-')}`, namespace },
    spec: { podSelector, policyTypes: [direction], [direction.toLowerCase()]: [{ ports }] },
  };
  return `echo '${JSON.stringify(policy)}' | kubectl apply -f -`;
}
