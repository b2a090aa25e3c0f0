/** The plain port for kubelet and Prometheus: /healthz, /readyz, /metrics. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import type { Readiness } from './readiness.ts';

export interface OperationsServer {
  readonly server: Server;
  /** @returns the port, which differs from the wanted one when that is 0 */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

export function createOperationsServer(readiness: Readiness, registry: Registry): OperationsServer {
  const server = createServer((request, response) => {
    void answer((request.url ?? '/').split('?', 1)[0]!, readiness, registry, response);
  });
  return {
    server,
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => resolve((server.address() as { port: number }).port));
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(path: string, readiness: Readiness, registry: Registry, response: ServerResponse): Promise<void> {
  switch (path) {
    case '/healthz':
      // That the event loop answers is all that a restart could mend.
      return send(response, 200, 'ok\n');
    case '/readyz': {
      const { ready, text } = readiness.report();
      return send(response, ready ? 200 : 503, text);
    }
    case '/metrics':
      try {
        return send(response, 200, await registry.metrics(), registry.contentType);
      } catch (error) {
        return send(response, 500, `metrics failed: ${(error as Error).message}\n`);
      }
    default:
      return send(response, 404, 'not found; served are /healthz, /readyz and /metrics\n');
  }
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
