/**
 * Which services HAProxy takes. A configuration that it refuses is rendered again without those that make it so; each of
 * them is told why, and is tried again when it changes, or after a while.
 */
import { createHash } from 'node:crypto';
import type { ServedService, View } from '../../ir/ir.ts';
import type { Rendered } from '../config/rendered.ts';
import { configFile } from '../config/global.ts';
import type { Alert, Check } from './check.ts';
import { findCulprits } from './culprits.ts';
import { serviceId } from '../config/names.ts';
import { isSame, type Files, type Generations } from './generations.ts';
import { changedServices, keyOf } from './held-back.ts';

export interface Refusal {
  /** namespace/name */
  service: string;
  message: string;
}

export type Render = (view: View) => Rendered | Promise<Rendered>;

/** A service that is left out. */
interface LeftOut {
  message: string;
  /** of the service as it was refused; undefined where it was not looked at yet */
  version: string | undefined;
  /** milliseconds: when it is tried again although it has not changed */
  until: number;
}

const limits = { checks: 60, ms: 45_000 };
/** What made it refused may have been another service. */
const againMs = 300_000;
/** A port that somebody else has may be free soon; what was not looked at is next. */
const soonMs = 10_000;

export interface AcceptanceOptions {
  generations: Generations;
  check: Check;
  /** ports of these that HAProxy could not open */
  unusable: (ports: readonly number[]) => Promise<ReadonlySet<number>>;
  onUnchecked: (reason: string) => void;
  now?: () => number;
}

/** A configuration that HAProxy takes, of as much of a view as it takes. */
export interface Accepted {
  view: View;
  rendered: Rendered;
}

