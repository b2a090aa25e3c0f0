/** The life of a service as a table (R2.23, R2.26): which state may follow which, and which one the facts call for. */
import type { DistributedServiceStatus } from '../../model/types.ts';

export type State = NonNullable<DistributedServiceStatus['state']>;

/** Every legal transition. Nothing else is ever written. */
export const transitions: Readonly<Record<State, readonly State[]>> = {
  Pending: ['Provisioning', 'Terminating'],
  Provisioning: ['Running', 'Failed', 'Terminating'],
  Running: ['Updating', 'Degraded', 'Failed', 'Terminating'],
  Updating: ['Running', 'Degraded', 'Failed', 'Terminating'],
  Degraded: ['Running', 'Updating', 'Failed', 'Terminating'],
  Failed: ['Provisioning', 'Running', 'Terminating'],
  Terminating: [],
};

export const isLegal = (from: State, to: State): boolean => transitions[from].includes(to);

/** The next state on the shortest legal way; `from` where it is there already, or where no way leads to it. */
export function stepTowards(from: State, to: State): State {
  const ways = transitions[from].map((first) => [first]);
  const seen = new Set<State>([from]);
  for (const [first = from, last = first] of ways) {
    if (from === to) break;
    if (last === to) return first;
    if (seen.has(last)) continue;
    seen.add(last);
    for (const next of transitions[last]) ways.push([first, next]);
  }
  return from;
}

/** What is known of a service, as far as its state depends on it. */
export interface Eligibility {
  /** its configuration is valid and its certificates are there */
  isUsable: boolean;
  /** they were not when the last state was written */
  wasUnusable?: boolean;
  /** Pods run a configuration that is older than the service */
  isOutdated: boolean;
  /** Pods are still configured for what the service has left, a plain frp server or the gateway */
  isMoving?: boolean;
  /** at an address or a route of it users get nobody, though backends are healthy */
  isPartlyClosed?: boolean;
  /** those that users have, and those that lack an address or all of them; undefined while the frp server cannot be asked */
  backends: { serving: number; failing: number } | undefined;
}

/** The state that the facts call for, given the last one; the way there may have several steps. */
export function targetState(before: State, eligibility: Eligibility): State {
  const { isUsable, wasUnusable, isMoving = false, backends } = eligibility;
  if (before === 'Terminating') return before;
  if (!isUsable) return 'Failed';
  const hasRun = before === 'Running' || before === 'Updating' || before === 'Degraded';
  if (!backends) return hasRun || isStillFailed(before, wasUnusable) ? before : 'Provisioning';
  const { serving, failing } = backends;
  // Nothing has failed: the Pods do not know of the move before they restart.
  if (isMoving && (serving > 0 || hasRun)) return 'Updating';
  if (serving === 0 && failing > 0) return hasRun || before === 'Failed' ? 'Failed' : 'Provisioning';
  if (serving === 0) return hasRun ? 'Degraded' : 'Provisioning';
  return servingState(hasRun, eligibility, failing);
}

/** Of a service that users have. */
function servingState(hasRun: boolean, { isOutdated, isPartlyClosed = false }: Eligibility, failing: number): State {
  if (isOutdated) return 'Updating';
  if (isPartlyClosed) return hasRun ? 'Degraded' : 'Provisioning';
  return failing > 0 ? 'Degraded' : 'Running';
}

/** What cannot be asked takes nothing back. */
const isStillFailed = (before: State, wasUnusable = false): boolean => before === 'Failed' && !wasUnusable;
