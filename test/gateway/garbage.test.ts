/** What apps answer that is no good HTTP: their own users are told so, and it costs nobody else anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { identify } from '../../src/gateway/haproxy/runtime/running.ts';
import { app, gateway, member, service, tally, view, type Gateway } from './haproxy-harness.ts';

const host = 'web.example.com';
const at = (name: string, domain: string, port: number) =>
  service(name, { expose: { type: 'domain', domain } }, [member(`shop/${name}`, '1', port)]);
const head = 'HTTP/1.1 200 OK\r\n';

/** What is answered, and what the user reads of it: a first line, and what comes after the head. */
const garbage: readonly [what: string, answer: (socket: Socket) => void, expected: RegExp][] = [
  ['bytes', (socket) => socket.end(Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167 + 13) % 256))), /^HTTP\/1\.1 502 /],
  ['the end, without a word', (socket) => socket.end(), /^HTTP\/1\.1 502 /],
  ['a reset', (socket) => socket.resetAndDestroy(), /^HTTP\/1\.1 502 /],
  ['half a head', (socket) => socket.end(`${head}Content-Le`), /^HTTP\/1\.1 502 /],
  ['a text', (socket) => socket.end('hello\r\n\r\n'), /^HTTP\/1\.1 502 /],
  ['an alert of TLS', (socket) => socket.end(Buffer.from('15030300020228', 'hex')), /^HTTP\/1\.1 502 /],
  ['the preface of HTTP/2', (socket) => socket.end('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/1\.1 502 /],
  ['a header without a colon', (socket) => socket.end(`${head}hello\r\n\r\n`), /^HTTP\/1\.1 502 /],
  ['a NUL in the name of a header', (socket) => socket.end(`${head}X\0A: a\r\nContent-Length: 0\r\n\r\n`), /^HTTP\/1\.1 502 /],
  ['a head of 1 MB', (socket) => socket.end(`${head}X-A: ${'a'.repeat(1 << 20)}\r\n\r\n`), /^HTTP\/1\.1 502 /],
  ['ten thousand headers', (socket) => socket.end(`${head}${'X-A: a\r\n'.repeat(10_000)}\r\n`), /^HTTP\/1\.1 502 /],
  ['two lengths', (socket) => socket.end(`${head}Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello12`), /^HTTP\/1\.1 502 /],
  ['a length that is none', (socket) => socket.end(`${head}Content-Length: -1\r\n\r\nhello`), /^HTTP\/1\.1 502 /],
  ['less than its length', (socket) => socket.end(`${head}Content-Length: 100\r\n\r\nshort`), /^HTTP\/1\.1 200 [^]*\r\n\r\nshort$/],
  [
    'more than its length',
    (socket) => socket.end(`${head}Content-Length: 5\r\n\r\nhello${head}\r\n`),
    /^HTTP\/1\.1 200 [^]*\r\n\r\nhello$/,
  ],
  ['a chunk that is none', (socket) => socket.end(`${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello`), /^HTTP\/1\.1 (502|200) /],
];

/** All that comes, as the bytes that come: a client of a library would judge them. */
async function read(gw: Gateway, domain: string): Promise<string> {
  const socket = connect(gw.settings.httpPort, '127.0.0.1').on('error', () => {});
  socket.write(`GET / HTTP/1.1\r\nHost: ${domain}\r\nConnection: close\r\n\r\n`);
  let text = '';
  socket.on('data', (data: Buffer) => (text += data.toString('latin1')));
  await once(socket, 'close');
  return text;
}

async function bad(t: TestContext, answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => void socket.on('error', () => {}).once('data', () => answer(socket))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('users of an app that answers with garbage read 502, or no more than came; and nobody else loses a request', async (t) => {
  const services = await Promise.all(
    garbage.map(async ([, answer], index) => at(`bad-${index}`, `${index}.bad.example.com`, await bad(t, answer))),
  );
  const gw = await gateway(t, view(at('web', host, (await app(t, 'web')).port), ...services));
  const worker = async () => (await identify(join(gw.settings.directory, 'worker.sock'))).pid;
  const before = await worker();
  let isOver = false;
  t.after(() => (isOver = true));
  const others: string[] = [];
  const load = (async () => {
    while (!isOver) others.push((await gw.http(host)).body);
  })();
  const asked = garbage.map(async ([what, , expected], index) => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => read(gw, `${index}.bad.example.com`)));
    for (const answer of answers) assert.match(answer.slice(0, 2000), expected, what);
  });
  await Promise.all(asked);
  isOver = true;
  await load;
  assert.deepEqual(Object.keys(tally(others)), ['web']);
  assert.equal(await worker(), before);
});
