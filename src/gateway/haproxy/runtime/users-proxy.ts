/**
 * Brings the users' HAProxy to a configuration: the files first, so that whatever crashes comes back to the same state,
 * then the running process, by runtime calls where they suffice, else by a reload that loses nothing.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../../log.ts';
import { changeCertificates, readCertificates } from './cert-commands.ts';
import { CliError, runCommand, runCommands } from './cli.ts';
import { removeOthers, replace, writeRendered } from './disk.ts';
import { masterSocket, stateFile, workerSocket } from '../config/global.ts';
import { isOrdered, mapCommands, mapText, parseMap, replaceMap } from './map-commands.ts';
import { identify, readRunning, type Running } from './running.ts';
import { afterwards, isRoutine, serverCommands } from './server-commands.ts';
import { stateFileText } from './state-file.ts';
import { parseStats, type ServerStats } from './stats.ts';
import { untilSynced } from './peer-sync.ts';
import { endWaiting } from './waiting-requests.ts';
import type { Rendered } from '../config/rendered.ts';

export type { ServerStats } from './stats.ts';

export interface UsersProxyOptions {
  /** of the files and sockets */
  directory: string;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** milliseconds between two looks at whether HAProxy is still the same process; default 500 */
  pollMs?: number;
}

/** Milliseconds from one reload to the next: what comes meanwhile goes into the next one. */
const reloadPause = 1000;
/** Milliseconds that a new process may take to start, and between two attempts with a configuration that did not start. */
const reloadPatience = 20_000;

/** What HAProxy is known to have. */
interface Known {
  running: Running;
  /** by path below the directory; undefined: to be asked for */
  files: ReadonlyMap<string, string> | undefined;
  pendingRemoval: readonly string[];
}

export class UsersProxy {
  readonly #directory: string;
  readonly #log: UsersProxyOptions['log'];
  readonly #worker: string;
  readonly #master: string;
  readonly #timer: NodeJS.Timeout;
  #wanted: Rendered | undefined;
  #known: Known | undefined;
  /** the configuration that HAProxy last started with, to go back to */
  #good: Rendered | undefined;
  #refused: { skeleton: string; at: number } | undefined;
  #lastReload = -Infinity;
  #reloads = 0;
  #isAway = false;
  #work: Promise<void> = Promise.resolve();
  #isQueued = false;
  #isClosed = false;

  constructor({ directory, log, pollMs = 500 }: UsersProxyOptions) {
    this.#directory = directory;
    this.#log = log;
    this.#worker = join(directory, workerSocket);
    this.#master = join(directory, masterSocket);
    this.#timer = setInterval(() => void this.#poll(), pollMs);
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#work.catch(() => {});
  }

  /** Reloads since the start, for metrics. */
  get reloads(): number {
    return this.#reloads;
  }

  /** Whether HAProxy is there and has what was last applied. */
  get isSettled(): boolean {
    return this.#wanted !== undefined && this.#known?.running.skeleton === this.#wanted.skeleton && !this.#isQueued;
  }

  /**
   * Resolves when HAProxy has this configuration or a later one; where HAProxy is not there, when the files are written, which
   * it then starts with.
   * @throws Error where HAProxy refuses it: the one before is then kept, on disk too
   */
  apply(rendered: Rendered): Promise<void> {
    this.#wanted = rendered;
    return this.#enqueue();
  }

