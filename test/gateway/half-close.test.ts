/**
 * A client that ends its side of a connection and then reads the answer (shutdown(SHUT_WR), as `nc -N` and `ssh -W` do), through
 * the users' HAProxy, frps and frpc: what of it reaches whom.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DistributedServiceSpec } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { freePort } from './haproxy-harness.ts';

/** An app of which either side may end first. */
const app = (serve: (socket: Socket) => void): Server =>
  createServer({ allowHalfOpen: true }, (socket) => serve(socket.on('error', () => {})));

/** More than one buffer of each part. */
const long = 'x'.repeat(4_000_000);

/** Everything that comes until the other side ends or breaks off. @param send what a user does with the connection */
async function received(port: number, send: (socket: Socket) => void): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  send(socket);
  await Promise.race([once(socket, 'end'), once(socket, 'close')]).catch(() => {});
  socket.destroy();
  return text;
}

describe('a connection of which one side ends first, through the gateway', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let last = 0;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway?.close());

  /** @returns the port of users, where it has one */
  async function served(server: Server, spec: Partial<DistributedServiceSpec> = {}): Promise<number> {
    const [name, port] = [`half-${++last}`, await freePort()];
    const pod = { namespace: 'shop', name, uid: `4b2a6c1e-0000-4000-8000-00000000000${last}` };
    const healthCheck = { enabled: false } as const;
    gateway.putService(service(name, { serviceType: 'tcp', expose: { type: 'port', port }, loadBalancing: { healthCheck }, ...spec }));
    gateway.putPod(pod);
    await gateway.sidecar(pod, name, await gateway.listen(server));
    await eventually('it is served', async () =>
      (await gateway.agent!.listing()).proxies.some((proxy) => proxy.name.includes(`.${name}.`) && proxy.status === 'online'),
    );
    return port;
  }

  /** Of the proxy that came last, at frps itself. */
  async function portOfFrps(): Promise<number> {
    const { body } = await gateway.get('/api/proxy/tcp', gateway.ports.frpsApi);
    const { proxies } = JSON.parse(body) as { proxies: { name: string; conf: { remotePort: number } }[] };
    return proxies.find(({ name }) => name.includes(`.half-${last}.`))!.conf.remotePort;
  }

  it('brings to the app all that its client sent, where the client ends right after it', async () => {
    let bytes = 0;
    let hasEnded = false;
    const port = await served(
      app((socket) => socket.on('data', (chunk) => (bytes += chunk.length)).on('end', () => ((hasEnded = true), socket.end()))),
    );
    await received(port, (socket) => socket.end(long));
    await eventually('the app has seen the end', () => hasEnded);
    assert.equal(bytes, long.length);
  });

  it('brings to the client all that the app sent, where the app ends right after it', async () => {
    const port = await served(app((socket) => socket.end(long)));
    assert.equal((await received(port, () => {})).length, long.length);
  });

  it('brings a client that has ended its side no answer of a tcp service: frp ends both sides at once', async () => {
    const server = app((socket) => {
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString())).on('end', () => socket.end(`${text}, all of it`));
    });
    const port = await served(server);
    const half = (of: number) => received(of, (socket) => socket.end('a question'));
    assert.equal(await half((server.address() as AddressInfo).port), 'a question, all of it', 'without a gateway');
    assert.deepEqual([await half(await portOfFrps()), await half(port)], ['', ''], 'by frps alone, and by the gateway');
  });

  it('brings a client that has ended its side the answer of an http service: its request is whole, and HAProxy keeps the end to itself', async () => {
    const answer = (length: number) => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`;
    const expose = { type: 'domain', domain: 'half.example.com' } as const;
    await served(
      app((socket) => socket.once('data', () => void sleep(200).then(() => socket.end(`${answer(long.length)}${long}`)))),
      { serviceType: 'http', expose },
    );
    const request = 'GET / HTTP/1.1\r\nhost: half.example.com\r\nconnection: close\r\n\r\n';
    const text = await received(gateway.ports.http, (socket) => socket.end(request));
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.ok(text.endsWith(long), `${text.length} characters`);
  });
});
