/** The way to the gateway by a proxy, and what is said of one that does not do what it should. */
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { throughProxy } from '../../../src/link/proxy.ts';
import { proxyWith } from '../../../src/net/proxy-url.ts';
import { httpProxy, socksProxy } from '../../support/proxies.ts';
import { joinAs, startCluster, startGateway, until } from './joined.ts';

/** Characters that a URL, a header or a colon would break. */
const credentials = { user: 'me@home', password: 'a:b/c%41"é' };
const address = 'gateway.invalid:443';

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

for (const [scheme, start] of [
  ['http', httpProxy],
  ['socks5', socksProxy],
] as const)
  test(`a cluster joins and holds its link by a proxy, which alone knows the gateway’s name: ${scheme}`, async (t) => {
    const gateway = await startGateway();
    t.after(() => gateway.close());
    const to = () => ({ host: '127.0.0.1', port: gateway.port });
    const open = await start({ to });
    const closed = await start({ to, wants: `${credentials.user}:${credentials.password}` });
    t.after(() => [open, closed].forEach((proxy) => proxy.close()));
    const token = await gateway.token('home', { addresses: [address] });
    const refusal = async (url: string): Promise<string> => {
      const error = await joinAs(token, url).catch((problem: Error & { reason: string }) => problem);
      assert.ok('reason' in error && error.reason === 'ProxyFailed');
      assert.doesNotMatch(error.message, /a:b|a%3Ab/);
      return error.message;
    };
    assert.match(
      await refusal(closed.url),
      /^gateway\.invalid:443: the proxy 127\.0\.0\.1:[0-9]+ .*wants a user and a password; name a Secret/,
    );
    assert.match(
      await refusal(proxyWith(closed.url, { ...credentials, password: 'b' })),
      /does not take the user and password of gateway\.proxySecret/,
    );
    const url = proxyWith(closed.url, credentials);
    const identity = await joinAs(token, url);
    const cluster = startCluster({ ...identity, addresses: [address] }, { proxy: () => url });
    t.after(() => cluster.close());
    await until(() => cluster.link.state.isUp, 'the link');
    assert.deepEqual(new Set(closed.asked), new Set([address]));
    await joinAs(await gateway.token('other', { addresses: [address] }), open.url);
  });

test('what a proxy does instead of its work is said in words', async (t) => {
  const port = await listening(t, createServer());
  const said = (url: string, timeoutMs = 20_000) =>
    throughProxy(url, address, new AbortController().signal, timeoutMs).then(
      () => 'a connection',
      ({ message }: Error) => message.replace(/^.*\(gateway\.proxyURL\) /, ''),
    );
  const answering = async (answer: (socket: Socket) => void) => {
    const server = createServer((socket) => void socket.on('error', () => {}).once('data', () => answer(socket)));
    return `127.0.0.1:${await listening(t, server)}`;
  };
  const status = async (code: number) => `http://${await answering((socket) => void socket.end(`HTTP/1.1 ${code} Word\r\n\r\n`))}`;
  assert.match(await said(await status(403)), /^answers 403: it does not let this address through$/);
  assert.match(await said(await status(503)), /^answers 503: it cannot reach this address itself$/);
  const garbage = await answering((socket) => void socket.end('220 mail.example.com ESMTP\r\n'.repeat(100)));
  assert.equal(await said(`http://${garbage}`), 'answers something else than HTTP');
  assert.equal(await said(`socks5://${garbage}`), 'answers something else than SOCKS 5');
  const hasty = await answering((socket) => void socket.destroy());
  const web = createHttpServer((_, response) => response.end('a page'));
  for (const scheme of ['http', 'socks5']) {
    assert.match(await said(`${scheme}://${hasty}`), /^ends the connection without an answer$/);
    assert.match(await said(`${scheme}://127.0.0.1:${port}`, 300), /^does not answer in 0 s$/);
  }
  assert.match(await said(`http://127.0.0.1:${await listening(t, web)}`), /^ends the connection without an answer$/);
  // One byte now and then is no answer either.
  const slow = await answering((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX-Slow: ');
    const timer = setInterval(() => socket.write('x'), 50);
    socket.on('close', () => clearInterval(timer));
  });
  assert.match(await said(`http://${slow}`, 500), /^does not answer in /);
  assert.match(await said('http://127.0.0.1:1'), /^cannot be reached: .*ECONNREFUSED/);
  const refusing = await answering((socket) => {
    socket.once('data', () => void socket.end(Buffer.from([5, 2, 0, 1])));
    socket.write(Buffer.from([5, 0]));
  });
  assert.equal(await said(`socks5://${refusing}`), 'refuses: it does not let this address through');
});
