/**
 * What the ways to the apps are made of, in a network namespace of their own: the gateway as its Pod has it
 * (manifests/gateway, with the bundled agent), a plain frp server as manifests/frps has it, and an HAProxy alone.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { createAuthority, type Authority } from '../../../certs/authority.ts';
import { configSchema, type Config } from '../../../src/config/schema.ts';
import { runCommand } from '../../../src/gateway/haproxy/runtime/cli.ts';
import { everyAddress, hasIpv6 } from '../../../src/gateway/haproxy/config/addresses.ts';
import { ownUse } from '../../../src/gateway/haproxy/runtime/memory-use.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { gatewayCopyName } from '../../../src/model/names.ts';
import { putInstallation } from '../../gateway/installation.ts';
import { Signer } from '../../unit/gateway/agent-tokens.ts';
import { ApiServer } from '../../unit/kube/api-server.ts';
import { Processes } from './processes.ts';
import { hour, issueTo, type Identity } from './sidecars.ts';

export interface Programs {
  haproxy: string;
  frps: string;
  frpc: string;
}

const root = path.join(import.meta.dirname, '..', '..', '..');
const manifest = (file: string) => path.join(root, 'manifests', file);

/** Below the ports that the agent gives to proxies. */
export const ports = {
  plain: 6000,
  plainHttp: 6080,
  plainHttps: 6443,
  plainApi: 6500,
  direct: 6800,
  chisel: 6700,
  chiselHttp: 6701,
  chiselBulk: 6702,
  http: 8080,
  agent: 8081,
};
export const appPorts = [6001, 6002, 6003];
/** The app of transfers. */
export const bulkPort = 6004;
export const bulkHost = 'bulk.example.com';
/** HTTP body of the apps, 1 KiB */
export const body = `${'frp-k8s '.repeat(127)}the end\n`;

/** Of each HAProxy's container in manifests/gateway, bytes. */
const memoryLimit = 2 ** 30;

const settingsOf = (gateway: object) => ({
  frps: { address: '127.0.0.1', port: ports.plain },
  gateway: { addresses: ['127.0.0.1'], ...gateway },
  connectors: { allowAddresses: ['127.0.0.1'] },
});

export class Installation {
  readonly directory: string;
  readonly programs: Programs;
  readonly config: Config;
  readonly #settings: object;
  readonly processes = new Processes();
  readonly api: ApiServer;
  readonly signer: Signer;
  readonly authority: Authority;

  private constructor(settings: object, directory: string, programs: Programs, api: ApiServer, signer: Signer, authority: Authority) {
    this.#settings = settings;
    this.config = configSchema.parse(settings);
    this.directory = directory;
    this.programs = programs;
    this.api = api;
    this.signer = signer;
    this.authority = authority;
  }

  /** @param gateway further keys of the configuration's `gateway` */
  static async create(directory: string, programs: Programs, gateway: object = {}): Promise<Installation> {
    const authority = await createAuthority({ lifetimeMs: hour, now: Date.now() });
    const created = new Installation(settingsOf(gateway), directory, programs, await ApiServer.start(), await Signer.create(), authority);
    await issueTo(authority, created.file('client'), 'clientAuth');
    await issueTo(authority, created.file('server'), 'serverAuth');
    return created;
  }

