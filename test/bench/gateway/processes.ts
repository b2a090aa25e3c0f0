/** Programs that run, each a process group of its own, with the CPU time and the memory that Linux counts for the group. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every architecture that the programs run on. */
const tickMs = 10;
const outputLength = 4000;

interface Running {
  child: ChildProcess;
  output: string;
}

export class Processes {
  readonly #running = new Map<string, Running>();
  /** of those that were stopped and are started again under their name */
  readonly #endedCpuMs = new Map<string, number>();

  start(name: string, command: string, args: readonly string[], env: Record<string, string> = {}): void {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { PATH, HOME, ...env } });
    const running: Running = { child, output: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (running.output = (running.output + text).slice(-outputLength)));
    this.#running.set(name, running);
  }

  /** At once, as in a crash. */
  async stop(name: string): Promise<void> {
    const { child } = this.#running.get(name)!;
    this.#endedCpuMs.set(name, this.cpuMs().get(name) ?? 0);
    this.#running.delete(name);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    process.kill(-child.pid!, 'SIGKILL');
    await gone;
  }

  /** Names with what each printed last, for whoever waited in vain. */
  tell(): string {
    return [...this.#running].map(([name, { child, output }]) => `-- ${name} (exit ${child.exitCode})\n${output}`).join('\n');
  }

  /** Milliseconds of CPU that each has used, of its processes that have ended as well. */
  cpuMs(): Map<string, number> {
    // utime, stime, cutime and cstime (proc(5)), counted from the state on
    const ms = this.#sum(({ fields }) => [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0) * tickMs);
    for (const [name, ended] of this.#endedCpuMs) ms.set(name, (ms.get(name) ?? 0) + ended);
    return ms;
  }

  /** What pages two processes of a group share is counted for each. */
  residentMb(): Map<string, number> {
    return this.#sum(({ pid }) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024);
  }

  openFiles(): Map<string, number> {
    return this.#sum(({ pid }) => list(`/proc/${pid}/fd`).length);
  }

  /** How many processes each is. */
  count(): Map<string, number> {
    return this.#sum(() => 1);
  }

  #sum(measure: (process: ProcessStat) => number): Map<string, number> {
    const names = new Map([...this.#running].map(([name, { child }]) => [child.pid, name]));
    const sums = new Map<string, number>();
    for (const found of processes()) {
      const name = names.get(Number(found.fields[2]));
      if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + measure(found));
    }
    return sums;
  }
}

interface ProcessStat {
  pid: string;
  /** of /proc/PID/stat, from the state on: state, parent, process group, … */
  fields: string[];
}

function processes(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map((pid) => ({ pid, stat: read(`/proc/${pid}/stat`) }))
    .map(({ pid, stat }) => ({ pid, fields: stat.slice(stat.lastIndexOf(')') + 2).split(' ') }));
}

/** Empty where the process has ended. */
function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Empty where the process has ended. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