export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #now: () => number;
  readonly #leftOut = new Map<string, LeftOut>();
  /** the last view that HAProxy took */
  #good: View | undefined;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Services that are left out now, and why. */
  get refusals(): Refusal[] {
    return [...this.#leftOut].map(([service, { message }]) => ({ service, message })).sort((a, b) => (a.service < b.service ? -1 : 1));
  }

  /** Milliseconds until something that is left out is tried again; undefined where nothing is. */
  get waitMs(): number | undefined {
    const times = [...this.#leftOut.values()].map(({ until }) => until - this.#now());
    return times.length === 0 ? undefined : Math.max(0, Math.min(...times));
  }

  /** The view without what is known to be refused. */
  without(view: View): View {
    const present = new Map(view.services.map((each) => [keyOf(each), each]));
    for (const [key, { version, until }] of this.#leftOut) {
      const is = present.get(key);
      if (!is || until <= this.#now() || (version !== undefined && version !== versionOf(is))) this.#leftOut.delete(key);
    }
    return this.#leftOut.size === 0 ? view : { services: view.services.filter((each) => !this.#leftOut.has(keyOf(each))) };
  }

  /** HAProxy did not start with these although the check had nothing against them. */
  refuse(services: Iterable<ServedService>, message: string): void {
    for (const each of services) this.#leaveOut(each, message, againMs);
  }

  /**
   * Writes a configuration that HAProxy takes beside the one in use (Generations.commit puts it in place), with as much of
   * the view as it takes.
   * @throws Error where HAProxy takes none, not even one without services
   */
  async stage(view: View, render: Render): Promise<Accepted> {
    view = await this.#openable(this.without(view));
    const rendered = await render(view);
    const alerts = await this.#refusal(rendered);
    if (alerts) return this.#stageWithout(view, render, { rendered, alerts });
    this.#good = view;
    return { view, rendered };
  }

  async #stageWithout(view: View, render: Render, first: { rendered: Rendered; alerts: readonly Alert[] }): Promise<Accepted> {
    const services = new Map(view.services.map((each) => [keyOf(each), each]));
    const part = (keys: readonly string[]): View => {
      const wanted = new Set(keys);
      return { services: view.services.filter((each) => wanted.has(keyOf(each))) };
    };
    const base = await this.#refusal(await render(part([])));
    if (base) throw new Error(`HAProxy refuses the configuration even without services: ${sentence(base)}`);
    // What has been good together until now is trusted more than what is new.
    const fresh = new Set(this.#good ? changedServices(this.#good, view) : []);
    const keys = [...services.keys()];
    let checks = 0;
    const end = this.#now() + limits.ms;
    const { culprits, undecided } = await findCulprits({
      keys: [...keys.filter((key) => !fresh.has(key)), ...keys.filter((key) => fresh.has(key))],
      suspects: new Set([...fresh, ...named(first.rendered.config, first.alerts, [...services.values()])]),
      refusal: async (asked) => {
        checks++;
        return this.#refusal(await render(part(asked)));
      },
      isOver: () => checks >= limits.checks || this.#now() > end,
    });
    for (const [key, alerts] of culprits) this.#leaveOut(services.get(key)!, sentence(alerts), againMs);
    for (const key of undecided)
      this.#leaveOut(services.get(key)!, 'HAProxy refuses the configuration, and whether it is for this service is not known yet', soonMs);
    const accepted = this.without(view);
    const rendered = await render(accepted);
    const alerts = await this.#refusal(rendered);
    if (alerts) throw new Error(`HAProxy refuses the configuration: ${sentence(alerts)}`);
    this.#good = accepted;
    return { view: accepted, rendered };
  }

  /** The view without services whose port HAProxy could not open: the check does not try that, and a process that cannot does not start. */
  async #openable(view: View): Promise<View> {
    const ports = new Map<number, ServedService[]>();
    for (const each of view.services)
      for (const exposure of each.exposures)
        if (exposure.kind === 'tcp') ports.set(exposure.port, [...(ports.get(exposure.port) ?? []), each]);
    if (ports.size === 0) return view;
    const unusable = await this.#options.unusable([...ports.keys()]);
    for (const port of unusable)
      for (const each of ports.get(port) ?? [])
        this.#leaveOut(each, `port ${port} cannot be opened at the gateway: something else has it`, soonMs);
    return unusable.size === 0 ? view : this.without(view);
  }

  #leaveOut(service: ServedService, message: string, ms: number): void {
    this.#leftOut.set(keyOf(service), { message, version: versionOf(service), until: this.#now() + ms });
  }

  /** Stages it. @returns why HAProxy refuses it; undefined where it takes it */
  async #refusal(rendered: Rendered): Promise<readonly Alert[] | undefined> {
    const { generations, check, onUnchecked } = this.#options;
    const files = filesOf(rendered);
    if (isSame(await generations.current(), files)) {
      await generations.discard();
      return undefined;
    }
    const path = await generations.stage(files);
    const verdict = await check(path);
    if (verdict.kind === 'unknown') onUnchecked(verdict.reason);
    return verdict.kind === 'refused' ? verdict.alerts : undefined;
  }
}

export const filesOf = ({ files, config }: Pick<Rendered, 'files' | 'config'>): Files => new Map([...files, [configFile, config]]);

const versionOf = (service: ServedService): string => createHash('sha256').update(JSON.stringify(service)).digest('base64');

/** At most three of the things that are wrong. */
const sentence = (alerts: readonly Alert[]): string =>
  `HAProxy says: ${[...new Set(alerts.map(({ text }) => text))].slice(0, 3).join('; ')}`;

/** Services that HAProxy's alerts point to, by the lines and the sections that they name. */
function named(config: string, alerts: readonly Alert[], services: readonly ServedService[]): Set<string> {
  const keys = new Map(services.map((each) => [serviceId(keyOf(each)), keyOf(each)]));
  const lines = config.split('\n');
  const found = new Set<string>();
  for (const { line, text } of alerts) {
    let at = (line ?? 0) - 1;
    const texts = [text, lines[at] ?? ''];
    while (at >= 0 && !/^[a-z]/.test(lines[at] ?? '')) at--;
    texts.push(lines[at] ?? '');
    for (const [id] of texts.join(' ').matchAll(/[0-9a-f]{16}/g)) {
      const key = keys.get(id);
      if (key !== undefined) found.add(key);
    }
  }
  return found;
}
