/** frpc's files, as the injector and the controller give them to a sidecar. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { issue, type Authority } from '../../certs/authority.ts';
import type { Pod, Signer, TokenOptions } from '../unit/gateway/agent-tokens.ts';

const hour = 3_600_000;

export interface SidecarInput {
  /** where the sidecar gets a directory of its own */
  parent: string;
  pod: Pod;
  service: string;
  /** of the app */
  port: number;
  /** of the tunnels */
  serverPort: number;
  authority: Authority;
  signer: Signer;
}

/** Of its token and its configuration, as an attacker would have them. */
export interface Overrides {
  token?: TokenOptions;
  proxy?: object;
  client?: object;
  /** of its certificate; default an hour */
  lifetimeMs?: number;
}

/** @returns path of frpc's configuration */
export async function sidecarFiles(
  { parent, pod, service, port, serverPort, authority, signer }: SidecarInput,
  { token = {}, lifetimeMs = hour, ...overrides }: Overrides,
): Promise<string> {
  const directory = join(parent, pod.uid);
  await mkdir(directory, { recursive: true });
  const now = Date.now();
  const certificate = await issue(authority, {
    commonName: `${service}.${pod.namespace}`,
    usages: ['clientAuth'],
    lifetimeMs,
    now,
  });
  const file = (name: string) => join(directory, name);
  const config = {
    serverAddr: '127.0.0.1',
    serverPort,
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
    writeFile(file('ca.crt'), authority.bundlePem),
    writeFile(file('frpc.json'), JSON.stringify(config)),
  ]);
  return file('frpc.json');
}
