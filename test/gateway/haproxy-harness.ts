/** A real HAProxy on loopback with the configuration of a view, and small servers in the place of frps' ports. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import type { BackendServer, ServedService, View } from '../../src/gateway/ir/ir.ts';
import { ApplyLoop } from '../../src/gateway/apply-loop.ts';
import {
  checkWith,
  ownUse,
  renderUsers,
  serverName,
  unusablePorts,
  UsersProxy,
  type Rendered,
  type UsersSettings,
  type TunnelProxy,
  type TunnelState,
} from '../../src/gateway/haproxy/index.ts';
import { usersBudget, type BudgetLimits } from '../../src/gateway/haproxy/runtime/reload-budget.ts';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import { createAuthority, issue } from '../../certs/authority.ts';
import { logTo } from '../../src/log.ts';
import { exposuresOf } from '../../src/model/exposure.ts';
import { serviceKey } from '../../src/model/store.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';

export const haproxy = process.env.HAPROXY ?? 'haproxy';

/**
 * A port that nobody listens on, another one each time: HAProxy would share one that it is given twice (SO_REUSEPORT). Below
 * those that the kernel gives to connections and to listeners that ask for any, and above those that frps gives.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    if (++lastPort >= ports.end) lastPort = ports.start;
    if (await isFree(lastPort)) return lastPort;
  }
}

const ports = { start: 32_001, end: 32_768 };
/** Two runs in one network begin at different places. */
let lastPort = ports.start + (process.pid % (ports.end - ports.start));

async function isFree(port: number): Promise<boolean> {
  const server = createTcpServer();
  return new Promise((resolve) => {
    server.on('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** A directory that is gone after the test. Short, for Unix sockets. */
export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'frpgw-'));
  t.after(() => remove(path));
  return path;
}

/** A process that ends may still write there: that must not keep the hooks after this one from running. */
export const remove = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }).catch(() => undefined);

export interface Gateway {
  settings: UsersSettings;
  proxy: UsersProxy;
  /** last lines of HAProxy's own output */
  output(): string;
  /** resolves when HAProxy has the view, or is not there and will start with it */
  apply(view: View): Promise<Rendered>;
  /** resolves when HAProxy is there and has what was last applied */
  settled(): Promise<void>;
  /** an agent in the place of the one before */
  restartAgent(): Promise<void>;
  /** with other settings, from now on */
  applyWith(view: View, settings: Partial<UsersSettings>): Promise<Rendered>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Master and worker end at once; resolves when both are gone. */
  crash(): Promise<void>;
  start(): void;
  http(host: string, path?: string, init?: RequestInit): Promise<{ status: number; body: string; headers: Headers }>;
}

/** What replicas know each other by; one for all tests of a process. */
let shared: Promise<UsersSettings['replicaTls']> | undefined;
export const replicaTls = (): Promise<UsersSettings['replicaTls']> => (shared ??= newReplicaTls());

/** Of an installation of its own. */
export async function newReplicaTls(): Promise<NonNullable<UsersSettings['replicaTls']>> {
  const validity = { lifetimeMs: 3_600_000, now: Date.now() };
  const authority = await createAuthority(validity);
  const { certPem, keyPem } = await issue(authority, {
    commonName: 'frp-gateway',
    dnsNames: ['frp-gateway-0'],
    usages: ['serverAuth', 'clientAuth'],
    ...validity,
  });
  return { identityPem: `${certPem.trim()}\n${keyPem.trim()}\n`, authorityPem: authority.bundlePem };
}

/**
 * @param first what it starts with @param renderAs in the place of renderUsers, for what users cannot make
 * @param memory bytes that all its processes may use
 */
export async function gateway(
  t: TestContext,
  first: View,
  more: Partial<UsersSettings> = {},
  renderAs: typeof renderUsers = renderUsers,
  budget: BudgetLimits = usersBudget,
  memory?: number,
): Promise<Gateway> {
  const settings: UsersSettings = {
    directory: mkdtempSync(join(tmpdir(), 'frpgw-')),
    addresses: ['127.0.0.1'],
    httpPort: await freePort(),
    httpsPort: await freePort(),
    trustedProxies: [],
    proxyProtocol: false,
    peers: [{ name: 'gw-0', address: `127.0.0.1:${await freePort()}` }],
    localPeer: 'gw-0',
    replicaTls: await replicaTls(),
    ...more,
  };
  let child: ChildProcess | undefined;
  let output = '';
  let wanted = first;
  const log = logTo({ write: (line) => (output += line) });
  const render = (part: View) => renderAs(part, settings);
  const agent = () => {
    const proxy = new UsersProxy({
      directory: settings.directory,
      check: checkWith([haproxy]),
      unusable: (ports) => unusablePorts(ports, settings.addresses),
      changed: () => loop.schedule(),
      log,
      pollMs: 100,
      budget,
      memory: memory === undefined ? undefined : { limit: memory, used: ownUse(settings.directory) },
    });
    const loop = new ApplyLoop({ what: 'HAProxy', apply: () => proxy.apply({ view: wanted, render }), log, gatherMs: 1 });
    loop.start();
    return { proxy, loop };
  };
  let { proxy, loop } = agent();
  let isOver = false;
  const settled = () => until(() => loop.isSettled && proxy.state === 'running');
  const start = () => {
    child = spawn(haproxy, ['-W', '-S', `${settings.directory}/master.sock`, '-f', `${settings.directory}/current/haproxy.cfg`], {
      stdio: 'pipe',
    });
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (data: Buffer) => (output = (output + data.toString()).slice(-20_000)));
  };
  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    dying.kill(signal);
    await once(dying, 'exit');
  };
  t.after(async () => {
    if (process.env.SHOW_OUTPUT) t.diagnostic(output);
    isOver = true;
    await proxy.close();
    await loop.close();
    await kill();
    await remove(settings.directory);
  });
  const apply = async (view: View) => {
    wanted = view;
    loop.schedule();
    await until(() => loop.isSettled || isOver);
    return render(view);
  };
  await apply(first);
  start();
  await settled();
  return {
    settings,
    get proxy() {
      return proxy;
    },
    settled,
    async restartAgent() {
      await proxy.close();
      await loop.close();
      ({ proxy, loop } = agent());
    },
    output: () => output,
    apply,
    applyWith(view, changed) {
      Object.assign(settings, changed);
      return apply(view);
    },
    kill,
    async crash() {
      const worker = Number((await identify(join(settings.directory, 'worker.sock'))).pid);
      process.kill(worker, 'SIGKILL');
      await kill('SIGKILL');
      await until(() => !isAlive(worker));
    },
    start,
    async http(host, path = '/', init = {}) {
      return request(settings.httpPort, host, path, init, settings.addresses?.[0]);
    },
  };
}

