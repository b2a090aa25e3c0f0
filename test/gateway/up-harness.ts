/** `frp-k8s gateway up` as a person runs it, with frpc outside any cluster as its clients. All by the command line. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { processesOf, signal, tcpSockets, type GatewayProcess } from '../../src/gateway/up/processes.ts';
import type { PartName } from '../../src/gateway/up/layout.ts';
import { eventually } from './eventually.ts';

const main = new URL('../../src/main.ts', import.meta.url).pathname;
const run = promisify(execFile);
/** Many processes of the same sources start here. */
const env = { ...process.env, NODE_COMPILE_CACHE: new URL('../../node_modules/.cache/frp-k8s', import.meta.url).pathname };

export const web = (name: string, more = ''): string => `
apiVersion: frp.io/v1beta1
kind: DistributedService
metadata: { name: ${name} }
spec:
  serviceType: http
  backends: { discovery: { mode: auto } }
  expose: { type: domain, domain: ${name}.example.com }
${more}`;

const indent = (pem: string) => pem.trim().replaceAll(/^/gm, '    ');

/** The same with TLS, and the certificate for it. */
export const secure = (name: string, { cert, key }: { cert: string; key: string }): string =>
  `${web(name)
    .trimEnd()
    .replace(/(expose: \{)/, '$1 tls: { secretName: tls },')}
---
apiVersion: v1
kind: Secret
metadata: { name: tls }
stringData:
  tls.crt: |
${indent(cert)}
  tls.key: |
${indent(key)}
`;

export interface Line {
  msg: string;
  level: string;
  part?: PartName;
}

/** How a request ended. */
export interface Outcome {
  startedAt: number;
  /** undefined: the connection was refused or cut */
  status: number | undefined;
  problem?: string;
}

export class Machine {
  readonly root = mkdtempSync(join(tmpdir(), 'frp-up-'));
  readonly directory = join(this.root, 'gw');
  readonly services = join(this.root, 'services');
  readonly #address: string;
  readonly #within: readonly string[];
  readonly #log = join(this.root, 'up.log');
  readonly #children: ChildProcess[] = [];
  readonly #servers: Server[] = [];
  up: ChildProcess | undefined;
  #isClosed = false;

