/**
 * Processes from before reloads. Each goes on with the connections that it has, for as long as they last, and all of them
 * share the memory limit of the newest. Twice a second this looks at what they use: above a mark the oldest ends, with what
 * it has, because at the limit the kernel would end them all. Below it nobody's connection ends.
 *
 * It only looks at processes. Whether a reload is needed is not its business, and a reload only asks it for how long to wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../log.ts';
import { Loop } from '../../../kube/loop.ts';
import { processShare } from '../config/capacity.ts';
import { connectionsOf, endProcess, oldProcesses, type OldProcess } from './master.ts';
import type { MeasureMemory, MemoryUse } from './memory-use.ts';

export interface MemoryBudget {
  /** bytes that all processes of this HAProxy may use together */
  limit: number;
  used: MeasureMemory;
}

export interface OldProcessesOptions {
  /** of the sockets */
  directory: string;
  /** absent: only their number is bounded */
  memory?: MemoryBudget | undefined;
  log: Pick<Log, 'info' | 'warn'>;
}

/** Parts of the limit: above it the oldest ends. The only one there is has just been replaced, with everybody's requests. */
const marks = { several: 0.75, one: 0.85 };
/** Part of the limit that a reload may fill with its new process. */
const reloadMark = 0.95;
/** However little they use: each has threads and open files too. */
const most = 32;
const many = 4;
/** Milliseconds. */
const everyMs = 500;
/** Of a reload that has no room: requests of the oldest may end meanwhile, and its process by itself. */
const patienceMs = 5000;
/** From the end of a process to when the kernel has all its memory back. */
const settleMs = 500;

export class OldProcesses {
  readonly #options: OldProcessesOptions;
  readonly #loop = new Loop();
  #count = 0;
  #isShort = false;
  /** a reload that has no room */
  #waiting: { since: number; asked: number } | undefined;
  #use: MemoryUse | undefined;
  /** of a process, by what services need of one */
  #processBytes = 0;
  #endedAt = 0;
  #hasToldOfMany = false;
  /** processes that were ended, and the connections that it cost */
  readonly ended = { processes: 0, connections: 0 };

  /** Begins at once. */
  constructor(options: OldProcessesOptions) {
    this.#options = options;
    this.#loop.start(() => this.#look(), everyMs);
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  /** How many there are, as of the last look. */
  get count(): number {
    return this.#count;
  }

  /**
   * Milliseconds that a reload has to wait for, because an old process is about to end, or must end first. Where none is
   * there a wait would bring nothing.
   * @param processBytes what the new process will use at the start
   */
  waitMs(processBytes: number): number {
    this.#processBytes = processBytes;
    const { memory } = this.#options;
    const hasRoom = !memory || !this.#use || this.#use.bytes + processBytes <= memory.limit * reloadMark;
    const now = performance.now();
    this.#waiting = hasRoom || this.#count === 0 ? undefined : { since: this.#waiting?.since ?? now, asked: now };
    return this.#count > 0 && (this.#isShort || !hasRoom) ? everyMs : 0;
  }

  async #look(): Promise<void> {
    const old = await oldProcesses(this.#options.directory).catch(() => undefined);
    // The master does not answer while it starts anew.
    if (!old) return;
    this.#count = old.length;
    this.#tellOfMany(old);
    this.#use = old.length === 0 ? undefined : await this.#options.memory?.used();
    this.#isShort = this.#exceeds(old.length);
    const reason = this.#reason(old.length);
    if (reason !== undefined) await this.#end(old, reason);
  }

  #exceeds(old: number): boolean {
    const { memory } = this.#options;
    if (!memory || old === 0) return false;
    if (this.#use) return this.#use.bytes > memory.limit * (old > 1 ? marks.several : marks.one);
    // Not known: by what processes need without connections.
    return old > 1 && (old + 1) * this.#processBytes > memory.limit * processShare;
  }

  #reason(old: number): string | undefined {
    if (old > most) return `there are more than ${most} old processes`;
    // Of before the memory of the last one came back.
    if (old === 0 || (this.#use ? this.#use.at : Date.now()) < this.#endedAt + settleMs) return undefined;
    if (this.#isShort) return 'they use more memory than there may be';
    const now = performance.now();
    const isOverdue = this.#waiting && now - this.#waiting.since > patienceMs && now - this.#waiting.asked < 4 * everyMs;
    return isOverdue ? 'a reload has no room' : undefined;
  }

  async #end([oldest, ...others]: readonly OldProcess[], reason: string): Promise<void> {
    const { directory, memory, log } = this.#options;
    const { pid, reloads } = oldest!;
    try {
      const connections = await connectionsOf(directory, pid);
      await endProcess(directory, pid);
      this.ended.processes++;
      this.ended.connections += connections;
      const use = { bytes: this.#use?.bytes, limit: memory?.limit };
      log.warn({ pid, reloads, connections, oldProcesses: others.length, ...use }, `ended the oldest process of HAProxy: ${reason}`);
      await sleep(settleMs, undefined, { signal: this.#loop.signal }).catch(() => {});
    } catch {
      // It has just ended by itself, or the master starts anew: the next look tells.
    }
    this.#endedAt = Date.now();
    this.#waiting = undefined;
  }

  #tellOfMany(old: readonly OldProcess[]): void {
    if (old.length >= many && !this.#hasToldOfMany)
      this.#options.log.warn(
        { oldest: old[0]!.pid, reloads: old[0]!.reloads, oldProcesses: old.length },
        'old processes of HAProxy have connections yet; the oldest is ended when memory becomes short, with what it has',
      );
    this.#hasToldOfMany = old.length >= many;
  }
}
