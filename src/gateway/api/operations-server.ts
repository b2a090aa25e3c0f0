/** The agent's port for the kubelet, Prometheus, the controller and the other replicas. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import type { Readiness } from '../../process/readiness.ts';
import type { Credentials } from '../../frp/server-api.ts';
import type { Refusal } from '../haproxy/index.ts';
import { isAuthorized, type ProxyStatus } from './proxy-status.ts';

export interface GatewayOperations {
  /** what HAProxy needs to start is written */
  hasStarted: () => boolean;
  readiness: Readiness;
  registry: Registry;
  /** @throws where HAProxy cannot be asked */
  statuses: () => Promise<ProxyStatus[]>;
  /** services that are left out, because HAProxy refuses their configuration */
  refusals: () => readonly Refusal[];
  credentials: () => Credentials | undefined;
}

export function createGatewayOperations(operations: GatewayOperations): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    answer(path, request.headers.authorization, operations, response).catch((error: Error) => send(response, 503, `${error.message}\n`));
  });
}

async function answer(
  path: string,
  authorization: string | undefined,
  { hasStarted, readiness, registry, statuses, refusals, credentials }: GatewayOperations,
  response: ServerResponse,
): Promise<void> {
  switch (path) {
    case '/healthz':
      return send(response, 200, 'ok\n');
    case '/startedz':
      return hasStarted() ? send(response, 200, 'ok\n') : send(response, 503, readiness.report().text);
    case '/readyz': {
      const { ready, text } = readiness.report();
      return send(response, ready ? 200 : 503, text);
    }
    case '/metrics':
      return send(response, 200, await registry.metrics(), registry.contentType);
    case '/api/proxy/http':
    case '/api/proxy/https':
    case '/api/proxy/udp':
    case '/api/proxy/tcp': {
      if (!isAuthorized(authorization, credentials()))
        return send(response, 401, 'user and password of Secret frp-server-api are wanted\n');
      const isTcp = path.endsWith('/tcp');
      const body = isTcp ? { proxies: await statuses(), refused: refusals() } : { proxies: [] };
      return send(response, 200, JSON.stringify(body), 'application/json');
    }
    default:
      return send(response, 404, 'not found; served are /healthz, /startedz, /readyz, /metrics and /api/proxy/tcp\n');
  }
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
