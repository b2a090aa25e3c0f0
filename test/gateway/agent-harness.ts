/** A gateway of real processes on loopback: frps, the two HAProxies and the agent, with frpc processes as sidecars. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { request as requestTls } from 'node:https';
import { createServer as createHttpServer, request, type Server } from 'node:http';
import { type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from '@prometheus-io/client';
import { createAuthority, issue, type Authority } from '../../certs/authority.ts';
import { configSchema, type Config } from '../../src/config/schema.ts';
import { GatewayAgent } from '../../src/gateway/agent.ts';
import { ClusterSource } from '../../src/gateway/sources/cluster-source.ts';
import { configuredClusters } from '../../src/gateway/sources/configured-clusters.ts';
import { Sources } from '../../src/gateway/sources/sources.ts';
import { ownUse } from '../../src/gateway/haproxy/index.ts';
import { openProxies } from '../../src/gateway/proxies.ts';
import { base64 } from '../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { logTo } from '../../src/log.ts';
import { replicaSecretName } from '../../src/model/names.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { issuer, Signer, type Pod, type TokenOptions } from '../unit/gateway/agent-tokens.ts';
import { ApiServer } from '../unit/kube/api-server.ts';
import { freePort, isAlive, remove, replicaTls } from './haproxy-harness.ts';

const hour = 3_600_000;

/** Path of a program. A machine without it cannot test the gateway, and that is a failure. */
function program(variable: string): string {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} must be the path of the program (test/cluster/lab path frp; apt-get install haproxy)`);
  return path;
}

export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 60_000,
): Promise<T> {
  const until = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < until) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await sleep(20);
  }
  throw new Error(`not in ${limitMs} ms: ${what}`, { cause: last });
}

export interface Answer {
  status: number;
  body: string;
  /** the first that it sets */
  cookie: string | undefined;
}

/** An app that answers with its name. */
export interface App {
  port: number;
  server: Server;
}

export interface Sidecar {
  process: ChildProcess;
  log: () => string;
}

const ports = [
  'log',
  'http',
  'https',
  'tunnel',
  'frps',
  'frpsApi',
  'loopback',
  'operations',
  'peers',
  'health',
  'tunnelHealth',
  'status',
] as const;

export class Gateway {
  readonly directory: string;
  readonly api: ApiServer;
  readonly ports: Record<(typeof ports)[number], number>;
  readonly config: Config;
  readonly signer: Signer;
  readonly authority: Authority;
  agent: GatewayAgent | undefined;
  /** of the agent */
  lines: Record<string, unknown>[] = [];
  readonly #processes = new Map<string, ChildProcess>();
  readonly #outputs = new Map<string, string>();
  readonly #apps: Server[] = [];
  readonly #listeners: (() => void)[] = [];

  private constructor(directory: string, api: ApiServer, signer: Signer, authority: Authority, free: Gateway['ports'], settings: object) {
    this.directory = directory;
    this.api = api;
    this.signer = signer;
    this.authority = authority;
    this.ports = free;
    this.config = configSchema.parse({
      gateway: { addresses: ['127.0.0.1'], httpPort: free.http, httpsPort: free.https, reservedPorts: Object.values(free), ...settings },
      connectors: { allowAddresses: ['127.0.0.1'] },
    });
  }

  /** With everything running but sidecars. @param settings part `gateway` of the configuration, beside what is set here */
  static async start(settings: object = {}): Promise<Gateway> {
    const directory = await mkdtemp(join(tmpdir(), 'frp-gateway-'));
    const free: Record<string, number> = {};
    for (const name of ports) free[name] = await freePort();
    const authority = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const gateway = new Gateway(directory, await ApiServer.start(), await Signer.create(), authority, free, settings);
    try {
      await gateway.#startAll();
    } catch (error) {
      // Nobody else can: what has started would keep the test's process from ending.
      await gateway.close();
      throw error;
    }
    return gateway;
  }

  async #startAll(): Promise<void> {
    await putInstallation(this);
    await this.startAgent();
    await this.startFrps();
    this.startTunnel();
    this.startUsers();
    await eventually('the agent is ready', async () => (await this.get('/readyz', this.ports.operations)).status === 200);
  }

  async close(): Promise<void> {
    await this.agent?.close();
    for (const name of this.#processes.keys()) await this.kill(name);
    for (const app of this.#apps) {
      app.close();
      app.closeAllConnections();
    }
    for (const close of this.#listeners) close();
    this.api.close();
    await remove(this.directory);
  }

  async startAgent(): Promise<void> {
    const { config, directory } = this;
    const log = logTo({ write: (line) => void this.lines.push(JSON.parse(line) as Record<string, unknown>) }, 'debug');
    const registry = new Registry();
    const pod = 'frp-gateway-0';
    const tunnel = {
      bind: `127.0.0.1:${this.ports.tunnel}`,
      server: `127.0.0.1:${this.ports.frps}`,
      health: `127.0.0.1:${this.ports.tunnelHealth}`,
    };
    const users = { addresses: ['127.0.0.1'], healthPort: this.ports.health };
    const proxies = await openProxies({
      config,
      log,
      registry,
      directory,
      pod,
      logPort: this.ports.log,
      tunnel,
      users,
      peersPort: this.ports.peers,
      haproxy: [program('HAPROXY')],
      memory: { users: undefined, tunnel: undefined, use: (part) => ownUse(join(directory, part)) },
    });
    const sources = new Sources(
      (events) => new ClusterSource({ client: this.api.client, config, log, directory: join(directory, 'known'), events }),
    );
    for (const cluster of configuredClusters(config, log)) sources.add(cluster);
    this.agent = new GatewayAgent({
      sources,
      config,
      log,
      registry,
      proxies,
      pod,
      host: '127.0.0.1',
      ports: { loopback: this.ports.loopback, operations: this.ports.operations, status: this.ports.status },
      frpsUrl: `http://127.0.0.1:${this.ports.frpsApi}`,
      frpsPort: this.ports.frps,
      directory,
    });
    await this.agent.start();
    await eventually(
      'the agent has written what HAProxy starts with',
      async () => (await this.get('/startedz', this.ports.operations)).status === 200,
    );
  }

  async stopAgent(): Promise<void> {
    await this.agent?.close();
    this.agent = undefined;
  }

  /** @param memory bytes that it may use: frps is then run as in its container, by supervise.sh in a PID namespace */
  async startFrps(memory?: number): Promise<void> {
    const { ports, directory } = this;
    // As manifests/gateway/frps.toml has it, at other ports.
    const own = await readFile(new URL('../../manifests/gateway/frps.toml', import.meta.url), 'utf8');
    const config = own.replaceAll('7001', `${ports.frps}`).replaceAll('7400', `${ports.loopback}`).replaceAll('7500', `${ports.frpsApi}`);
    const file = join(directory, 'frps.toml');
    await writeFile(file, config);
    if (memory === undefined) this.run('frps', program('FRPS'), ['-c', file]);
    else {
      const script = new URL('../../manifests/gateway/supervise.sh', import.meta.url).pathname;
      const env = [`FRP_GATEWAY_RUN=${directory}`, `FRPS_MEMORY=${memory}`, `FRPS=${program('FRPS')}`, `FRPS_CONFIG=${file}`];
      this.run('frps', 'env', [...env, 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', script, 'frps']);
    }
    await eventually('frps listens', async () => (await this.get('/api/proxy/tcp', ports.frpsApi)).status === 200);
  }

  startTunnel(): void {
    this.#startHaproxy('tunnel');
  }

  startUsers(): void {
    this.#startHaproxy('users');
  }

  #startHaproxy(name: 'tunnel' | 'users'): void {
    const directory = join(this.directory, name);
    this.run(name, program('HAPROXY'), ['-W', '-db', '-S', join(directory, 'master.sock'), '-f', join(directory, 'current/haproxy.cfg')]);
  }

  run(name: string, path: string, args: string[]): ChildProcess {
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

  async app(name: string): Promise<App> {
    const server = createHttpServer((incoming, response) => {
      incoming.resume();
      response.end(name);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#apps.push(server);
    return { port: (server.address() as AddressInfo).port, server };
  }

  /** An app of the test's own, which ends with the gateway. @returns its port */
  async listen(server: NetServer): Promise<number> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket))));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#listeners.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return (server.address() as AddressInfo).port;
  }

  putService(service: DistributedService): void {
    putService(this.api, service);
  }

  putPod(pod: Pod, isReady = true, metadata: Partial<KubeObject['metadata']> = {}): void {
    putPod(this.api, pod, isReady, metadata);
  }

  deletePod({ namespace, name }: Pod): void {
    this.api.remove(`/api/v1/namespaces/${namespace}/pods/${name}`);
  }

  /** frpc as the injector configures it. @param overrides of its configuration, as an attacker would have them */
  async sidecar(
    pod: Pod,
    service: string,
    port: number,
    { token = {}, signer = this.signer, ...overrides }: { token?: TokenOptions; signer?: Signer; proxy?: object; client?: object } = {},
  ): Promise<Sidecar> {
    const directory = join(this.directory, pod.uid);
    await mkdir(directory, { recursive: true });
    const now = Date.now();
    const certificate = await issue(this.authority, {
      commonName: `${service}.${pod.namespace}`,
      usages: ['clientAuth'],
      lifetimeMs: hour,
      now,
    });
    const file = (name: string) => join(directory, name);
    const config = {
      serverAddr: '127.0.0.1',
      serverPort: this.ports.tunnel,
      loginFailExit: false,
      auth: { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: file('token') } } } },
      log: { level: 'debug', disablePrintColor: true },
      transport: {
        tls: { enable: true, certFile: file('tls.crt'), keyFile: file('tls.key'), trustedCaFile: file('ca.crt'), serverName: '127.0.0.1' },
      },
      proxies: [
        {
          name: `${pod.namespace}.${service}.0a1b2c3d.${pod.name}.${pod.uid}`,
          type: 'tcp',
          localIP: '127.0.0.1',
          localPort: port,
          ...overrides.proxy,
        },
      ],
      ...overrides.client,
    };
    await Promise.all([
      writeFile(file('token'), await signer.token(pod, token)),
      writeFile(file('tls.crt'), certificate.certPem),
      writeFile(file('tls.key'), certificate.keyPem),
      writeFile(file('ca.crt'), this.authority.bundlePem),
      writeFile(file('frpc.json'), JSON.stringify(config)),
    ]);
    const name = `frpc ${pod.name}`;
    const child = this.run(name, program('FRPC'), ['-c', file('frpc.json')]);
    return { process: child, log: () => this.output(name) };
  }

  get(path: string, port = this.ports.http, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, path, headers, agent: false, timeout: 10_000 }, (incoming) => {
        let body = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (body += chunk));
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body, cookie: incoming.headers['set-cookie']?.[0] }));
        incoming.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 10 s')));
      outgoing.end();
    });
  }

  /** Of the status API, whose certificate must be of the replicas' authority. */
  async status(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    const { authorityPem } = (await replicaTls())!;
    return new Promise((resolve, reject) => {
      const target = {
        host: '127.0.0.1',
        port: this.ports.status,
        path,
        headers,
        ca: authorityPem,
        agent: false,
        servername: 'frp-gateway-0',
      };
      requestTls(target, (incoming) => {
        let body = '';
        incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body, cookie: undefined }));
      })
        .on('error', reject)
        .end();
    });
  }

  /** A user's request to a host. */
  request(host: string, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
    return this.get(path, this.ports.http, { host, ...headers });
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** What an agent finds in the cluster: the keys of its tokens, and the Secrets of the installation. */
export async function putInstallation({ api, signer, authority, config }: Pick<Gateway, 'api' | 'signer' | 'authority' | 'config'>) {
  api.intercept = ({ path }) => {
    if (path === '/.well-known/openid-configuration') return { status: 200, body: { issuer } };
    if (path === '/openid/v1/jwks') return { status: 200, body: signer.keys };
    return undefined;
  };
  const server = await issue(authority, {
    commonName: 'frp-gateway',
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
    usages: ['serverAuth'],
    lifetimeMs: hour,
    now: Date.now(),
  });
  const secret = (name: string, data: Record<string, string>) =>
    api.put(`/api/v1/namespaces/${config.namespace}/secrets/${name}`, {
      metadata: { name, namespace: config.namespace },
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
    } as KubeObject);
  secret('frp-gateway-tls', { 'tls.crt': server.certPem, 'tls.key': server.keyPem, 'ca.crt': authority.bundlePem });
  secret('frp-server-api', { user: 'frp-k8s', password: 'status' });
  const { identityPem, authorityPem } = (await replicaTls())!;
  const [, cert = '', key = ''] = /^(.*?-----END CERTIFICATE-----\n)(.*)$/s.exec(identityPem) ?? [];
  const { namespace } = config.gateway;
  api.put(`/api/v1/namespaces/${namespace}/secrets/${replicaSecretName}`, {
    metadata: {
      name: replicaSecretName,
      namespace,
      labels: { 'frp.io/gateway-copy': 'true' },
      annotations: { 'frp.io/copy-of': replicaSecretName, 'frp.io/copy-kind': 'replicas' },
    },
    data: { 'tls.crt': base64(cert), 'tls.key': base64(key), 'ca.crt': base64(authorityPem) },
  } as KubeObject);
}

export function putService(api: ApiServer, service: DistributedService): void {
  const { namespace, name } = service.metadata;
  api.put(`/apis/frp.io/v1beta1/namespaces/${namespace}/distributedservices/${name}`, service);
}

export function putPod(
  api: ApiServer,
  { namespace, name, uid }: Pod,
  isReady = true,
  metadata: Partial<KubeObject['metadata']> = {},
): void {
  const status = { phase: 'Running', podIP: '10.0.0.9', conditions: [{ type: 'ContainersReady', status: isReady ? 'True' : 'False' }] };
  const labels = { 'frp.io/sidecar': 'injected' };
  api.put(`/api/v1/namespaces/${namespace}/pods/${name}`, {
    metadata: { name, namespace, uid, labels, ...metadata },
    status,
  } as KubeObject);
}