/** Not fetch: it does not let a Host header through. */
export async function request(port: number, host: string, path: string, init: RequestInit = {}, address = '127.0.0.1') {
  const { request: open } = await import('node:http');
  const headers = { host, ...Object.fromEntries(new Headers(init.headers)) };
  const call = open({ host: address, port, path, method: init.method ?? 'GET', headers, agent: false });
  call.end(init.body as string | undefined);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return {
    status: response.statusCode!,
    body,
    headers: new Headers(Object.entries(response.headers).map(([k, v]): [string, string] => [k, String(v)])),
  };
}

export interface App {
  port: number;
  name: string;
  requests: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; body: string }[];
  server: HttpServer;
  close(): Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A server that answers with its name; /health is always 200 unless the handler takes it. */
export async function app(t: TestContext, name: string, handler?: Handler): Promise<App> {
  const requests: App['requests'] = [];
  const server = createServer((req, res) => {
    void (async () => {
      let body = '';
      for await (const chunk of req) body += String(chunk);
      if (req.headers['user-agent'] !== 'frp-k8s-health') requests.push({ method: req.method!, url: req.url!, headers: req.headers, body });
      if (handler) handler(req, res, body);
      else res.end(name);
    })().catch(() => res.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((closed) => server.close(closed));
  };
  t.after(close);
  return { port: (server.address() as AddressInfo).port, name, requests, server, close };
}

/** A process whose first thread has ended keeps its sockets until the others have, too. */
export function isAlive(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some((thread) => isRunning(`/proc/${pid}/task/${thread}/stat`));
  } catch {
    return false;
  }
}

function isRunning(stat: string): boolean {
  try {
    return !/^[0-9]+ \(.*\) [ZX]/.test(readFileSync(stat, 'utf8'));
  } catch {
    return false;
  }
}

export const member = (key: string, id: string, port: number, more: Partial<BackendServer> = {}): BackendServer => ({
  name: serverName(key, id),
  port,
  weight: 1,
  isDraining: false,
  address: `10.0.0.1:${port}`,
  ...more,
});

/** A service of namespace `shop`. @param members its apps, by id and port */
export function service(
  name: string,
  spec: Partial<DistributedServiceSpec>,
  members: BackendServer[],
  more: Partial<ServedService> = {},
): ServedService {
  const full: DistributedServiceSpec = { serviceType: 'http', backends: { discovery: { mode: 'auto' } }, ...spec };
  return {
    service: { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name, namespace: 'shop' }, spec: full },
    exposures: exposuresOf(full, 'base.example.com'),
    access: { kind: 'none' },
    certificate: undefined,
    backends: members,
    ...more,
  };
}

/** In the order that a view has: by namespace and name. */
export const view = (...services: ServedService[]): View => ({
  services: services.toSorted((a, b) => (serviceKey(a.service) < serviceKey(b.service) ? -1 : 1)),
});

/** What `haproxy -c` says of a configuration; undefined where it takes it, and every rule acts where it is written. */
export async function complaint(rendered: Rendered, at: string): Promise<string | undefined> {
  for (const [path, text] of rendered.files) {
    await mkdir(dirname(join(at, path)), { recursive: true });
    await writeFile(join(at, path), text);
  }
  writeFileSync(join(at, 'haproxy.cfg'), rendered.config);
  const child = spawn(haproxy, ['-c', '-f', join(at, 'haproxy.cfg')], { stdio: 'pipe' });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  const [code] = (await once(child, 'exit')) as [number];
  return code === 0 && !/will (still )?be processed before/.test(text) ? undefined : text;
}

/** Waits until a condition holds. @throws after two minutes */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 120_000; !(await condition()); await sleep(20))
    if (Date.now() > end) throw new Error(`not within two minutes: ${condition.toString()}`);
}

/** How often each text came. */
export function tally(texts: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const text of texts) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

/** Until nothing is left that waits for a reload. */
export async function bringTo(
  proxy: TunnelProxy,
  state: TunnelState,
  sparedOf?: (certificate: string) => ReadonlySet<number>,
): Promise<void> {
  for (let waitMs: number | undefined = 0; waitMs !== undefined; await sleep(waitMs ?? 0))
    ({ waitMs } = await proxy.apply(state, sparedOf));
}