  get identity(): Identity {
    return { signer: this.signer, certificates: this.file('client') };
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.file(name), text);
    return this.file(name);
  }

  /** One HAProxy is all apps: nothing answers faster. */
  async startApps(): Promise<void> {
    const ipv6 = await hasIpv6();
    const config = `${defaults}
frontend apps
${appPorts.map((port) => `  bind ${everyAddress(port, ipv6)}`).join('\n')}
  http-request return status 200 content-type text/plain file ${this.write('body', body)}
`;
    this.processes.start('apps', this.programs.haproxy, ['-W', '-db', '-f', this.write('apps.cfg', config)]);
  }

  startDirect(): void {
    const config = `${defaults}
frontend users
  bind 127.0.0.1:${ports.direct}
  use_backend bulk if { req.hdr(host) ${bulkHost} }
  default_backend pods
backend bulk
  server bulk 127.0.0.1:${bulkPort}
backend pods
  balance roundrobin
  option httpchk GET /
${appPorts.map((port) => `  server pod-${port} 127.0.0.1:${port} check inter 10s`).join('\n')}
`;
    this.processes.start('direct', this.programs.haproxy, ['-W', '-db', '-f', this.write('direct.cfg', config)]);
  }

  /** Another tunnel: to one of the apps, and to that of transfers. */
  startChisel(program: string): void {
    const { chisel, chiselHttp, chiselBulk } = ports;
    const reverse = [
      [chiselHttp, appPorts[0]!],
      [chiselBulk, bulkPort],
    ].map(([from, to]) => `R:127.0.0.1:${from}:127.0.0.1:${to}`);
    this.processes.start('chisel server', program, ['server', '--reverse', '--host', '127.0.0.1', '--port', `${chisel}`]);
    this.processes.start('chisel client', program, ['client', '--max-retry-interval', '1s', `127.0.0.1:${chisel}`, ...reverse]);
  }

  async startPlainFrps(): Promise<void> {
    const { plain, plainHttp, plainHttps, plainApi } = ports;
    const config = readFileSync(manifest('frps/frps.toml'), 'utf8')
      .replace('bindPort = 7000', `bindPort = ${plain}`)
      .replace('vhostHTTPPort = 8080', `vhostHTTPPort = ${plainHttp}`)
      .replace('vhostHTTPSPort = 8443', `vhostHTTPSPort = ${plainHttps}`)
      .replace('webServer.port = 7500', `webServer.port = ${plainApi}`)
      .replaceAll('/etc/frp/certs', this.file('server'));
    const api = { FRP_API_USER: 'frp-k8s', FRP_API_PASSWORD: 'status' };
    this.processes.start('plain frps', this.programs.frps, ['-c', this.write('frps.toml', config)], api);
    await this.eventually('the plain frps is healthy', () => isOk(plainApi, '/healthz'));
  }

  /** @param memory limit of each HAProxy's container, bytes @param seconds that its parts have until they are ready */
  async startGateway(memory = memoryLimit, seconds = 30): Promise<void> {
    await putInstallation(this);
    const agent = [path.join(root, 'dist', 'frp-k8s.js'), 'gateway', '--directory', this.directory];
    agent.push('--config', this.write('config.yaml', stringify(this.#settings)));
    const access = this.write('kubeconfig', this.api.client.access.kubeConfig.exportConfig());
    this.processes.start('agent', process.execPath, agent, {
      KUBECONFIG: access,
      POD_NAME: 'frp-gateway-0',
      HAPROXY_USERS_MEMORY: `${memory}`,
      HAPROXY_TUNNEL_MEMORY: `${memory}`,
    });
    await this.eventually('the agent has started', () => isOk(ports.agent, '/startedz'), seconds);
    this.processes.start('frps', this.programs.frps, ['-c', manifest('gateway/frps.toml')]);
    // As the supervisors of their containers do.
    for (const part of ['users', 'tunnel'] as const)
      setInterval(
        () => void ownUse(this.file(part))().then((use) => use && writeFileSync(this.file(`${part}.memory`), `${use.bytes}\n`)),
        500,
      );
    this.startProxy('tunnel');
    this.startProxy('users');
    await this.eventually('the gateway is ready', () => isOk(ports.agent, '/readyz'), seconds);
  }

  startProxy(name: 'tunnel' | 'users'): void {
    const at = this.file(name);
    this.processes.start(name, this.programs.haproxy, ['-W', '-db', '-S', `${at}/master.sock`, '-f', `${at}/current/haproxy.cfg`]);
  }

  /** The certificate of a service of namespace shop, as the controller copies it. @param name of the Secret */
  putCertificate(name: string): void {
    const { namespace } = this.config.gateway;
    const copy = gatewayCopyName(`shop/${name}`, 'tls');
    const metadata = {
      name: copy,
      namespace,
      labels: { 'frp.io/gateway-copy': 'true' },
      annotations: { 'frp.io/copy-of': `shop/${name}`, 'frp.io/copy-kind': 'tls' },
    };
    const data = Object.fromEntries(['tls.crt', 'tls.key'].map((key) => [key, base64(readFileSync(this.file(`server/${key}`), 'utf8'))]));
    this.api.put(`/api/v1/namespaces/${namespace}/secrets/${copy}`, { metadata, data } as KubeObject);
  }

  /**
   * Servers that HAProxy sends users to, by section and name, with their ports (management manual, 9.3, `show servers state`).
   * @param section of all of them, where it is not given
   */
  async serversUp(section = ''): Promise<Map<string, string>> {
    const running = '2';
    const text = await runCommand(path.join(this.file('users'), 'worker.sock'), `show servers state ${section}`).catch(() => '');
    const [columns = [], ...rows] = text
      .split('\n')
      .filter((line) => !/^[0-9]*$/.test(line))
      .map((line) => line.replace(/^# /, '').split(' '));
    const of = (row: string[], column: string) => row[columns.indexOf(column)];
    const up = rows.filter(
      (row) => of(row, 'be_name')?.startsWith('be-') && of(row, 'srv_op_state') === running && of(row, 'srv_admin_state') === '0',
    );
    return new Map(up.map((row) => [`${of(row, 'be_name')}/${of(row, 'srv_name')}`, of(row, 'srv_port')!]));
  }

  /** @throws where it does not come, with what the programs said */
  async eventually(what: string, isSo: () => Promise<boolean>, seconds = 30, everyMs = 50): Promise<void> {
    for (const end = Date.now() + seconds * 1000; !(await isSo()); await sleep(everyMs))
      if (Date.now() > end) throw new Error(`not in ${seconds} s: ${what}\n${this.processes.tell()}`);
  }
}

const defaults = `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
`;

const isOk = (port: number, at: string): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}${at}`, { signal: AbortSignal.timeout(2000) }).then(
    ({ ok, body: answer }) => answer!.cancel().then(() => ok),
    () => false,
  );
