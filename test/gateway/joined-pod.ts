/** A Pod of a cluster that has joined `gateway up`: an app, its sidecar, and what its controller tells of it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAuthority, issue, type Authority } from '../../certs/authority.ts';
import { audience, issuer, Signer } from '../unit/gateway/agent-tokens.ts';
import { serviceItem, type TestCluster } from '../unit/link/joined.ts';
import type { Machine } from './up-harness.ts';

export interface JoinedPod {
  namespace: string;
  name: string;
  uid: string;
  proxy: string;
  port: number;
  signer: Signer;
  /** of its cluster, which has signed its certificate */
  authority: Authority;
  /** Its sidecar shows a certificate of this authority from its next dial on. */
  certifiedBy(authority: Authority): Promise<void>;
  /** Its sidecar believes these authorities of the gateway from its next dial on, as when the kubelet has written them. PEM */
  believes(authorities: string): void;
  /** A second gateway is told of it, and gets a sidecar of its own. @param serverAddr where that gateway is */
  joins(cluster: TestCluster, machine: Pick<Machine, 'root'>, serverAddr: string): void;
  /** Ends its first sidecar and starts it again. */
  restart(): Promise<void>;
  /** Ends its first sidecar, until it is started. */
  stop(): Promise<void>;
  start(): void;
  log(): string;
  end(): void;
}

/** Of the service prod/NAME, at NAME.example.com; the service, the keys and the authority of the cluster are told as well. */
export async function joinedPod(
  machine: Pick<Machine, 'root'>,
  cluster: TestCluster,
  name: string,
  body: string,
  ordinal = 0,
): Promise<JoinedPod> {
  const pod = { namespace: 'prod', name: `${name}-${ordinal}`, uid: `uid-${name}-${ordinal}` };
  const now = Date.now();
  const own = await createAuthority({ lifetimeMs: 86_400_000, now });
  const signer = await Signer.create('home-key');
  const app = createServer((_, response) => response.end(body)).listen(0, '127.0.0.1');
  await once(app, 'listening');
  const { port } = app.address() as AddressInfo;
  const certificate = async (authority: Authority) => {
    const { certPem, keyPem } = await issue(authority, { commonName: pod.name, usages: ['clientAuth'], lifetimeMs: 3_600_000, now });
    return { 'tls.crt': certPem, 'tls.key': keyPem };
  };
  const files = { ...(await certificate(own)), token: await signer.token(pod, { audience }) };
  const proxy = `prod.${name}.01234567.${pod.name}.${pod.uid}`;
  const sidecars: Sidecar[] = [];
  const joins = ({ end: { outbox }, identity }: TestCluster, { root }: Pick<Machine, 'root'>, serverAddr = '127.0.0.1') => {
    outbox.set({ kind: 'authority', key: 'clients', value: { bundle: own.bundlePem } });
    outbox.set({ kind: 'keys', key: 'tokens', value: { issuer, keys: signer.keys.keys as never } });
    outbox.set(serviceItem(name));
    outbox.set({
      kind: 'pod',
      key: pod.uid,
      value: { namespace: pod.namespace, name: pod.name, isReady: true, ip: '10.1.1.1', ports: { [name]: port } },
    });
    const at = join(root, pod.name);
    mkdirSync(at);
    for (const [file, content] of Object.entries({ ...files, 'ca.crt': identity.authorityPem })) writeFileSync(join(at, file), content);
    writeFileSync(join(at, 'frpc.json'), JSON.stringify(frpcConfig(at, { serverAddr, name: proxy, localPort: port })));
    sidecars.push(new Sidecar(at));
  };
  joins(cluster, machine);
  const [first] = sidecars as [Sidecar];
  return {
    ...pod,
    proxy,
    port,
    signer,
    authority: own,
    certifiedBy: async (authority) => {
      for (const [file, content] of Object.entries(await certificate(authority))) writeFileSync(join(first.at, file), content);
    },
    believes: (authorities) => writeFileSync(join(first.at, 'ca.crt'), authorities),
    joins,
    restart: async () => {
      await first.stop();
      first.start();
    },
    stop: () => first.stop(),
    start: () => first.start(),
    log: () => first.log(),
    end: () => {
      for (const sidecar of sidecars) sidecar.end();
      app.close();
      app.closeAllConnections();
    },
  };
}

/** An frpc, by the files of a directory. */
class Sidecar {
  readonly at: string;
  #frpc: ChildProcess;

  constructor(at: string) {
    this.at = at;
    this.#frpc = this.#spawn();
  }

  #spawn(): ChildProcess {
    const output = openSync(join(this.at, 'log'), 'a');
    const frpc = spawn(process.env.FRPC!, ['-c', 'frpc.json'], { cwd: this.at, stdio: ['ignore', output, output] });
    closeSync(output);
    return frpc;
  }

  async stop(): Promise<void> {
    this.#frpc.kill('SIGKILL');
    await once(this.#frpc, 'exit');
  }

  start(): void {
    this.#frpc = this.#spawn();
  }

  log(): string {
    return readFileSync(join(this.at, 'log'), 'utf8');
  }

  end(): void {
    this.#frpc.kill('SIGKILL');
  }
}

const frpcConfig = (at: string, { serverAddr, name, localPort }: { serverAddr: string; name: string; localPort: number }): object => ({
  serverAddr,
  serverPort: 7000,
  loginFailExit: false,
  auth: { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: join(at, 'token') } } } },
  transport: {
    tls: {
      enable: true,
      certFile: join(at, 'tls.crt'),
      keyFile: join(at, 'tls.key'),
      trustedCaFile: join(at, 'ca.crt'),
      serverName: serverAddr,
      disableCustomTLSFirstByte: true,
    },
  },
  proxies: [{ name, type: 'tcp', localIP: '127.0.0.1', localPort, remotePort: 0 }],
});
