/**
 * Ports on loopback that a request may be sent to: those of HAProxy's servers, in its process, in those from before reloads,
 * and in what it would start with. Behind one of them there must be nobody else than HAProxy thinks: such a port is given to no other service.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configFile } from '../config/global.ts';
import type { Rendered } from '../config/rendered.ts';
import type { Running } from './running.ts';

/** For requests that were on their way when a server went. Milliseconds. */
const restMs = 60_000;
/** Ports that processes from before reloads may keep: a third of all, so that they never take the last one. */
const mostOfOld = 7000;

export class ReachedPorts {
  #reached = new Set<number>();
  /** port → when HAProxy was seen to have it no more */
  readonly #left = new Map<number, number>();
  /** of processes from before reloads, by process id, the newest last: nothing changes their servers any more */
  readonly #old = new Map<string, ReadonlySet<number>>();
  readonly #now: () => number;

  /** @param now milliseconds that only grow */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  has(port: number): boolean {
    if (this.#reached.has(port) || this.#now() - (this.#left.get(port) ?? -Infinity) < restMs) return true;
    for (const ports of this.#old.values()) if (ports.has(port)) return true;
    return false;
  }

  /** HAProxy has these too, or soon will. */
  add(ports: Iterable<number>): void {
    for (const port of ports) this.#reached.add(port);
  }

  /** A process was replaced by a reload: a request that it has may yet be sent to any server of it. @param ports default: all that were known */
  replaced(pid: string, ports: Iterable<number> = this.#reached): void {
    this.#old.set(pid, new Set(ports));
  }

  /** HAProxy has been seen to have these and no others. @param alive processes from before reloads; undefined: not known */
  settle(ports: ReadonlySet<number>, alive: readonly string[] | undefined): void {
    const now = this.#now();
    let kept = [...this.#old.values()].reduce((sum, { size }) => sum + size, 0);
    for (const [pid, { size }] of this.#old)
      if (kept > mostOfOld || alive?.includes(pid) === false) {
        this.#old.delete(pid);
        kept -= size;
      }
    for (const [port, at] of this.#left) if (now - at >= restMs) this.#left.delete(port);
    for (const port of this.#reached) if (!ports.has(port)) this.#left.set(port, now);
    this.#reached = new Set(ports);
  }
}

export const portsOf = (servers: Running['servers'] | Rendered['servers']): number[] =>
  [...servers.values()].flatMap((each) =>
    [...each.values()].flatMap((server: { port: number; rolePort?: number | undefined }) =>
      server.rolePort === undefined ? [server.port] : [server.port, server.rolePort],
    ),
  );

/** Of the `server` lines on loopback (servers.ts). */
export const portsIn = (config: string): number[] =>
  [...config.matchAll(/^ {2}server [^ \n]+ 127\.0\.0\.1:([0-9]+) /gm)].map(([, port]) => Number(port));

/** Of every configuration that is on disk (generations.ts): the one before the current one too, which a process may have. */
export async function portsOnDisk(directory: string): Promise<number[]> {
  const root = join(directory, 'generations');
  const numbers = await readdir(root).catch(() => []);
  const configs = await Promise.all(numbers.map((number) => readFile(join(root, number, configFile), 'utf8').catch(() => '')));
  return configs.flatMap(portsIn);
}
