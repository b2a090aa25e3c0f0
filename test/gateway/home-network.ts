/**
 * A network behind the gateway's, as a home or an office has it: a namespace of its own with one cable to this one. Needs
 * root, and to be in namespaces of one's own (test/gateway/run), whose addresses and names it changes.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** Why there can be none here; false: there can. */
export const noHomeNetwork = process.env.OWN_NAMESPACES === undefined ? 'needs namespaces of its own: test/gateway/run as root' : false;

const run = (command: string, ...words: string[]): string => execFileSync(command, words, { encoding: 'utf8' });

/** An end of the cable. */
const outside = 'outside';
const inside = 'inside';

export class HomeNetwork {
  readonly #holder: ChildProcess;
  readonly #names: string;

  /** @param addresses of both ends, with the length of the prefix */
  constructor(t: TestContext, addresses: { outside: readonly string[]; inside: readonly string[] }) {
    this.#holder = spawn('unshare', ['--net', '--kill-child', 'sleep', 'infinity'], { stdio: 'ignore' });
    t.after(() => this.#holder.kill('SIGKILL'));
    // The namespace is its own a moment after the start.
    while (!this.#isApart()) run('sleep', '0.05');
    run('ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', `${this.#holder.pid}`);
    // It goes with the other network, sooner or later.
    t.after(() => void spawnSync('ip', ['link', 'del', outside]));
    for (const address of addresses.outside) run('ip', 'address', 'add', address, 'dev', outside, 'nodad');
    run('ip', 'link', 'set', outside, 'up');
    for (const address of addresses.inside) this.#ip('address', 'add', address, 'dev', inside, 'nodad');
    for (const link of ['lo', inside]) this.#ip('link', 'set', link, 'up');
    this.#names = join(mkdtempSync(join(tmpdir(), 'names-')), 'hosts');
    this.name({});
    run('mount', '--bind', this.#names, '/etc/hosts');
    t.after(() => run('umount', '/etc/hosts'));
  }

  /** What names are resolved to from now on, in both networks. */
  name(names: Record<string, string>): void {
    const lines = Object.entries({ localhost: '127.0.0.1', ...names }).map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(this.#names, lines.join(''));
  }

  /** From now on what is sent to an address gets lost, without a word. */
  lose(address: string): void {
    this.#ip('neighbour', 'replace', address, 'lladdr', '02:00:00:00:00:01', 'dev', inside, 'nud', 'permanent');
  }

  /** A program in it. */
  start(command: string, words: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): ChildProcess {
    return spawn('nsenter', [...this.#enter(), command, ...words], { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** Words that, before a command, have it run there. */
  get words(): [string, ...string[]] {
    return ['nsenter', ...this.#enter()];
  }

  #isApart(): boolean {
    return run('readlink', `/proc/${this.#holder.pid}/ns/net`) !== run('readlink', '/proc/self/ns/net');
  }

  #enter(): string[] {
    return ['--target', `${this.#holder.pid}`, '--net', '--'];
  }

  #ip(...words: string[]): string {
    return run('nsenter', ...this.#enter(), 'ip', ...words);
  }
}
