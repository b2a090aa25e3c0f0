import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { proxyHeader, takeHeader, type Ends } from '../../../src/gateway/replicas/proxy-protocol.ts';

const ports = { sourcePort: 56_324, destinationPort: 443 };

test('the header of an IPv4 connection is the one of the specification', () => {
  const header = proxyHeader({ source: '192.168.0.1', destination: '192.168.0.11', ...ports });
  assert.equal(header.toString('hex'), '0d0a0d0a000d0a515549540a' + '2111000c' + 'c0a80001' + 'c0a8000b' + 'dc0401bb');
});

test('IPv6 addresses take 16 bytes each, however they are written', () => {
  const header = proxyHeader({ source: '2001:db8::1:0:7', destination: '::ffff:192.0.2.1', ...ports });
  assert.equal(
    header.toString('hex'),
    '0d0a0d0a000d0a515549540a' + '21210024' + '20010db8000000000000000100000007' + '00000000000000000000ffffc0000201' + 'dc0401bb',
  );
  const whole = proxyHeader({ source: '1:2:3:4:5:6:7:8', destination: '::1', ...ports });
  assert.equal(whole.subarray(16, 48).toString('hex'), '00010002000300040005000600070008' + '0'.repeat(31) + '1');
});

/** What is taken of a connection that brings these pieces and ends, and what follows. */
async function take(pieces: readonly Buffer[]): Promise<{ ends: Ends | undefined; rest: string }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  const socket = await accepted;
  const taken = takeHeader(socket);
  for (const piece of pieces) await new Promise((resolve) => client.write(piece, () => setImmediate(resolve)));
  client.end();
  const ends = await taken;
  let rest = '';
  if (ends) for await (const piece of socket) rest += String(piece);
  socket.destroy();
  client.destroy();
  server.close();
  return { ends, rest };
}

test('a header is taken from a connection, in whatever pieces it comes, and nothing of what follows', async () => {
  const four: Ends = { source: '192.168.0.1', destination: '192.168.0.11', ...ports };
  const six: Ends = { source: '2001:0db8:0000:0000:0000:0001:0000:0007', destination: '0000:0000:0000:0000:0000:0000:0000:0001', ...ports };
  for (const ends of [four, six])
    for (const uniqueId of [undefined, '443']) {
      const all = Buffer.concat([proxyHeader(ends, uniqueId), Buffer.from('what follows')]);
      assert.deepEqual(await take([all]), { ends, rest: 'what follows' });
      assert.deepEqual(await take(Array.from(all, (byte) => Buffer.from([byte]))), { ends, rest: 'what follows' });
    }
});

test('who ends within a header, or has none of a TCP connection, is nobody', async () => {
  const header = proxyHeader({ source: '192.168.0.1', destination: '192.168.0.11', ...ports });
  const local = Buffer.from(header).fill(0x20, 12, 13);
  const short = Buffer.from(header).fill(3, 15, 16);
  for (const bytes of [Buffer.alloc(0), header.subarray(0, 7), header.subarray(0, 20), Buffer.alloc(64, 'GET / '), local, short])
    assert.equal((await take([bytes])).ends, undefined);
});
