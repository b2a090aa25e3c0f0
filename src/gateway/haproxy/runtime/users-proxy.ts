/**
 * Brings the users' HAProxy to a view, by runtime calls where they suffice, else by a reload that loses nothing. One call
 * does what can be done now; when to call again is what it answers, and ApplyLoop's business.
 *
 * absent:    HAProxy does not answer. What it will start with is on disk, checked.
 * running:   it has a configuration, and takes runtime calls.
 * reloading: the master has been asked for a process with the configuration on disk.
 * refused:   no process started with it although its check passed; the one before serves on, and is on disk again.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../../log.ts';
import type { View } from '../../ir/ir.ts';
import { processSize } from '../config/capacity.ts';
import { configFile, masterSocket, stateFile, workerSocket } from '../config/global.ts';
import type { Rendered } from '../config/rendered.ts';
import { Acceptance, filesOf, type Refusal, type Render } from './acceptance.ts';
import { change, type Known } from './changes.ts';
import type { Check } from './check.ts';
import { CliError, runCommand } from './cli.ts';
import { Generations, isSame } from './generations.ts';
import { changedServices, heldBack, keyOf, namespaceOf } from './held-back.ts';
import { oldProcesses, reloadMaster } from './master.ts';
import { OldProcesses, type MemoryBudget } from './old-processes.ts';
import { canSync, syncMs } from './peer-sync.ts';
import { portsIn, portsOf, portsOnDisk, ReachedPorts } from './reached-ports.ts';
import { ReloadBudget, usersBudget, type BudgetLimits } from './reload-budget.ts';
import { identify, parseStates, readRunning } from './running.ts';
import { stateFileText } from './state-file.ts';
import { parseStats, showStats, type ServerStats, type Stats } from './stats.ts';
import { endWaiting } from './waiting-requests.ts';

export type { ServerStats, Stats } from './stats.ts';

export interface UsersProxyOptions {
  /** of the configurations and sockets */
  directory: string;
  check: Check;
  /** ports of these that HAProxy could not open; those that it has are not among them */
  unusable?: (ports: readonly number[]) => Promise<ReadonlySet<number>>;
  budget?: BudgetLimits;
  memory?: MemoryBudget | undefined;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** called when HAProxy is another process than it was, or something is left to be done */
  changed: () => void;
  /** milliseconds between two looks at whether HAProxy is still the same process; default 500 */
  pollMs?: number;
}

export interface Wanted {
  view: View;
  render: Render;
}

export interface Applied {
  /** milliseconds after which there is more to do; undefined: all is done */
  waitMs: number | undefined;
}

type State =
  | { name: 'absent' }
  | { name: 'running'; pid: string; known: Known | undefined }
  | { name: 'reloading'; pid: string }
  | { name: 'refused'; pid: string; known: Known | undefined };

/**
 * What writing and checking the whole took is waited for so many times before the next: changes without end then take a
 * fifth of a CPU for it, whatever the number of services. HAProxy may crash in the meantime, and start with what is older.
 */
const pausesPerPersist = 4;
/** Milliseconds from one reload for a refused call to the next: what a reload does not mend is tried again without. */
const repairPauseMs = 60_000;

export class UsersProxy {
  readonly #options: UsersProxyOptions;
  readonly #worker: string;
  readonly #timer: NodeJS.Timeout;
  readonly #generations: Generations;
  readonly #acceptance: Acceptance;
  readonly #budget: ReloadBudget;
  /** processes from before reloads that still have connections */
  readonly old: OldProcesses;
  readonly #reached = new ReachedPorts();
  #state: State = { name: 'absent' };
  /** what HAProxy has, or will start with */
  #has: { view: View; ports: readonly number[] } | undefined;
  /** ports of servers in the configuration that it starts with; undefined: to be read there */
  #onDisk: readonly number[] | undefined;
  #canSyncAt = 0;
  #persistAt = 0;
  #repairedAt = -Infinity;
  #reloads = 0;
  #unchecked: string | undefined;
  #isClosed = false;

