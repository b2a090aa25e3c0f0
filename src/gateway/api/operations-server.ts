/** The agent's port for the kubelet and Prometheus. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from '@prometheus-io/client';
import type { Readiness } from '../../process/readiness.ts';
import { send } from './send.ts';

export interface GatewayOperations {
  /** what HAProxy needs to start is written */
  hasStarted: () => boolean;
  readiness: Readiness;
  registry: Registry;
}

export function createGatewayOperations(operations: GatewayOperations): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    answer(path, operations, response).catch((error: Error) => send(response, 503, `${error.message}\n`));
  });
}

async function answer(path: string, { hasStarted, readiness, registry }: GatewayOperations, response: ServerResponse): Promise<void> {
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
    default:
      return send(response, 404, 'not found; served are /healthz, /startedz, /readyz and /metrics\n');
  }
}
