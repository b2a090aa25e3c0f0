/**
 * One backend, two judges: frpc's own health check, which counts on a plain frp server, and HAProxy's, which counts behind
 * the gateway. Each judge has apps of its own that do the same, so that it is known when it has asked them often enough.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { configSchema } from '../../src/config/schema.ts';
import { proxiesOf } from '../../src/frp/client-config.ts';
import { ownerOf } from '../../src/frp/proxy-names.ts';
import { askServerApi } from '../../src/frp/server-api.ts';
import { toFrpJson } from '../../src/frp/template.ts';
import { countsAllFailures } from '../../src/frp/versions.ts';
import { backendName } from '../../src/gateway/haproxy/index.ts';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { service as plainService } from '../support/services.ts';
import { directory, freePort, gateway, member, service, until, view } from './haproxy-harness.ts';

type Verdict = 'up' | 'down';
type HealthCheck = NonNullable<NonNullable<DistributedServiceSpec['loadBalancing']>['healthCheck']>;

interface App {
  /** undefined: nobody listens */
  make: (() => Server) | undefined;
  type?: 'http' | 'tcp';
  more?: HealthCheck;
  expose?: DistributedServiceSpec['expose'];
  /** by both */
  verdict: Verdict;
  /** where the plain server's differs all the same, as the guide says */
  plain?: Verdict;
}

const answers = (handle: RequestListener) => () => createHttpServer(handle);
const status = (code: number, headers: Record<string, string> = {}) => answers((_, response) => response.writeHead(code, headers).end());
const takes = (handle: (socket: Socket) => void) => () => createTcpServer((socket) => handle(socket.on('error', () => undefined)));
const onlyFor = (wanted: string) => answers(({ headers }, response) => response.writeHead(headers.host === wanted ? 200 : 403).end());
/** Leads from /health to this, which answers with a status. */
const leads = (code: number, location: string, then: number) =>
  answers(({ url }, response) => (url === '/health' ? response.writeHead(code, { location }) : response.writeHead(then)).end());

/** Every second answer is a failure. */
const flaps = () => {
  let asked = 0;
  return answers((_, response) => response.writeHead(asked++ % 2 === 0 ? 200 : 500).end())();
};

const apps: Record<string, App> = {
  'answers-200': { make: status(200), verdict: 'up' },
  'answers-204': { make: status(204), verdict: 'up' },
  'leads-301': { make: leads(301, '/login', 200), verdict: 'up' },
  'leads-302': { make: leads(302, '/login', 200), verdict: 'up' },
  'leads-303': { make: leads(303, '/login', 200), verdict: 'up' },
  'leads-307': { make: leads(307, '/login', 200), verdict: 'up' },
  'leads-308': { make: leads(308, '/login', 200), verdict: 'up' },
  'leads-to-failure': { make: leads(302, '/login', 500), verdict: 'up', plain: 'down' },
  'leads-astray': { make: leads(302, 'http://127.0.0.1:1/', 200), verdict: 'up', plain: 'down' },
  'answers-300': { make: status(300), verdict: 'down' },
  'answers-304': { make: status(304), verdict: 'down' },
  'answers-401': { make: status(401), verdict: 'down' },
  'answers-404': { make: status(404), verdict: 'down' },
  'answers-429': { make: status(429), verdict: 'down' },
  'answers-500': { make: status(500), verdict: 'down' },
  'answers-503': { make: status(503), verdict: 'down' },
  'by-host': { make: onlyFor('by-host.example.com'), verdict: 'up' },
  'by-wildcard': { make: onlyFor('health.wild.example.com'), expose: { domain: '*.wild.example.com' }, verdict: 'up' },
  'by-port': { make: onlyFor('localhost'), expose: { type: 'port', domain: 'by-port.example.com', port: 0 }, verdict: 'up' },
  'by-rewritten-host': { make: onlyFor('localhost:11434'), expose: { hostHeader: 'localhost:11434' }, verdict: 'up' },
  'by-another-host': { make: onlyFor('another.example.com'), verdict: 'down' },
  'by-program': {
    make: answers(({ headers }, response) => response.writeHead(headers['user-agent'] === 'frp-k8s-health' ? 200 : 403).end()),
    verdict: 'up',
  },
  'by-query': {
    make: answers(({ url }, response) => response.writeHead(url === '/live?q=%20' ? 200 : 404).end()),
    more: { path: '/live?q=%20' },
    verdict: 'up',
  },
  slow: { make: answers(() => undefined), verdict: 'down' },
  'body-never-ends': { make: answers((_, response) => void response.writeHead(200).write('a')), verdict: 'up' },
  'says-nothing': { make: takes(() => undefined), verdict: 'down' },
  closes: { make: takes((socket) => socket.end()), verdict: 'down' },
  'no-http': { make: takes((socket) => socket.write('SSH-2.0-x\r\n')), verdict: 'down' },
  nobody: { make: undefined, verdict: 'down' },
  'tcp-waits': { make: takes(() => undefined), type: 'tcp', verdict: 'up' },
  'tcp-greets': { make: takes((socket) => socket.write('SSH-2.0-x\r\n')), type: 'tcp', verdict: 'up' },
  'tcp-nobody': { make: undefined, type: 'tcp', verdict: 'down' },
  'tcp-closes': { make: takes((socket) => socket.end()), type: 'tcp', verdict: 'down', plain: 'up' },
  'tcp-of-http': { make: status(500), more: { type: 'tcp' }, verdict: 'up' },
  'http-of-tcp': { make: status(200), type: 'tcp', more: { type: 'http' }, verdict: 'up' },
};

