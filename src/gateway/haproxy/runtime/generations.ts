/**
 * The configurations of one HAProxy on disk. `current` leads to the one that it starts with; a new one is written beside
 * it, and takes its place in one step when it is known to be good. So whoever starts HAProxy, at whatever moment, finds a
 * configuration that is whole and has been checked.
 *
 *     DIR/current -> generations/7
 *     DIR/generations/7/haproxy.cfg, maps/…, certs/…
 */
import { link, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { configFile } from '../config/global.ts';

/** Contents by path from where the configuration is, `haproxy.cfg` among them. */
export type Files = ReadonlyMap<string, string>;

interface Generation {
  number: number;
  files: Files;
}

export class Generations {
  readonly #directory: string;
  #current: Generation | undefined;
  #staged: Generation | undefined;
  #isRead = false;

  /** @param directory absolute, of this HAProxy alone */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** What HAProxy starts with; undefined where there is nothing yet. */
  async current(): Promise<Files | undefined> {
    await this.#read();
    return this.#current?.files;
  }

  /** Writes it beside the current one, as `<number>/haproxy.cfg` and its files. @returns path of the configuration, to be checked */
  async stage(files: Files): Promise<string> {
    await this.#read();
    await this.discard();
    const number = (this.#current?.number ?? 0) + 1;
    const at = this.#path(number);
    await rm(at, { recursive: true, force: true });
    await mkdir(at, { recursive: true, mode: 0o700 });
    for (const folder of new Set([...files.keys()].map(dirname))) await mkdir(join(at, folder), { recursive: true, mode: 0o700 });
    for (const [path, text] of files) await this.#put(join(at, path), path, text);
    this.#staged = { number, files };
    return join(at, configFile);
  }

  /** HAProxy starts with what was staged from now on. */
  async commit(): Promise<void> {
    const staged = this.#staged;
    if (!staged) return;
    const link = join(this.#directory, 'current');
    await rm(`${link}.new`, { force: true });
    await symlink(join('generations', `${staged.number}`), `${link}.new`);
    await rename(`${link}.new`, link);
    const before = this.#current?.number;
    this.#current = staged;
    this.#staged = undefined;
    // A process that is starting may be reading the one before.
    for (const number of await this.#numbers())
      if (number !== staged.number && number !== before) await rm(this.#path(number), { recursive: true, force: true });
  }

  /** Takes back what was staged. */
  async discard(): Promise<void> {
    if (this.#staged) await rm(this.#path(this.#staged.number), { recursive: true, force: true });
    this.#staged = undefined;
  }

  /** A file that did not change is the same file: a generation costs what is new in it. */
  async #put(target: string, path: string, text: string): Promise<void> {
    if (this.#current?.files.get(path) === text) {
      const isLinked = await link(join(this.#path(this.#current.number), path), target).then(
        () => true,
        () => false,
      );
      if (isLinked) return;
    }
    // Keys of certificates are among them: nobody else may read them.
    await writeFile(target, text, { mode: 0o600 });
  }

  async #read(): Promise<void> {
    if (this.#isRead) return;
    this.#isRead = true;
    const number = Number(/^generations\/([0-9]+)$/.exec(await readlink(join(this.#directory, 'current')).catch(() => ''))?.[1]);
    if (!Number.isSafeInteger(number)) return;
    const at = this.#path(number);
    const entries = await readdir(at, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = new Map<string, string>();
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files.set(path.slice(at.length + 1), await readFile(path, 'utf8'));
    }
    if (files.has(configFile)) this.#current = { number, files };
  }

  async #numbers(): Promise<number[]> {
    return (await readdir(join(this.#directory, 'generations'))).map(Number);
  }

  #path(number: number): string {
    return join(this.#directory, 'generations', `${number}`);
  }
}

export const isSame = (a: Files | undefined, b: Files): boolean =>
  a?.size === b.size && [...b].every(([path, text]) => a.get(path) === text);
