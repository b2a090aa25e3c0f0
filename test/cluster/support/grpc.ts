/** gRPC without a library: HTTP/2 calls with trailers, by node. */
import { kubectl } from './kubectl.ts';

/** A gRPC server of one method, in node:http2: answers any call with its host name and status 0. */
export function grpcServer(tls?: { cert: string; key: string }): string {
  return `
    const http2 = require('node:http2'), os = require('node:os');
    const answer = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      const body = Buffer.from(os.hostname()), head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      stream.end(Buffer.concat([head, body]));
    };
    ${tls ? `http2.createSecureServer(${JSON.stringify(tls)}).on('stream', answer).listen(9443)` : `http2.createServer().on('stream', answer).listen(9090)`};
    process.on('SIGTERM', () => process.exit(0));`;
}

/** A Pod in the cluster that has node, or what runs a script with node at an address elsewhere and gives what it printed. */
export type GrpcUser = { namespace: string; name: string } | { run: (source: string) => Promise<string>; localAddress: string };

/** One call: `grpc-status N HOST`. */
export const grpcCall = (user: GrpcUser, url: string, authority: string): Promise<string> => calls(user, url, authority, 1);

/** Calls one after the other, all on one connection. */
export const grpcCalls = async (user: GrpcUser, url: string, authority: string, count: number): Promise<string[]> =>
  (await calls(user, url, authority, count)).trim().split('\n');

function calls(user: GrpcUser, url: string, authority: string, count: number): Promise<string> {
  const from = 'run' in user ? `, localAddress: '${user.localAddress}'` : '';
  const source = `
    const session = require('node:http2').connect('${url}', { rejectUnauthorized: false, servername: '${authority}'${from} });
    session.on('error', (e) => { console.error(e.message); process.exit(1); });
    let timer;
    const next = (left) => {
      if (left === 0) process.exit(0);
      clearTimeout(timer);
      timer = setTimeout(() => process.exit(2), 5000);
      const call = session.request({ ':method': 'POST', ':path': '/test.Echo/Say', ':authority': '${authority}', 'content-type': 'application/grpc', te: 'trailers' });
      let body = Buffer.alloc(0), status;
      call.on('data', (d) => (body = Buffer.concat([body, d]))).on('trailers', (t) => (status = t['grpc-status']));
      call.on('close', () => { console.log('grpc-status', status, body.subarray(5).toString()); next(left - 1); });
      call.end(Buffer.from([0, 0, 0, 0, 0]));
    };
    next(${count});`;
  if ('run' in user) return user.run(source);
  return kubectl('-n', user.namespace, 'exec', user.name, '--', 'node', '-e', source);
}