  constructor(options: UsersProxyOptions) {
    const { directory, check, log, budget = usersBudget, unusable = () => Promise.resolve(new Set<number>()) } = options;
    this.#options = options;
    this.#worker = join(directory, workerSocket);
    this.#generations = new Generations(directory);
    this.#budget = new ReloadBudget(budget);
    this.old = new OldProcesses(options);
    this.#acceptance = new Acceptance({
      generations: this.#generations,
      check,
      unusable: (ports) => unusable(ports.filter((port) => !this.ports.includes(port))),
      onUnchecked: (reason) => {
        if (reason !== this.#unchecked) log.error(`configurations are not checked before HAProxy has them: ${reason}`);
        this.#unchecked = reason;
      },
    });
    this.#timer = setInterval(() => void this.#watch(), options.pollMs ?? 500);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.old.close();
  }

  get state(): State['name'] {
    return this.#state.name;
  }

  /** Reloads since the start. */
  get reloads(): number {
    return this.#reloads;
  }

  /** Where HAProxy listens for users, or will when it starts. */
  get ports(): readonly number[] {
    return this.#has?.ports ?? [];
  }

  /** Learns what HAProxy has of before this agent; until then `reaches` says too little. */
  async look(): Promise<void> {
    const { directory } = this.#options;
    this.#reached.add(await portsOnDisk(directory));
    // One that does not answer started with what is on disk, or will.
    const running = await readRunning(this.#worker).catch(() => undefined);
    if (!running) return;
    this.#reached.add(portsOf(running.servers));
    for (const { pid } of await oldProcesses(directory).catch(() => [])) {
      const states = await runCommand(join(directory, masterSocket), `@!${pid} show servers state`).catch(() => '');
      this.#reached.replaced(pid, portsOf(parseStates(states)));
    }
  }

  /** Whether HAProxy has, or had a minute ago, a server at this port of loopback. */
  reaches(port: number): boolean {
    return this.#reached.has(port);
  }

  /** Services that are left out, because HAProxy refuses their configuration. */
  get refusals(): Refusal[] {
    return this.#acceptance.refusals;
  }

  /** Every server, as HAProxy sees it now. @throws CliError where HAProxy is not there */
  async states(): Promise<ServerStats[]> {
    return (await this.stats()).servers;
  }

  /** What it has counted. @throws CliError where HAProxy is not there */
  async stats(): Promise<Stats> {
    return parseStats(await runCommand(this.#worker, showStats));
  }

  /** Sends elsewhere what has waited so many seconds for an answer. @returns how many requests @throws CliError where HAProxy is not there */
  endWaiting(seconds: number): Promise<number> {
    return endWaiting(join(this.#options.directory, masterSocket), seconds);
  }

  /**
   * Does what can be done now: HAProxy, or what it will start with, has the view then, but for services that it refuses and
   * those that wait for a reload.
   * @throws Error where HAProxy refuses what no service is to blame for
   */
  async apply({ view, render }: Wanted): Promise<Applied> {
    const applied = await this.#apply(view, async (part) => {
      const rendered = await render(part);
      this.#reached.add(portsOf(rendered.servers));
      return rendered;
    });
    await this.#settlePorts();
    return applied;
  }

  /** While the process is not known nothing is taken out: it may have what it had. */
  async #settlePorts(): Promise<void> {
    const known = 'known' in this.#state ? this.#state.known : undefined;
    if (!known) return;
    const old = await oldProcesses(this.#options.directory).catch(() => undefined);
    this.#reached.settle(
      new Set([...portsOf(known.running.servers), ...(this.#onDisk ??= await this.#portsOnDisk())]),
      old?.map((each) => each.pid),
    );
  }

  /** Of what HAProxy starts with, as another agent left it. */
  async #portsOnDisk(): Promise<readonly number[]> {
    return portsIn((await this.#generations.current())?.get(configFile) ?? '');
  }

  /** HAProxy starts with what was staged from now on. */
  async #commit({ servers }: Pick<Rendered, 'servers'>): Promise<void> {
    await this.#generations.commit();
    this.#onDisk = portsOf(servers);
  }

  async #apply(view: View, render: Render): Promise<Applied> {
    const who = await identify(this.#worker).catch(() => undefined);
    // An agent that ended in the middle of a reload has left it there.
    await rm(join(this.#options.directory, stateFile), { force: true });
    if (!who) return this.#prepare(view, render);
    if (this.#state.name === 'absent') this.#options.log.info({ pid: who.pid }, 'HAProxy answers');
    if (!('known' in this.#state && this.#state.pid === who.pid)) {
      this.#state = { name: 'running', pid: who.pid, known: undefined };
      this.#canSyncAt = performance.now() + syncMs;
    }
    const accepted = this.#acceptance.without(view);
    const rendered = await render(accepted);
    if (rendered.skeleton !== who.skeleton) return this.#replace(view, render, who);
    return this.#change(accepted, rendered, render);
  }

  /** HAProxy is not there: what it starts with is put in place. */
  async #prepare(view: View, render: Render): Promise<Applied> {
    if (this.#state.name !== 'absent') this.#options.log.warn('HAProxy does not answer; it will start with the files');
    this.#state = { name: 'absent' };
    const { view: accepted, rendered } = await this.#acceptance.stage(view, render);
    await this.#commit(rendered);
    this.#has = { view: accepted, ports: rendered.ports };
    return { waitMs: this.#acceptance.waitMs };
  }

  /** The running process has the skeleton: runtime calls, and then what it would start with. */
  async #change(view: View, rendered: Rendered, render: Render): Promise<Applied> {
    const { pid } = this.#state as Extract<State, { pid: string }>;
    try {
      await this.#call(rendered);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      if (!(await identify(this.#worker).catch(() => undefined))) return this.#prepare(view, render);
      // It did not take a call that was thought right: what is on disk is what it should have, where its check passes.
      if (performance.now() - this.#repairedAt < repairPauseMs) throw error;
      this.#repairedAt = performance.now();
      this.#options.log.warn({ err: error }, 'HAProxy refused a change; it is reloaded');
      return this.#reload(view, render, { pid, namespaces: new Set() });
    }
    this.#has = { view, ports: rendered.ports };
    return this.#persist(view, rendered, render);
  }

  async #call(rendered: Rendered): Promise<void> {
    const state = this.#state as Extract<State, { name: 'running' | 'refused' }>;
    const known = state.known ?? { running: await readRunning(this.#worker), files: undefined, wanted: undefined, pendingRemoval: [] };
    // Whatever fails on the way is asked for again.
    this.#state = { ...state, known: undefined };
    this.#state = { ...state, known: await change(this.#worker, rendered, known) };
  }

  /** Puts on disk what HAProxy has. That costs the whole and not what has changed, so it is done now and then. */
  async #persist(view: View, rendered: Rendered, render: Render): Promise<Applied> {
    const wait = this.#persistAt - performance.now();
    if (wait > 0) return { waitMs: Math.min(wait, this.#acceptance.waitMs ?? wait) };
    if (isSame(await this.#generations.current(), filesOf(rendered))) return { waitMs: this.#acceptance.waitMs };
    const began = performance.now();
    const accepted = await this.#acceptance.stage(view, render);
    await this.#commit(accepted.rendered);
    this.#persistAt = performance.now() + pausesPerPersist * (performance.now() - began);
    // A service that is left out from now on is still in the process.
    return { waitMs: accepted.view.services.length < view.services.length ? 0 : this.#acceptance.waitMs };
  }

  /** The running process has another skeleton: a reload, when those who ask for it may have one. */
  async #replace(view: View, render: Render, who: { pid: string; skeleton: string }): Promise<Applied> {
    const accepted = this.#acceptance.without(view);
    const changed = this.#has ? changedServices(this.#has.view, accepted) : [];
    const namespaces = new Set(changed.map(namespaceOf));
    const untilFree = Math.max(this.#budget.waitMs(namespaces, this.old.count), await this.#untilCanSync());
    const wait = untilFree > 0 ? untilFree : this.old.waitMs(processSize(accepted.services.length));
    if (wait === 0) return this.#reload(view, render, { pid: who.pid, namespaces });
    if (this.#has) {
      const held = heldBack(this.#has.view, accepted, namespaces);
      const rendered = await render(held);
      if (rendered.skeleton === who.skeleton) {
        await this.#call(rendered);
        this.#has = { view: held, ports: rendered.ports };
      }
    }
    return { waitMs: wait };
  }

  /** Milliseconds until a reload keeps what HAProxy remembers of users. */
  async #untilCanSync(): Promise<number> {
    if (performance.now() >= this.#canSyncAt || (await canSync(this.#worker).catch(() => true))) return 0;
    return 100;
  }

  async #reload(view: View, render: Render, { pid, namespaces }: { pid: string; namespaces: ReadonlySet<string> }): Promise<Applied> {
    const { directory, log } = this.#options;
    const before = await this.#generations.current();
    const had = this.#has?.view;
    const { view: accepted, rendered } = await this.#acceptance.stage(view, render);
    // Without what is refused it may be what runs already.
    const who = await identify(this.#worker);
    await this.#commit(rendered);
    if (who.skeleton === rendered.skeleton && namespaces.size > 0) return this.#change(accepted, rendered, render);
    await writeFile(join(directory, stateFile), stateFileText(await runCommand(this.#worker, 'show servers state'), rendered.servers));
    this.#budget.spend(namespaces);
    this.#state = { name: 'reloading', pid };
    const next = await reloadMaster(directory, pid);
    // It is of this moment: a process that starts after a crash would believe it, with servers out that have long been up.
    await rm(join(directory, stateFile), { force: true });
    if (next === undefined) return this.#goBack(before, { pid, had, accepted });
    this.#reached.replaced(pid);
    this.#reloads++;
    this.#canSyncAt = performance.now() + syncMs;
    this.#state = { name: 'running', pid: next, known: undefined };
    this.#has = { view: accepted, ports: rendered.ports };
    log.info({ reloads: this.#reloads, oldProcesses: this.old.count }, 'HAProxy has a new configuration');
    return this.#change(accepted, rendered, render);
  }

  /** No process started. @throws Error where no service is to blame */
  async #goBack(
    before: ReadonlyMap<string, string> | undefined,
    { pid, had, accepted }: { pid: string; had: View | undefined; accepted: View },
  ): Promise<Applied> {
    if (before) {
      await this.#generations.stage(before);
      await this.#generations.commit();
      this.#onDisk = undefined;
    }
    this.#state = { name: 'refused', pid, known: undefined };
    const changed = new Set(had ? changedServices(had, accepted) : []);
    if (changed.size === 0)
      throw new Error('HAProxy did not start with its configuration and goes on with the one before; its output says why');
    const services = accepted.services.filter((each) => changed.has(keyOf(each)));
    this.#acceptance.refuse(services, 'HAProxy did not start with it; the log of the gateway says why');
    return { waitMs: 0 };
  }

  async #watch(): Promise<void> {
    const who = await identify(this.#worker).catch(() => undefined);
    if (this.#isClosed || this.#state.name === 'reloading') return;
    const pid = 'pid' in this.#state ? this.#state.pid : undefined;
    const hasMore = 'known' in this.#state && (this.#state.known === undefined || this.#state.known.pendingRemoval.length > 0);
    if (who?.pid !== pid || hasMore) this.#options.changed();
  }
}