/** One of each app. @returns its port, and how often it was asked, by name */
async function startApps(t: TestContext, apps: Record<string, App>): Promise<Record<string, { port: number; asked: () => number }>> {
  const started = Object.entries(apps).map(async ([name, { make, more = {} }]) => {
    if (!make) return [name, { port: await freePort(), asked: () => Infinity }] as const;
    const server = make();
    const sockets = new Set<Socket>();
    let asked = 0;
    server.on('connection', (socket: Socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
    // frpc keeps a connection for the next request.
    server.on(server instanceof HttpServer && more.type !== 'tcp' ? 'request' : 'connection', () => asked++);
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return [name, { port: (server.address() as AddressInfo).port, asked: () => asked }] as const;
  });
  return Object.fromEntries(await Promise.all(started));
}

/** @param firstPort of those that the server gives its users */
function specOf(name: string, { type = 'http', more = {}, expose }: App, firstPort: number): Partial<DistributedServiceSpec> {
  const port = firstPort + Math.max(0, Object.keys(apps).indexOf(name));
  return {
    serviceType: type,
    expose: { ...(type === 'http' ? { domain: `${name}.example.com` } : { type: 'port' }), ...expose, port },
    loadBalancing: { healthCheck: { type, path: '/health', interval: '2s', timeout: '1s', failureThreshold: 1, ...more } },
  };
}

/** Who is online at an frps, by the health checks of an frpc. */
async function frpc(t: TestContext, apps: Record<string, App>, ports: Record<string, { port: number }>): Promise<() => Promise<string[]>> {
  const [port, users, api] = [await freePort(), await freePort(), await freePort()];
  const credentials = { user: 'admin', password: 'admin' };
  const config = configSchema.parse({});
  const proxies = Object.entries(ports).flatMap(([name, { port: localPort }]) =>
    proxiesOf(
      {
        service: plainService(name, specOf(name, apps[name]!, 29_100)),
        namespace: 'shop',
        localIP: '127.0.0.1',
        localPort,
        member: ['m-0', '.', 'u-0'],
      },
      config,
    ),
  );
  const at = directory(t);
  const start = (program: string, settings: object) => {
    const file = join(at, `${Object.keys(settings).includes('bindPort') ? 'frps' : 'frpc'}.json`);
    writeFileSync(file, toFrpJson(settings));
    const child = spawn(program, ['-c', file], { stdio: 'ignore', env: { FRP_GROUP_KEY: 'key' } });
    t.after(() => child.kill('SIGKILL'));
  };
  start(process.env.FRPS!, {
    bindAddr: '127.0.0.1',
    bindPort: port,
    vhostHTTPPort: users,
    webServer: { addr: '127.0.0.1', port: api, ...credentials },
  });
  start(process.env.FRPC!, { serverAddr: '127.0.0.1', serverPort: port, loginFailExit: false, proxies });
  const listed = async (kind: string) => {
    const url = new URL(`/api/proxy/${kind}`, `http://127.0.0.1:${api}`);
    return (
      (await askServerApi(url, { credentials, signal: AbortSignal.timeout(5000) })) as { proxies: { name: string; status: string }[] }
    ).proxies;
  };
  await until(() =>
    listed('http').then(
      () => true,
      () => false,
    ),
  );
  return async () =>
    [...(await listed('http')), ...(await listed('tcp'))]
      .filter(({ status }) => status === 'online')
      .map(({ name }) => ownerOf(name, undefined)!.service.replace('shop/', ''));
}

/** Both judges at work. `found`: their verdicts now; `leastAsked`: how often the app was asked that was asked least */
async function judge(t: TestContext, apps: Record<string, App>) {
  const [ofFrpc, ofGateway] = [await startApps(t, apps), await startApps(t, apps)];
  const online = await frpc(t, apps, ofFrpc);
  const served = Object.entries(apps).map(([name, app]) =>
    service(name, specOf(name, app, 29_200), [member(`shop/${name}`, 'm', ofGateway[name]!.port)]),
  );
  const gw = await gateway(t, view(...served));
  const verdictsOf = (isUp: (name: string) => boolean) =>
    Object.fromEntries(Object.keys(apps).map((name): [string, Verdict] => [name, isUp(name) ? 'up' : 'down']));
  return {
    found: async () => {
      const names = await online();
      const states = new Map((await gw.proxy.states()).map(({ backend, status }) => [backend, status]));
      return {
        frpc: verdictsOf((name) => names.includes(name)),
        gateway: verdictsOf((name) => states.get(backendName(`shop/${name}`)) === 'up'),
      };
    },
    leastAsked: () => Math.min(...[ofFrpc, ofGateway].flatMap((all) => Object.values(all).map(({ asked }) => asked()))),
  };
}

test('frpc and the gateway judge the same app alike, but where the guide says that they do not', { timeout: 60_000 }, async (t) => {
  const { found, leastAsked } = await judge(t, apps);
  // Three times: an app that is out has been found so, and stays out.
  await until(() => leastAsked() >= 3);
  const wanted = {
    frpc: Object.fromEntries(Object.entries(apps).map(([name, { verdict, plain = verdict }]) => [name, plain])),
    gateway: Object.fromEntries(Object.entries(apps).map(([name, { verdict }]) => [name, verdict])),
  };
  let last = await found();
  for (let looks = 0; looks < 200 && !isDeepStrictEqual(last, wanted); looks++) {
    await sleep(20);
    last = await found();
  }
  assert.deepEqual(last, wanted);
});

test(
  'of failures that successes lie between, frpc forgets none and the gateway all, as the warning says',
  { timeout: 60_000 },
  async (t) => {
    assert.ok(countsAllFailures('docker.io/fatedier/frpc:v0.71.0'), 'with a newer frpc, see whether it is mended');
    const flapping: App = { make: flaps, more: { failureThreshold: 2, interval: '1s', timeout: '1s' }, verdict: 'up' };
    const { found, leastAsked } = await judge(t, { flapping });
    await until(async () => Object.values(await found()).every((verdicts) => verdicts.flapping === 'up'));
    const seen = { frpc: new Set<Verdict>(), gateway: new Set<Verdict>() };
    while (leastAsked() < 8) {
      const now = await found();
      seen.frpc.add(now.frpc.flapping!);
      seen.gateway.add(now.gateway.flapping!);
      await sleep(20);
    }
    assert.deepEqual({ frpc: [...seen.frpc], gateway: [...seen.gateway] }, { frpc: ['up', 'down'], gateway: ['up'] });
  },
);
