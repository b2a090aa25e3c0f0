/** What a check finds, and what a check is. */
import type { CheckReason } from '../model/reasons/checks.ts';
import type { Snapshot } from './snapshot.ts';
import type { Probes } from './probes.ts';

export const categories = [
  'cluster',
  'installation',
  'certificates',
  'webhooks',
  'injection',
  'services',
  'tunnels',
  'gateways and links',
  'observability',
] as const;
export type Category = (typeof categories)[number];

/** unknown: it could not be looked at, and why is said */
export type Level = 'ok' | 'warning' | 'error' | 'unknown';

export interface ObjectName {
  kind: string;
  namespace?: string | undefined;
  name: string;
}

export interface Finding {
  category: Category;
  /** id of the check */
  check: string;
  level: Level;
  /** one of the catalogue (src/model/reasons), or as a condition or an Event has it */
  reason: string;
  object?: ObjectName | undefined;
  /** a sentence for people */
  message: string;
  /** a command that can be run as printed, or a sentence */
  remedy?: string | undefined;
}

/** What a check says; category and id are added by whoever runs it. A reason of its own has an entry in the catalogue. */
export type Said = Omit<Finding, 'category' | 'check' | 'reason'> & { reason: CheckReason | (string & {}) };

export interface CheckContext {
  snapshot: Snapshot;
  /** what is tried out, beyond what was read; absent: nothing may be tried */
  probes?: Probes | undefined;
  /** told of what went well, where that has figures */
  told?: (text: string) => void;
}

export interface Check {
  id: string;
  category: Category;
  /** what holds where nothing is found: `the webhooks are ready` */
  title: string;
  /** whether it can be asked before anything is installed (--pre) */
  isPre?: true;
  /** whether it is asked then alone */
  isPreOnly?: true;
  /** whether it sends requests to the apps of users: --traffic */
  isTraffic?: true;
  /** ids of checks of which none may have found an error: otherwise there is nothing to be looked at here */
  after?: readonly string[];
  /** whether there is anything here that it could look at; default: yes. Otherwise it is neither asked nor told */
  applies?: (snapshot: Snapshot) => boolean;
  /** @returns nothing where all is well; the runner then says the title */
  run(context: CheckContext): readonly Said[] | Promise<readonly Said[]>;
}
