/** What users may do to HAProxy: it costs nobody else anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, request, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { app, gateway, member, service, tally, until, view, type Gateway } from './haproxy-harness.ts';

const host = 'web.example.com';
const exposed = (domain: string) => ({ expose: { type: 'domain' as const, domain } });
const at = (name: string, domain: string, port: number) => service(name, exposed(domain), [member(`shop/${name}`, '1', port)]);
/** A change that takes a reload. */
const another = service('other', exposed('other.example.com'), []);

async function listening(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** Asks a host all the time. @returns what ends it, and gives how often each answer came */
function asking(t: TestContext, gw: Gateway, domain: string): () => Promise<Record<string, number>> {
  const answers: string[] = [];
  let isOver = false;
  t.after(() => (isOver = true));
  const load = (async () => {
    while (!isOver) answers.push(await answerOf(gw, domain));
  })();
  return async () => {
    await until(() => answers.length > 20);
    isOver = true;
    await load;
    return tally(answers);
  };
}

const answerOf = (gw: Gateway, domain: string): Promise<string> =>
  gw.http(domain).then(
    ({ status, body }) => `${status} ${body}`,
    () => 'cut off',
  );

test('a hundred users that send slowly and a hundred that read slowly are served in the end, and nobody waits for them', async (t) => {
  const answer = Buffer.alloc(1 << 20, 'a');
  const backend = await app(t, 'web', (request, response) => void response.end(request.url === '/large' ? answer : 'web'));
  const gw = await gateway(t, view(at('web', host, backend.port)));
  const load = asking(t, gw, host);
  const opened = () => {
    const socket = connect(gw.settings.httpPort, '127.0.0.1').on('error', () => {});
    t.after(() => socket.destroy());
    return socket;
  };
  const sender = async () => {
    const socket = opened();
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const closed = once(socket, 'close');
    for (const character of `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`) {
      socket.write(character);
      await sleep(20);
    }
    await closed;
    return /^HTTP\/1\.1 200 [^]*web$/.test(text);
  };
  const reader = async () => {
    const socket = opened();
    let bytes = 0;
    socket.write(`GET /large HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    for await (const chunk of socket) {
      bytes += (chunk as Buffer).length;
      await sleep(10);
    }
    return bytes > answer.length;
  };
  const served = await Promise.all(Array.from({ length: 100 }, () => [sender(), reader()]).flat());
  assert.deepEqual(tally(served.map(String)), { true: 200 });
  assert.deepEqual(Object.keys(await load()), ['200 web']);
});

test('an upload of 100 MB that is under way goes on over a reload, and arrives whole', async (t) => {
  const arriving = Promise.withResolvers<IncomingMessage>();
  const server = createHttpServer((incoming, response) => {
    let bytes = 0;
    incoming.on('end', () => response.end(String(bytes)));
    // Held back until HAProxy has been reloaded.
    void gate.promise.then(() => incoming.on('data', (chunk: Buffer) => (bytes += chunk.length)));
    arriving.resolve(incoming);
  });
  const gate = Promise.withResolvers<void>();
  const web = at('web', host, await listening(t, server));
  const gw = await gateway(t, view(web));
  const size = 100 * 1024 * 1024;
  const upload = request({ port: gw.settings.httpPort, method: 'PUT', headers: { host, 'content-length': size } });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  const sent = (async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'a');
    for (let count = 0; count < 100; count++) if (!upload.write(chunk)) await once(upload, 'drain');
    upload.end();
  })();
  await arriving.promise;
  await gw.apply(view(web, another));
  assert.equal(gw.proxy.reloads, 1);
  assert.equal(upload.writableEnded, false, 'it is still under way');
  gate.resolve();
  await sent;
  const [answer] = await answered;
  assert.equal(answer.statusCode, 200);
  assert.equal(String((await answer.toArray()).join('')), String(size));
});

test('five hundred WebSockets stay over a reload', async (t) => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const accepted = `HTTP/1.1 101 Switching Protocols\r\n${upgrade}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`;
  const echo = createServer((socket) => {
    socket.once('data', () => {
      socket.write(accepted);
      socket.on('data', (data) => socket.write(data));
    });
  });
  const web = at('web', host, await listening(t, echo));
  const gw = await gateway(t, view(web));
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  const said = async (socket: Socket, text: string) => {
    socket.write(text);
    const [data] = (await once(socket, 'data')) as [Buffer];
    return data.toString();
  };
  const sockets = Array.from({ length: 500 }, () => connect(gw.settings.httpPort, '127.0.0.1').on('error', () => {}));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  for (const answer of await Promise.all(
    sockets.map((socket) => said(socket, `GET /ws HTTP/1.1\r\nHost: ${host}\r\n${upgrade}${key}\r\n`)),
  ))
    assert.match(answer, /^HTTP\/1\.1 101 /);
  await gw.apply(view(web, another));
  assert.equal(gw.proxy.reloads, 1);
  const answers = await Promise.all(sockets.map((socket) => said(socket, 'still here')));
  assert.deepEqual(tally(answers), { 'still here': 500 });
});
