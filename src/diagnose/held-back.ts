/** Why a workload that asks for a sidecar makes no Pods: what was answered when it tried, and whether it still would be. */
import { decidePod, type PodContext } from '../../webhooks/pods/decide.ts';
import type { CheckReason } from '../model/reasons/checks.ts';
import { quantityValue } from '../frp/units.ts';
import { itemsOf } from './read.ts';
import type { KubeEvent, Quota, Workload } from './shapes.ts';
import type { Around } from './snapshot.ts';

/** What is in the way; `why` goes on where the workload has been named: `its Pods are not made: …`. */
export interface HeldBack {
  reason: CheckReason;
  why: string;
  remedy: string;
}

/** Of a DaemonSet as many as there are nodes for it. */
export const wantedOf = ({ kind, spec, status }: Workload): number =>
  kind === 'DaemonSet' ? (status?.desiredNumberScheduled ?? 0) : (spec?.replicas ?? 1);
export const readyOf = ({ kind, status }: Workload): number => (kind === 'DaemonSet' ? status?.numberReady : status?.readyReplicas) ?? 0;
const madeOf = ({ kind, status }: Workload): number =>
  (kind === 'DaemonSet' ? status?.currentNumberScheduled : (status?.replicas ?? status?.readyReplicas)) ?? 0;

const about = ({ kind, metadata: { namespace, name } }: Workload, verb: string, more = '') =>
  `kubectl -n ${namespace} ${verb} ${kind.toLowerCase()}/${name}${more}`;
export const restartOf = (workload: Workload): string => about(workload, 'rollout restart');

/** @param context what the webhooks know @returns undefined where its Pods are there, or will be */
export function heldBack(workload: Workload, around: Around, context: PodContext): HeldBack | undefined {
  if (wantedOf(workload) === 0 && workload.kind !== 'DaemonSet')
    return { reason: 'ScaledToZero', why: 'it is scaled to 0', remedy: about(workload, 'scale', ' --replicas=1') };
  const answer = answered(workload, itemsOf(around.events));
  if (answer === undefined) return undefined;
  // What the webhooks say now is said of the template.
  if (decidePod(workload.spec?.template ?? {}, context).outcome === 'denied') return undefined;
  const why = `its Pods are not made: ${answer}`;
  const [, quota] = /(?:exceeded|failed) quota: ([a-z0-9.-]{1,253})/.exec(answer) ?? [];
  if (quota !== undefined && isThere(quota, around, workload))
    return { reason: 'QuotaExceeded', why, remedy: quotaRemedy(workload, quota, answer) };
  const isOver = quota !== undefined || /admission webhook "[^"]*\.frp\.io" denied/.test(answer);
  if (isOver)
    return {
      reason: 'PodsHeldBack',
      why: `its Pods were refused, and would not be now; it waits for up to a quarter of an hour before it tries again. Refused was: ${answer}`,
      remedy: restartOf(workload),
    };
  if (/failed calling webhook "[^"]*frp\.io"/.test(answer))
    return { reason: 'WebhookUnreachable', why, remedy: `kubectl -n ${around.installation.name} get pods -l app=frp-webhook` };
  return { reason: 'PodRejected', why, remedy: about(workload, 'describe') };
}

/** What the API server said when the last Pod was to be made: of a Deployment its condition, which lasts; of others an Event. */
function answered(workload: Workload, events: readonly KubeEvent[]): string | undefined {
  const { kind, metadata, status } = workload;
  const failure = status?.conditions?.find(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True');
  if (failure) return failure.message ?? failure.reason ?? '';
  if (madeOf(workload) >= wantedOf(workload)) return undefined;
  return events.findLast(({ reason, involvedObject: { namespace, name = '', kind: of } }) => {
    if (reason !== 'FailedCreate' || namespace !== metadata.namespace) return false;
    if (of !== 'ReplicaSet') return of === kind && name === metadata.name;
    return kind === 'Deployment' && name.slice(0, name.lastIndexOf('-')) === metadata.name;
  })?.message;
}

const isThere = (name: string, { quotas }: Around, { metadata: { namespace } }: Workload): boolean =>
  !('ok' in quotas) || quotas.ok.some(({ metadata }) => metadata.name === name && metadata.namespace === namespace);

/** Empty where one of the two is not there. */
function between(text: string, start: string, end: string): string {
  const [at, from] = [text.indexOf(start), text.indexOf(start) + start.length];
  const to = text.indexOf(end, from);
  return at < 0 || to < 0 ? '' : text.slice(from, to);
}

/** Raises the quota by what the missing Pods ask for, and one more for a rollout; a quota on what is not named cannot be met so. */
function quotaRemedy(workload: Workload, quota: string, answer: string): string {
  const { namespace } = workload.metadata;
  const describe = `kubectl -n ${namespace} describe resourcequota ${quota}`;
  const requested = between(answer, 'requested: ', ', used: ');
  const used = between(answer, ', used: ', ', limited: ');
  const has = new Map(pairs(used));
  const missing = Math.max(1, wantedOf(workload) - readyOf(workload)) + 1;
  const hard = pairs(requested).map(([key, asked]) => {
    const value = (quantityValue(has.get(key) ?? '0') ?? NaN) + (quantityValue(asked) ?? NaN) * missing;
    return [key, /cpu$/.test(key) ? `${Math.ceil(value * 1000)}m` : String(Math.ceil(value))] as const;
  });
  if (hard.length === 0 || hard.some(([, value]) => value.startsWith('NaN'))) return describe;
  const patch = JSON.stringify({ spec: { hard: Object.fromEntries(hard) } } satisfies { spec: NonNullable<Quota['spec']> });
  return `kubectl -n ${namespace} patch resourcequota ${quota} --type=merge -p '${patch}' && ${restartOf(workload)}`;
}

/** `pods=1,requests.cpu=10m` */
const pairs = (text: string): [string, string][] =>
  text.split(',').flatMap((each): [string, string][] => {
    const at = each.indexOf('=');
    return at > 0 ? [[each.slice(0, at), each.slice(at + 1)]] : [];
  });
