/**
 * One part as a child that is started again when it ends. One that still runs, because whoever started it was killed, is
 * taken over: what it serves goes on. Its output goes to a file and not to a pipe, which would end with its reader.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import { CoreWaits } from './core-waits.ts';
import { logFile, markers, restartFile, type PartName } from './layout.ts';
import { isAlive, killPart, processesOf, processId, signal, type ProcessId } from './processes.ts';

export interface SupervisedOptions {
  part: PartName;
  directory: string;
  /** program and arguments */
  command: readonly [string, ...string[]];
  /** whether one that runs already may go on */
  mayAdopt: boolean;
  /** whether it can be started now; asked until it can */
  canStart?: () => boolean;
  /** whether it hangs; asked twice a second */
  hangs?: (startedAt: number) => boolean;
  log: Log;
}

/** Milliseconds. */
const lookMs = 100;
const steadyMs = 2000;
const firstPauseMs = 250;
const longestPauseMs = 30_000;

export class Supervised {
  readonly #options: SupervisedOptions;
  readonly #stop = new AbortController();
  #process: ProcessId | undefined;
  #startedAt = 0;
  #ended: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  #quick = 0;

  constructor(options: SupervisedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
    this.#running.catch((error: Error) => this.#options.log.error({ err: error }, `${this.#options.part} is not supervised any more`));
  }

  /** undefined while it does not run */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#process && isAlive(this.#process)) signal(this.#process.pid, name);
  }

  /** From now on it is not started again. */
  release(): void {
    this.#stop.abort();
  }

  /** Ends it: by the signal, and where that is not enough in time by force. */
  async end(name: NodeJS.Signals, patienceMs: number): Promise<void> {
    const { part, directory } = this.#options;
    this.release();
    this.signal(name);
    await Promise.race([this.#ended, sleep(patienceMs, undefined, { ref: false })]);
    await killPart(directory, part);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { part, directory, mayAdopt, log } = this.#options;
    const { signal: stop } = this.#stop;
    const leader = processesOf(directory).find((one) => one.part === part && one.isLeader);
    if (leader && mayAdopt) {
      log.info({ part, pid: leader.pid }, `${part} still runs and is taken over`);
      this.#follow(leader);
    } else await killPart(directory, part);
    while (!stop.aborted) {
      if (!this.#process) {
        if (!(await this.#untilPossible())) return;
        this.#spawn();
      }
      await this.#ended;
      this.#process = undefined;
      if (stop.aborted) return;
      log.warn({ part }, `${part} has ended and is started again`);
      // What is left of it, such as HAProxy's workers: they would listen beside the next one.
      await killPart(directory, part);
      this.#quick = Date.now() - this.#startedAt < steadyMs ? this.#quick + 1 : 0;
      await this.#pause();
    }
  }

  /** None after a time of steady work; then longer and longer ones. */
  async #pause(): Promise<void> {
    if (this.#quick === 0) return;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#quick - 1, 10));
    await sleep(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  async #untilPossible(): Promise<boolean> {
    const { canStart = () => true } = this.#options;
    while (!this.#stop.signal.aborted) {
      if (canStart()) return true;
      await sleep(lookMs);
    }
    return false;
  }

  #spawn(): void {
    const { part, directory, command, log } = this.#options;
    const [program, ...words] = command;
    rmSync(restartFile(directory, part), { force: true });
    const output = openSync(logFile(directory, part), 'a', 0o600);
    // A group of its own: the terminal's Ctrl-C is for the supervisor, which ends all in their order.
    const child = spawn(program, words, {
      stdio: ['ignore', output, output],
      detached: true,
      env: { ...process.env, [markers.directory]: directory, [markers.part]: part },
    });
    closeSync(output);
    child.once('error', (error) => log.error({ part }, `${program} cannot be started: ${error.message}`));
    const found = child.pid === undefined ? undefined : processId(child.pid);
    this.#startedAt = Date.now();
    if (!found) {
      this.#ended = Promise.resolve();
      return;
    }
    log.info({ part, pid: found.pid }, `${part} started`);
    this.#follow(found, new Promise((resolve) => child.once('exit', () => resolve())));
  }

  #follow(one: ProcessId, exit?: Promise<void>): void {
    this.#process = one;
    this.#startedAt = Date.now();
    this.#ended = this.#watch(one, exit);
  }

  /** Resolves when it has ended; one that hangs is ended. */
  async #watch(one: ProcessId, exit = new Promise<void>(() => {})): Promise<void> {
    const { part, directory, hangs = () => false, log } = this.#options;
    const waits = new CoreWaits(directory, part);
    let isOver = false;
    void exit.then(() => (isOver = true));
    for (let look = 1; !isOver && isAlive(one); look++) {
      await Promise.race([exit, sleep(lookMs)]);
      if (look % 5 !== 0 || isOver || this.#stop.signal.aborted) continue;
      const isAsked = existsSync(restartFile(directory, part));
      if (!isAsked && !hangs(this.#startedAt)) continue;
      // Nobody finds that the agent hangs but this: who asks is a person, such as by `rotate ca`.
      const isWanted = isAsked && part === 'agent';
      if (!isWanted && (await waits.areLong())) {
        log.warn({ part }, `${part} does not answer; it waits for a core, and is spared`);
        rmSync(restartFile(directory, part), { force: true });
        continue;
      }
      if (isOver || this.#stop.signal.aborted) continue;
      log.warn({ part }, isWanted ? `${part} is killed, as somebody asks` : `${part} does not answer and is killed`);
      await killPart(directory, part);
    }
  }
}