  /** Resolves when HAProxy has what was last applied. */
  async settled(): Promise<void> {
    while (!this.isSettled && !this.#isClosed) await new Promise((later) => setTimeout(later, 50));
  }

  /** Every server, as HAProxy sees it now. @throws CliError where HAProxy is not there */
  async states(): Promise<ServerStats[]> {
    return parseStats(await runCommand(this.#worker, 'show stat')).filter(({ backend }) => backend.startsWith('be-'));
  }

  /** Sends elsewhere what has waited so many seconds for an answer. @returns how many requests @throws CliError where HAProxy is not there */
  endWaiting(seconds: number): Promise<number> {
    return endWaiting(this.#master, seconds);
  }

  /** One run at a time; while one waits, later calls join it. */
  #enqueue(): Promise<void> {
    if (this.#isQueued) return this.#work;
    this.#isQueued = true;
    this.#work = this.#work
      .catch(() => {})
      .then(() => {
        this.#isQueued = false;
        return this.#isClosed ? undefined : this.#run();
      });
    return this.#work;
  }

  async #poll(): Promise<void> {
    if (this.#isQueued || !this.#wanted) return;
    try {
      const { pid } = await identify(this.#worker);
      if (this.#known?.running.pid === pid && this.#known.pendingRemoval.length === 0 && this.isSettled) return;
    } catch {
      if (this.#known) this.#away();
      return;
    }
    await this.#enqueue().catch((error: unknown) => this.#log.error({ err: error }, 'HAProxy does not have its configuration'));
  }

  async #run(): Promise<void> {
    const wanted = this.#wanted!;
    if (this.#refused?.skeleton === wanted.skeleton && Date.now() - this.#refused.at < reloadPatience) return;
    await writeRendered(this.#directory, wanted);
    try {
      await this.#bring(wanted);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const isThere = await identify(this.#worker).then(
        () => true,
        () => false,
      );
      if (!isThere) return this.#away();
      // It did not take a command that was thought right; the files are what it should have.
      this.#log.warn({ err: error }, 'HAProxy refused a change; it is reloaded');
      await this.#reload(wanted).catch((failure: unknown) => {
        this.#refused = { skeleton: wanted.skeleton, at: Date.now() };
        throw failure;
      });
    }
  }

  #away(): void {
    if (!this.#isAway) this.#log.warn('HAProxy does not answer; it will start with the files');
    this.#isAway = true;
    this.#known = undefined;
  }

  async #bring(wanted: Rendered): Promise<void> {
    const { pid, skeleton } = await identify(this.#worker);
    if (this.#isAway) this.#log.info({ pid }, 'HAProxy answers');
    this.#isAway = false;
    if (skeleton !== wanted.skeleton) return this.#reload(wanted);
    const known =
      this.#known?.running.pid === pid ? this.#known : { running: await readRunning(this.#worker), files: undefined, pendingRemoval: [] };
    await this.#change(wanted, known);
  }

  /** The runtime calls from what is known to what is wanted. */
  async #change(wanted: Rendered, known: Known): Promise<void> {
    // Whatever fails on the way is asked for again.
    this.#known = undefined;
    await this.#changeFiles(wanted, known);
    const { commands, pendingRemoval } = serverCommands(known.running.servers, wanted.servers);
    const said = (await runCommands(this.#worker, commands)).filter((line) => !isRoutine(line));
    if (said.length > 0) throw new CliError(said.slice(0, 5).join('; '));
    const left = await this.#delete(pendingRemoval);
    const servers = afterwards(known.running.servers, wanted.servers, left);
    this.#known = { running: { ...known.running, servers }, files: wanted.files, pendingRemoval: left };
    this.#good = wanted;
    await removeOthers(this.#directory, wanted);
  }

  /** A server that has connections yet stays in maintenance, and is tried again later. */
  async #delete(pendingRemoval: readonly string[]): Promise<string[]> {
    const left: string[] = [];
    for (const path of pendingRemoval) {
      const said = await runCommand(this.#worker, `del server ${path}`);
      if (!/deleted|No such server/i.test(said)) left.push(path);
    }
    return left;
  }

  async #changeFiles(wanted: Rendered, { files }: Known): Promise<void> {
    const commands: string[] = [];
    for (const [path, text] of wanted.files) {
      if (!path.startsWith('maps/') || files?.get(path) === text) continue;
      const name = join(this.#directory, path);
      const now = files?.get(path) ?? (await mapText(this.#worker, name));
      if (now === text) continue;
      if (isOrdered(path)) await replaceMap(this.#worker, name, text);
      else commands.push(...mapCommands(name, parseMap(now), parseMap(text)));
    }
    const said = await runCommands(this.#worker, commands);
    if (said.length > 0) throw new CliError(said.slice(0, 5).join('; '));
    const certificates = this.#certificates(wanted.files);
    const lists = [...certificates.keys()].filter((path) => path.endsWith('.list'));
    const now = files ? this.#certificates(files) : await readCertificates(this.#worker, lists);
    await changeCertificates(this.#worker, { now, wanted: certificates });
  }

  #certificates(files: ReadonlyMap<string, string>): Map<string, string> {
    return new Map([...files].filter(([path]) => path.startsWith('certs/')).map(([path, text]) => [join(this.#directory, path), text]));
  }

  async #reload(wanted: Rendered): Promise<void> {
    this.#known = undefined;
    const wait = this.#lastReload + reloadPause - Date.now();
    if (wait > 0) await new Promise((later) => setTimeout(later, wait));
    await untilSynced(this.#worker);
    if (this.#wanted !== wanted) {
      wanted = this.#wanted!;
      await writeRendered(this.#directory, wanted);
    }
    this.#lastReload = Date.now();
    const before = await identify(this.#worker);
    await replace(join(this.#directory, stateFile), stateFileText(await runCommand(this.#worker, 'show servers state'), wanted.servers));
    const failures = await this.#failures();
    await runCommand(this.#master, 'reload').catch(() => {});
    const isReplaced = await this.#isReplaced(before.pid, failures);
    // It is of this moment: a process that starts after a crash would believe it, with servers out that have long been up.
    await rm(join(this.#directory, stateFile), { force: true });
    if (!isReplaced) return this.#goBack(wanted);
    this.#refused = undefined;
    this.#reloads++;
    this.#log.info({ reloads: this.#reloads }, 'HAProxy has a new configuration');
    const running = await readRunning(this.#worker);
    await this.#change(wanted, { running, files: undefined, pendingRemoval: [] });
  }

  /** Whether a new process serves; false where it did not start. */
  async #isReplaced(pid: string, failures: number): Promise<boolean> {
    const end = Date.now() + reloadPatience;
    while (Date.now() < end) {
      await new Promise((later) => setTimeout(later, 20));
      const now = await identify(this.#worker).catch(() => undefined);
      if (now && now.pid !== pid) return true;
      if ((await this.#failures().catch(() => failures)) > failures) return false;
    }
    return false;
  }

  /** How many reloads the master says failed. */
  async #failures(): Promise<number> {
    return Number(/\[failed: ([0-9]+)\]/.exec(await runCommand(this.#master, 'show proc'))?.[1] ?? 0);
  }

  async #goBack(wanted: Rendered): Promise<never> {
    this.#refused = { skeleton: wanted.skeleton, at: Date.now() };
    if (this.#good) await writeRendered(this.#directory, this.#good);
    throw new Error('HAProxy did not start with the new configuration and goes on with the one before; its output says why');
  }
}
