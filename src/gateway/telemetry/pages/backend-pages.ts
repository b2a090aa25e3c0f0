/**
 * Asks backends for their pages (spec.metrics), each every 15 s, a few at a time and of one service two: who is slow waits for
 * itself. Who does not answer as it should is asked ever more seldom.
 */
import { checkHost } from '../../../model/health-check.ts';
import { metricsPageOf, type MetricsPage } from '../../../model/metrics-page.ts';
import { FairLimit } from '../../../net/fair-limit.ts';
import { backendOf } from '../../haproxy/index.ts';
import type { View } from '../../ir/ir.ts';
import { ownerKey } from '../../ir/service-key.ts';
import { otherBackend, type BackendLabels } from '../backend-series.ts';
import { fetchPage, PageError, type Outcome, type PageRequest } from './fetch-page.ts';
import { toldIn, type Told } from './model-families.ts';
import { loadedIn } from './ollama.ts';

/** Backends that are asked; of more services than one they have turns. */
export const mostPages = 100;
const atATime = { all: 8, ofService: 2 };
/** Milliseconds. */
const pauses = { round: 500, page: 15_000, longest: 300_000 };

interface Target extends PageRequest, Pick<MetricsPage, 'format'> {
  /** namespace/name of the service */
  owner: string;
  labels: BackendLabels;
}

interface Asked {
  target: Target;
  /** milliseconds, of performance.now() */
  due: number;
  isAsking: boolean;
  failures: number;
  outcome: Outcome | undefined;
  told: Told | undefined;
}

export interface Page {
  owner: string;
  labels: BackendLabels;
  /** undefined: it was not asked yet */
  outcome: Outcome | undefined;
  /** undefined where it could not be read when it was asked last */
  told: Told | undefined;
}

export interface BackendPagesOptions {
  /** labels of a server (backend/server), which several servers of one backend share */
  labelsOf: (server: string) => BackendLabels | undefined;
  /** is told what came of each time */
  count: (outcome: Outcome) => void;
  pauses?: typeof pauses;
}

export class BackendPages {
  readonly #options: BackendPagesOptions;
  readonly #pauses: typeof pauses;
  readonly #limit = new FairLimit(atATime.all, atATime.ofService);
  readonly #end = new AbortController();
  #asked = new Map<BackendLabels, Asked>();
  #timer: NodeJS.Timeout | undefined;
  #skipped = 0;

  constructor(options: BackendPagesOptions) {
    this.#options = options;
    this.#pauses = options.pauses ?? pauses;
  }

  /** Those that are asked now. */
  *all(): Iterable<Page> {
    for (const { target, outcome, told } of this.#asked.values()) yield { owner: target.owner, labels: target.labels, outcome, told };
  }

  /** Backends whose service has `spec.metrics`, and that are not asked: they are too many. */
  get skipped(): number {
    return this.#skipped;
  }

  setView(view: View): void {
    const wanted = targetsOf(view, this.#options.labelsOf);
    const chosen = turns(wanted, mostPages);
    this.#skipped = [...wanted.values()].reduce((sum, targets) => sum + targets.length, 0) - chosen.length;
    this.#asked = new Map(
      chosen.map((target) => {
        const before = this.#asked.get(target.labels);
        return [target.labels, before && isSame(before.target, target) ? before : newAsked(target)];
      }),
    );
    if (chosen.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else this.#timer ??= setInterval(() => this.#round(), this.#pauses.round);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#end.abort();
    this.#asked.clear();
  }

  #round(): void {
    const now = performance.now();
    for (const asked of this.#asked.values()) {
      if (asked.isAsking || asked.due > now) continue;
      asked.isAsking = true;
      void this.#limit.run(asked.target.owner, () => this.#ask(asked));
    }
  }

  async #ask(asked: Asked): Promise<void> {
    const { target } = asked;
    // It may have gone while it waited for its turn, and its port be another's.
    if (this.#asked.get(target.labels) !== asked) return;
    try {
      const text = await fetchPage(target, this.#end.signal);
      asked.told = read(target.format, text);
      asked.outcome = 'read';
      asked.failures = 0;
    } catch (error) {
      asked.told = undefined;
      asked.outcome = (error as PageError).outcome;
      asked.failures++;
    }
    if (this.#end.signal.aborted) return;
    this.#options.count(asked.outcome);
    asked.due = performance.now() + Math.min(this.#pauses.longest, this.#pauses.page * 2 ** Math.min(asked.failures, 10));
    asked.isAsking = false;
  }
}

function read(format: Target['format'], text: string): Told {
  try {
    return format === 'ollama' ? loadedIn(text) : toldIn(text);
  } catch {
    throw new PageError('not_understood');
  }
}

const newAsked = (target: Target): Asked => ({ target, due: 0, isAsking: false, failures: 0, outcome: undefined, told: undefined });

const isSame = (a: Target, b: Target): boolean => a.port === b.port && a.path === b.path && a.host === b.host && a.format === b.format;

/** By service; of the servers of one backend the first. Backends without series of their own are not asked. */
function targetsOf({ services }: View, labelsOf: BackendPagesOptions['labelsOf']): Map<string, Target[]> {
  const targets = new Map<string, Target[]>();
  for (const { service, exposures, backends } of services) {
    const page = metricsPageOf(service.spec);
    if (!page) continue;
    const owner = ownerKey(service);
    const host = checkHost(service.spec, exposures);
    const found = new Map<BackendLabels, Target>();
    for (const { name, port } of backends) {
      const labels = labelsOf(`${backendOf(service)}/${name}`);
      if (labels && labels.backend !== otherBackend && !found.has(labels)) found.set(labels, { owner, labels, host, port, ...page });
    }
    targets.set(owner, [...found.values()]);
  }
  return targets;
}

/** So many of all, one of each in turn. */
function turns<T>(lists: ReadonlyMap<string, readonly T[]>, most: number): T[] {
  const chosen: T[] = [];
  for (let at = 0; chosen.length < most; at++) {
    const row = [...lists.values()].flatMap((list) => list.slice(at, at + 1));
    if (row.length === 0) break;
    chosen.push(...row.slice(0, most - chosen.length));
  }
  return chosen;
}
