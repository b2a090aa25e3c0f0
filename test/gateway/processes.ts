/** Processes of a test, each a group of its own, by the names of their parts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';
import { isAlive } from './haproxy-harness.ts';

/** Path of a program. A machine without it cannot test the gateway, and that is a failure. */
export function program(variable: string): string {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} must be the path of the program (test/cluster/lab path frp; apt-get install haproxy)`);
  return path;
}

export class Processes {
  readonly #processes = new Map<string, ChildProcess>();
  readonly #outputs = new Map<string, string>();

  /** @throws where a process of that name runs: nobody would end it */
  run(name: string, path: string, args: string[]): ChildProcess {
    const before = this.#processes.get(name);
    if (before?.pid !== undefined && before.exitCode === null && before.signalCode === null) throw new Error(`${name} runs already`);
    // A group of its own: HAProxy's master and its workers end together, as in a container.
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const keep = (chunk: Buffer) => this.#outputs.set(name, (this.#outputs.get(name) ?? '') + chunk.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#processes.set(name, child);
    return child;
  }

  /** To every process of a part: HAProxy's workers too. */
  signal(name: string, signal: NodeJS.Signals): void {
    process.kill(-this.#processes.get(name)!.pid!, signal);
  }

  output(name: string): string {
    return this.#outputs.get(name) ?? '';
  }

  /** Resolves when its workers have ended too: one that is ending still has its sockets, and whoever connects is lost. */
  async kill(name: string): Promise<void> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const workers = childrenOf(child.pid!);
    const gone = once(child, 'exit');
    process.kill(-child.pid!, 'SIGKILL');
    await gone;
    await eventually(`every process of ${name} has ended`, () => !workers.some(isAlive));
  }

  async killAll(): Promise<void> {
    for (const name of this.#processes.keys()) await this.kill(name);
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
