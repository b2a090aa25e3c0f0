/** A plain frps, and sidecars as the webhook injects them, each run by its own command as the kubelet would. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type * as z from 'zod';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema } from '../../src/config/schema.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { decidePod } from '../../webhooks/pods/decide.ts';
import type { Pod } from '../../webhooks/pods/pod.ts';
import { service, storeOf } from '../support/services.ts';
import { directory, freePort, until } from './haproxy-harness.ts';

const frps = process.env.FRPS!;
const frpc = process.env.FRPC!;
export const token = 's3cret of the club';
export const credentials = { user: 'admin', password: 'admin' };

/** An frps as somebody else runs it. @param more of its configuration */
export async function startServer(t: TestContext, more: object = {}) {
  const [port, users, api] = [await freePort(), await freePort(), await freePort()];
  const at = directory(t);
  const settings = {
    bindAddr: '127.0.0.1',
    bindPort: port,
    vhostHTTPPort: users,
    auth: { token },
    webServer: { addr: '127.0.0.1', port: api, ...credentials },
    ...more,
  };
  writeFileSync(join(at, 'frps.json'), JSON.stringify(settings));
  const child = spawn(frps, ['-c', join(at, 'frps.json')], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  // An frpc that comes before it tries again after two seconds.
  await until(() => isOpen(port));
  return { port, users, api: `http://127.0.0.1:${api}` };
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => (socket.destroy(), resolve(true)));
    socket.on('error', () => resolve(false));
  });

export async function startApp(t: TestContext, answer: RequestListener = (incoming, to) => to.end(`app ${incoming.url}`)): Promise<number> {
  const app = createServer(answer).listen(0, '127.0.0.1');
  await once(app, 'listening');
  t.after(() => (app.close(), app.closeAllConnections()));
  return (app.address() as AddressInfo).port;
}

export type FrpsKeys = NonNullable<z.input<typeof configSchema>['frps']>;

/** A service of Host `<name>.example.com` that nobody checks. */
export const unchecked = (name: string): DistributedService =>
  service(name, { expose: { domain: `${name}.example.com` }, loadBalancing: { healthCheck: { enabled: false } } });

export interface Joined {
  service: DistributedService;
  /** of the app; absent for a service with several */
  port?: number;
}

/**
 * What the webhook makes of a Pod, run where the kubelet would: its command, with the files that its volumes have.
 * @param files beside the keys of groups; of a single group that is there already
 */
export async function startSidecar(
  t: TestContext,
  keys: FrpsKeys,
  files: Record<string, string>,
  { groups, pod: podName = 'web-0' }: { groups?: Joined[]; pod?: string } = {},
) {
  const config = configSchema.parse({ frps: { address: '127.0.0.1', ...keys } });
  const joined = groups ?? [{ service: unchecked('web'), port: await startApp(t) }];
  const names = joined.map(({ service: each }) => each.metadata.name);
  const ports = joined.flatMap(({ port }, index) => (port === undefined ? [] : [[`frp.io/port.${names[index]}`, String(port)]]));
  const pod: Pod = {
    metadata: { annotations: { 'frp.io/group': names.join(), ...(Object.fromEntries(ports) as Record<string, string>) } },
    spec: { containers: [{ name: 'app', image: 'app:1' }] },
  };
  const services = storeOf(...joined.map(({ service: each }) => each));
  const decision = decidePod(pod, { namespace: 'shop', services, config, selectorMode: false });
  const { metadata, spec } = jsonpatch.applyPatch(structuredClone(pod), decision.patch as Operation[], true).newDocument as Required<Pod>;
  const [container] = spec!.initContainers!;
  const at = directory(t);
  const inPlace = (text: string) =>
    text.replaceAll('/etc/frp', at).replaceAll('/etc/ssl/certs/ca-certificates.crt', join(at, 'well-known'));
  const give = (all: Record<string, string>) =>
    Object.entries(all).forEach(([name, text]) => writeFileSync(join(at, name === 'well-known' ? name : `certs/${name}`), text));
  mkdirSync(join(at, 'certs'));
  mkdirSync(join(at, 'bin'));
  symlinkSync(frpc, join(at, 'bin/frpc'));
  writeFileSync(join(at, 'frpc.json'), inPlace(metadata!.annotations!['frp.io/frpc.json']!));
  give({ ...(joined.length === 1 && { 'group.key': 'key of the group' }), ...files });
  // As Kubernetes reads a command.
  const [, ...rest] = (container!.command as string[]).map((text) => inPlace(text).replaceAll('$$', () => '$'));
  const listed = Object.fromEntries((container!.env ?? []).map(({ name, value }) => [name, value]));
  const env = {
    PATH: `${join(at, 'bin')}:/usr/bin:/bin`,
    POD_NAME: podName,
    POD_UID: `u-${podName}`,
    FRP_GROUP: listed.FRP_GROUP,
    LOCAL_SERVICE_PORT: listed.LOCAL_SERVICE_PORT,
  };
  const child = spawn('/bin/sh', rest, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  // With all that the shell has started, as a container ends.
  const end = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // It has ended before.
    }
  };
  t.after(end);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return { give, child, end, said: () => said };
}