  /**
   * @param address that it is dialled by, unless `start` is told others
   * @param within words before its command, such as those of another network, where users reach it by the address
   */
  constructor(address = '127.0.0.1', within: readonly string[] = []) {
    this.#address = address;
    this.#within = within;
    mkdirSync(this.services);
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.services, file), text);
  }

  /** @param words further flags */
  start(...words: string[]): ChildProcess {
    const output = openSync(this.#log, 'a');
    const flags = [
      '--dir',
      this.directory,
      '--address',
      this.#address,
      '--services',
      this.services,
      '--frps',
      process.env.FRPS!,
      '--log',
      'debug',
    ];
    const command = [...this.#within, process.execPath, main, 'gateway', 'up', ...flags, '--haproxy', process.env.HAPROXY!, ...words];
    this.up = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', output, output],
      env,
    });
    closeSync(output);
    this.#children.push(this.up);
    return this.up;
  }

  /** With everything running. */
  async started(...words: string[]): Promise<void> {
    this.start(...words);
    await this.ready();
  }

  async ready(): Promise<void> {
    let last = '';
    await eventually('the agent is ready', async () => {
      const { status, body, problem = '' } = await this.get('/readyz', { port: 8081 });
      last = problem + body;
      return status === 200;
    }).catch((error: Error) => {
      throw new Error(
        `${error.message}: ${last}\n${this.log
          .slice(-40)
          .map((line) => JSON.stringify(line))
          .join('\n')}`,
      );
    });
    await eventually('users are served', async () => (await this.get('/')).status !== undefined);
  }

  /** An app, and the files of an frpc that brings it to a service. */
  async app(group: string, name: string, listener: RequestListener, host = '127.0.0.1'): Promise<{ app: number; out: string }> {
    const server = createServer(listener);
    server.listen(0, host);
    await once(server, 'listening');
    this.#servers.push(server);
    const { port } = server.address() as AddressInfo;
    const out = join(this.root, name);
    const at = ['--host', host, '--port', `${port}`];
    await this.command('client-config', '--dir', this.directory, '--group', group, '--name', name, ...at, '--out', out);
    return { app: port, out };
  }

  /** An app, and frpc that brings it to a service. @returns its port */
  async client(group: string, name: string, listener: RequestListener): Promise<number> {
    const { app, out } = await this.app(group, name, listener);
    const output = openSync(join(this.root, `${name}.log`), 'a');
    this.#children.push(spawn(process.env.FRPC!, ['-c', 'frpc.json'], { cwd: out, stdio: ['ignore', output, output] }));
    closeSync(output);
    return app;
  }

  async command(...words: string[]): Promise<string> {
    return (await this.outcome(...words)).stdout;
  }

  outcome(...words: string[]): Promise<{ stdout: string; stderr: string }> {
    return run(process.execPath, [main, ...words], { env });
  }

  /** `frp-k8s dashboard`, as it runs. @returns the address that it prints, and its end */
  async dashboard(): Promise<{ url: string; end: () => Promise<number | null> }> {
    const child = spawn(process.execPath, [main, 'dashboard', '--no-open', '--dir', this.directory], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const end = async () => {
      child.kill('SIGINT');
      return ((await once(child, 'exit')) as [number | null])[0];
    };
    return { url: /http:\S+/.exec(said.toString())![0], end };
  }

  /** What another `gateway up` says, and how it ends. */
  async refusal(...words: string[]): Promise<string> {
    const flags = ['--address', '127.0.0.1', '--frps', process.env.FRPS!, '--haproxy', process.env.HAPROXY!];
    return run(process.execPath, [main, 'gateway', 'up', ...flags, ...words], { env }).then(
      () => 'it ended without a word',
      (error: { code: number; stderr: string }) => `${error.code}: ${error.stderr}`,
    );
  }

  get(
    path: string,
    { host = 'none.example.com', port = 8080, headers = {} }: { host?: string; port?: number; headers?: object } = {},
  ): Promise<Outcome & { body: string }> {
    const startedAt = performance.now();
    return new Promise((resolve) => {
      const fail = (error: Error) => resolve({ startedAt, status: undefined, problem: error.message, body: '' });
      const to = this.#within.length > 0 ? this.#address : '127.0.0.1';
      const outgoing = request({ host: to, port, path, headers: { host, ...headers }, agent: false, timeout: 30_000 });
      outgoing.on('response', (incoming) => {
        let body = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (body += chunk));
        incoming.on('end', () => resolve({ startedAt, status: incoming.statusCode, body }));
        incoming.on('error', fail);
      });
      outgoing.on('error', fail);
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 30 s')));
      outgoing.end();
    });
  }

  /** Requests, one after the other in each of several lines, until it is ended. @returns how they ended */
  load(host: string, lines: number): { end: () => Promise<Outcome[]> } {
    const outcomes: Outcome[] = [];
    let isOver = false;
    const line = async () => {
      while (!isOver && !this.#isClosed) {
        outcomes.push(await this.get('/', { host }));
        await sleep(5);
      }
    };
    const running = Promise.all(Array.from({ length: lines }, line));
    return {
      end: async () => {
        isOver = true;
        await running;
        return outcomes;
      },
    };
  }

  processes(part?: PartName): GatewayProcess[] {
    return processesOf(this.directory).filter((process) => part === undefined || process.part === part);
  }

  leader(part: PartName): number {
    return this.processes(part).find(({ isLeader }) => isLeader)!.pid;
  }

  /** The gateway's ports, each as often as somebody listens there; but for those that frps opens for clients. */
  listeners(): number[] {
    return tcpSockets()
      .filter(({ isListening, port }) => isListening && port <= 10_004)
      .map(({ port }) => port)
      .sort((a, b) => a - b);
  }

  get log(): Line[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const child of this.#children) child.kill('SIGKILL');
    for (let left = this.processes(); left.length > 0; left = this.processes()) {
      for (const { pid } of left) signal(pid, 'SIGKILL');
      await sleep(20);
    }
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}
