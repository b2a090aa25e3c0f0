/** Which faults a run makes: some of each kind, or all of them (FRPK8S_LONG=1), which takes a quarter of an hour. */
import type { Fault, Lane } from './faults.ts';

const some = new Set([
  'a misspelled group',
  'a misspelled annotation',
  'an annotation with another prefix',
  'a Pod template that has opted out',
  'a namespace where injection is switched off',
  'an annotation of the Namespace that is for Pods',
  'credentials that nobody has allowed the use of',
  'passwords that are not there',
  'Pods that are older than their service',
  'another image for the sidecar that there is none of',
  'a Secret of a service that is gone',
  'a NetworkPolicy that lets Pods out to the DNS alone',
  'webhooks that are scaled to 0',
  'a controller that is scaled to 0',
  'a failure policy that lets Pods by',
  'an objectSelector on a webhook',
  'a Service for users without its port for https',
  'mutating webhooks that are gone',
]);

export const isWhole = process.env.FRPK8S_LONG === '1';

export const chosen = (faults: readonly Fault[]): Fault[] => faults.filter(({ fault }) => isWhole || some.has(fault));

/** Lanes without a fault that was chosen are left out. */
export const chosenLanes = (lanes: readonly Lane[]): Lane[] =>
  lanes.map((lane) => ({ ...lane, faults: chosen(lane.faults) })).filter(({ faults }) => faults.length > 0);
