/** A real PostgreSQL server on loopback, and beside it, over HTTP, what it says of its role. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { freePort, remove } from './haproxy-harness.ts';

const bin = process.env.POSTGRES ?? '/usr/lib/postgresql/15/bin';
const run = promisify(execFile);
/** It refuses to be root's. */
const owner = 'postgres';
const isRoot = process.getuid?.() === 0;

/** In a mount namespace of its own, with a null device that everybody may write to: on some machines it is root's alone. */
const asOwnerScript = `
  [ -e "$0" ] || mknod -m 666 "$0" c 1 3 || exit 1
  mount --bind "$0" /dev/null || exit 1
  exec setpriv --reuid=${owner} --regid=${owner} --clear-groups "$@"`;

/** @param parent directory of the server */
function asOwner(parent: string, program: string, args: string[]): [file: string, args: string[]] {
  const path = join(bin, program);
  return isRoot ? ['unshare', ['--mount', 'sh', '-c', asOwnerScript, join(parent, 'null'), path, ...args]] : [path, args];
}

/** The only column of the rows, on a connection of its own. @throws Error with what psql said */
export async function ask(port: number, sql: string): Promise<string> {
  const { stdout } = await run(join(bin, 'psql'), [...to(port), '-c', sql], { env: { ...process.env, PGCONNECT_TIMEOUT: '5' } });
  return stdout.trim();
}
const to = (port: number): string[] => [
  '-h',
  '127.0.0.1',
  '-p',
  String(port),
  '-U',
  'postgres',
  '-d',
  'postgres',
  '-AtqX',
  '-v',
  'ON_ERROR_STOP=1',
];

export class Postgres {
  readonly name: string;
  readonly port: number;
  readonly #parent: string;
  readonly #directory: string;
  #server: ChildProcess | undefined;
  /** where it tells its role */
  rolePort = 0;

  private constructor(name: string, port: number, parent: string) {
    this.name = name;
    this.port = port;
    this.#parent = parent;
    this.#directory = join(parent, 'data');
  }

  /** Running. @param primary that it replicates; absent: a database of its own */
  static async start(t: TestContext, name: string, primary?: Postgres): Promise<Postgres> {
    const parent = mkdtempSync(join(tmpdir(), 'frppg-'));
    if (isRoot) chownSync(parent, Number((await run('id', ['-u', owner])).stdout), statSync(parent).gid);
    const server = new Postgres(name, await freePort(), parent);
    t.after(async () => {
      await server.stop();
      await remove(parent);
    });
    const made = primary
      ? asOwner(parent, 'pg_basebackup', [
          '-D',
          server.#directory,
          '-R',
          '-X',
          'stream',
          '-c',
          'fast',
          '--no-sync',
          ...to(primary.port).slice(0, 6),
        ])
      : asOwner(parent, 'initdb', [
          '-D',
          server.#directory,
          '-U',
          'postgres',
          '--auth=trust',
          '--locale=C',
          '--encoding=UTF8',
          '--no-sync',
        ]);
    await run(...made, { cwd: '/' });
    await server.#tellRole(t);
    await server.run();
    return server;
  }

  async run(): Promise<void> {
    const settings = [`listen_addresses=127.0.0.1`, 'unix_socket_directories=', 'fsync=off', `cluster_name=${this.name}`];
    const [file, args] = asOwner(this.#parent, 'postgres', [
      '-D',
      this.#directory,
      '-p',
      String(this.port),
      ...settings.flatMap((each) => ['-c', each]),
    ]);
    this.#server = spawn(file, args, { stdio: 'ignore', cwd: '/' });
    await eventually(`${this.name} answers`, () => ask(this.port, 'select 1'));
  }

  /** At once, with no word to its clients. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGQUIT');
    await once(server, 'exit');
  }

  /** As Patroni's REST API, but for the leader lock. */
  async #tellRole(t: TestContext): Promise<void> {
    const patroni = createServer((request, response) => {
      void ask(this.port, 'select pg_is_in_recovery()').then(
        (said) => response.writeHead(request.url === (said === 'f' ? '/primary' : '/replica') ? 200 : 503).end(),
        () => response.writeHead(503).end(),
      );
    }).listen(0, '127.0.0.1');
    await once(patroni, 'listening');
    this.rolePort = (patroni.address() as AddressInfo).port;
    t.after(() => patroni.close());
  }
}

/** A session that stays open. */
export class Session {
  readonly #psql: ChildProcess;
  readonly ended: Promise<unknown>;

  constructor(port: number) {
    this.#psql = spawn(join(bin, 'psql'), to(port), { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#psql.stdin!.on('error', () => {});
    this.ended = once(this.#psql, 'exit');
  }

  /** The first row that a statement gives; undefined where the session has ended. */
  async ask(statement: string): Promise<string | undefined> {
    const row = once(this.#psql.stdout!, 'data').then(([data]) => String(data).trim());
    this.#psql.stdin!.write(`${statement}\n`);
    return Promise.race([row, this.ended.then(() => undefined)]);
  }

  end(): void {
    this.#psql.kill();
  }
}
