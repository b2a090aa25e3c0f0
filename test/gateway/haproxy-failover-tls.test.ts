/** Streams whose TLS ends in the gateway are served by another replica where this one has no backend, by whatever way users came. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { both, certificate, type Pair } from './certificates.ts';
import { freePort, member, service, until, view } from './haproxy-harness.ts';
import { addresses, replicas } from './replicas-harness.ts';

const [first, second] = addresses;

interface Backend {
  port: number;
  /** PROXY protocol headers that it got */
  headers: string[];
}

/** A backend of a tcp service that wants a PROXY protocol header: it answers a line with its name and that line. */
async function lines(t: TestContext, name: string): Promise<Backend> {
  const headers: string[] = [];
  const server = createServer((socket) => {
    let text = '';
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        text += data.toString('latin1');
        const [header = '', line] = text.split('\r\n');
        if (!line?.endsWith('\n')) return;
        headers.push(header);
        socket.end(`${name} ${line}`);
      });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, headers };
}

/** A backend of a service whose TLS passes through: it answers a line with its name and that line. */
async function tlsLines(t: TestContext, name: string, { cert, key }: Pair): Promise<number> {
  const server = createTlsServer({ cert, key }, (socket) => {
    socket.on('error', () => undefined).once('data', (data: Buffer) => socket.end(`${name} ${data.toString()}`));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What a service says to a line of text inside TLS; empty where it closes the connection. */
async function ask(pair: Pair, options: ConnectionOptions & { port: number; localAddress?: string }): Promise<string> {
  const socket = connectTls({ host: first, ca: pair.cert, servername: 'db.example.com', ...options });
  let text = '';
  socket.on('error', () => undefined).on('data', (data: Buffer) => (text += data.toString()));
  socket.write('hello\n');
  await new Promise((closed) => socket.once('close', closed));
  return text.trim();
}

const expose = { proxyProtocol: 'v1' as const, tls: { secretName: 'db', redirect: false } };
const checked = { healthCheck: { type: 'tcp' as const, interval: '1s', timeout: '1s' } };

test('a stream at a port whose TLS ends here is handed over decrypted inside the replicas’ TLS, with the address of its user, and not in circles', async (t) => {
  const pair = certificate(t, 'db.example.com');
  const [port, lost] = [await freePort(), await freePort()];
  const there = await lines(t, 'there');
  const at = (name: string, where: number, members: Parameters<typeof service>[2]) =>
    service(name, { serviceType: 'tcp', expose: { type: 'port', port: where, ...expose }, loadBalancing: checked }, members, {
      certificate: both(pair),
    });
  const [a, b] = await replicas(t, [
    view(at('db', port, []), at('lost', lost, [])),
    view(at('db', port, [member('shop/db', 'x', there.port)]), at('lost', lost, [])),
  ]);
  await until(async () => (await ask(pair, { port, host: second })) === 'there hello');
  await until(async () => (await ask(pair, { port, localAddress: '127.0.0.9' })) === 'there hello');
  assert.match(there.headers.at(-1)!, new RegExp(`^PROXY TCP4 127.0.0.9 127.0.0.2 [0-9]+ ${port}$`));
  assert.equal(await ask(pair, { port: lost }), '');
  await Promise.all([a.settled(), b.settled()]);
});

test('streams that are told apart by server name are handed over, whether their TLS ends here or passes through', async (t) => {
  const pair = certificate(t, 'db.example.com');
  const there = await lines(t, 'there');
  const at = (name: string, domain: string, members: Parameters<typeof service>[2]) =>
    service(name, { serviceType: 'tcp', expose: { type: 'domain', domain, ...expose }, loadBalancing: checked }, members, {
      certificate: both(pair),
    });
  const through = await tlsLines(t, 'through', pair);
  const services = (own: boolean) =>
    view(
      service(
        'through',
        { serviceType: 'tcp', expose: { type: 'domain', domain: 'through.db.example.com' }, loadBalancing: checked },
        own ? [member('shop/through', 'x', through)] : [],
      ),
      at('db', 'db.example.com', own ? [member('shop/db', 'x', there.port)] : []),
      at('wild', '*.db.example.com', own ? [member('shop/wild', 'x', there.port)] : []),
      at('lost', 'lost.example.com', []),
    );
  const [a, b] = await replicas(t, [services(false), services(true)]);
  const port = a.settings.httpsPort;
  const checkServerIdentity = () => undefined;
  await until(async () => (await ask(pair, { port, host: second })) === 'there hello');
  await until(async () => (await ask(pair, { port, localAddress: '127.0.0.9' })) === 'there hello');
  assert.match(there.headers.at(-1)!, new RegExp(`^PROXY TCP4 127.0.0.9 127.0.0.2 [0-9]+ ${port}$`));
  await until(async () => (await ask(pair, { port, servername: 'eu.db.example.com', checkServerIdentity })) === 'there hello');
  await until(async () => (await ask(pair, { port, servername: 'through.db.example.com', checkServerIdentity })) === 'through hello');
  assert.equal(await ask(pair, { port, servername: 'lost.example.com', checkServerIdentity }), '');
  await Promise.all([a.settled(), b.settled()]);
});
