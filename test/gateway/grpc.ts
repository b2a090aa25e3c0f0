/** gRPC for tests: HTTP/2 with trailers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createH2, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** A gRPC app without TLS that answers each call with its name. @param isServing what its health service says */
export async function grpcApp(t: TestContext, name: string, isServing = true) {
  const server = createH2();
  const calls: IncomingHttpHeaders[] = [];
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    if (headers[':path'] === '/grpc.health.v1.Health/Check')
      stream.end(Buffer.from(isServing ? '00000000020801' : '00000000020802', 'hex'));
    else {
      calls.push(headers);
      stream.end(name);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, name, calls };
}

/** One unary call. @returns what the app said */
export async function call(session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<string> {
  const stream = session.request({ ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc', te: 'trailers', ...headers });
  let body = '';
  let status: unknown;
  stream.on('trailers', (trailers) => {
    status = trailers['grpc-status'];
  });
  stream.end('call');
  for await (const chunk of stream) body += String(chunk);
  assert.equal(status, '0');
  return body;
}
