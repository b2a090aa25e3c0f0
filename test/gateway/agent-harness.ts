/** A gateway of real processes on loopback: frps, the two HAProxies and the agent, with frpc processes as sidecars. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from '@prometheus-io/client';
import { createAuthority, type Authority } from '../../certs/authority.ts';
import { configSchema, type Config } from '../../src/config/schema.ts';
import { GatewayAgent } from '../../src/gateway/agent.ts';
import { ClusterSource } from '../../src/gateway/sources/cluster-source.ts';
import { KeyOwners } from '../../src/gateway/links/key-owners.ts';
import { PodOwners } from '../../src/gateway/links/pod-owners.ts';
import { keptItem, LinkSource } from '../../src/gateway/links/link-source.ts';
import type { Grant } from '../../src/gateway/links/grant.ts';
import { Sources } from '../../src/gateway/sources/sources.ts';
import { ownUse } from '../../src/gateway/haproxy/index.ts';
import { openProxies } from '../../src/gateway/proxies.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { logTo } from '../../src/log.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { Signer, type Pod } from '../unit/gateway/agent-tokens.ts';
import { ApiServer } from '../unit/kube/api-server.ts';
import { eventually } from './eventually.ts';
import { freePort, remove } from './haproxy-harness.ts';
import { putInstallation, putPod, putService } from './installation.ts';
import { Processes, program } from './processes.ts';
import { get, getStatus, type Answer } from './requests.ts';
import { sidecarFiles, type Overrides } from './sidecar.ts';

const hour = 3_600_000;

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

/** What a cluster tells over its link: one item of it. */
type Told = Parameters<typeof keptItem>[0];

export class Gateway extends Processes {
  readonly directory: string;
  readonly api: ApiServer;
  readonly ports: Record<(typeof ports)[number], number>;
  readonly config: Config;
  readonly signer: Signer;
  readonly authority: Authority;
  agent: GatewayAgent | undefined;
  /** of the agent */
  lines: Record<string, unknown>[] = [];
  readonly #apps: Server[] = [];
  readonly #joined = new Map<string, { grant: Grant; items: Map<string, Told> }>();
  #sources: Sources | undefined;
  readonly #listeners: (() => void)[] = [];

  private constructor(directory: string, api: ApiServer, signer: Signer, authority: Authority, free: Gateway['ports'], settings: object) {
    super();
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

  /**
   * With everything running but sidecars.
   * @param settings part `gateway` of the configuration, beside what is set here
   * @param prepare done before the agent starts
   */
  static async start(settings: object = {}, prepare: (gateway: Gateway) => void = () => {}): Promise<Gateway> {
    const directory = await mkdtemp(join(tmpdir(), 'frp-gateway-'));
    const free: Record<string, number> = {};
    for (const name of ports) free[name] = await freePort();
    const authority = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const gateway = new Gateway(directory, await ApiServer.start(), await Signer.create(), authority, free, settings);
    prepare(gateway);
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
    await this.killAll();
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
      write: (line) => this.lines.push(JSON.parse(line) as Record<string, unknown>) > 0,
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
    for (const [name, { grant, items }] of this.#joined) {
      const record = { name, id: `${name}-joined`, grant, joined: Date.now(), certificateExpires: Infinity };
      const source = new LinkSource(record, {
        events: sources,
        config,
        isCurrent: () => true,
        podOwners: new PodOwners({ path: join(directory, 'known', 'pods.json'), isHome: () => false, freed: () => {} }),
        owners: new KeyOwners({ read: () => ({}), give: async () => ({}), subscribe: () => {} }, () => {}),
      });
      for (const item of items.values()) source.set(keptItem(item));
      sources.add(source);
    }
    this.#sources = sources;
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

  /** A cluster has joined, and tells what it wants, as its link would; an agent that has been started knows it from the next start. */
  joins(cluster: string, grant: Grant, ...items: Told[]): void {
    this.#joined.set(cluster, { grant, items: new Map() });
    this.tells(cluster, ...items);
  }

  /** A cluster that has joined tells more, or something else. */
  tells(cluster: string, ...items: Told[]): void {
    const source = this.#sources?.all.find((each) => each.cluster === cluster) as LinkSource | undefined;
    for (const item of items) {
      this.#joined.get(cluster)!.items.set(`${item.kind} ${item.key}`, item);
      source?.set(keptItem(item));
    }
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

  /** frpc as the injector configures it. */
  async sidecar(
    pod: Pod,
    service: string,
    port: number,
    { signer = this.signer, ...overrides }: Overrides & { signer?: Signer } = {},
  ): Promise<Sidecar> {
    const { directory: parent, authority } = this;
    const file = await sidecarFiles({ parent, pod, service, port, serverPort: this.ports.tunnel, authority, signer }, overrides);
    const name = `frpc ${pod.name}`;
    const child = this.run(name, program('FRPC'), ['-c', file]);
    return { process: child, log: () => this.output(name) };
  }

  get(path: string, port = this.ports.http, headers: Record<string, string> = {}): Promise<Answer> {
    return get(port, path, headers);
  }

  /** Of the status API, whose certificate must be of the replicas' authority. */
  status(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return getStatus(this.ports.status, path, headers);
  }

  /** A user's request to a host. */
  request(host: string, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
    return this.get(path, this.ports.http, { host, ...headers });
  }
}
