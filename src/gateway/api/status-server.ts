/**
 * The state of this replica's members, for the controller and the other replicas: over TLS, with the certificate that
 * replicas have, and for those who know user and password.
 */
import { createServer, type Server } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { Credentials } from '../../frp/server-api.ts';
import { isAuthorized, type ProxyStatus } from './proxy-status.ts';
import { send } from './send.ts';

export interface RefusedService {
  /** namespace/name */
  service: string;
  message: string;
  /** of tunnels; absent: HAProxy does not take the service's configuration */
  reason?: string;
}

export interface StatusApi {
  /** @throws where HAProxy cannot be asked */
  statuses: () => Promise<ProxyStatus[]>;
  /** services that are left out, because HAProxy refuses their configuration, and those whose Pods have wanted too much */
  refusals: () => readonly RefusedService[];
  /** undefined while nobody can be let in */
  credentials: () => Credentials | undefined;
}

/** Without a certificate, until `setSecureContext`: handshakes fail so far. */
export function createStatusServer(api: StatusApi): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    answer(path, request.headers.authorization, api, response).catch((error: Error) => send(response, 503, `${error.message}\n`));
  });
}

async function answer(
  path: string,
  authorization: string | undefined,
  { statuses, refusals, credentials }: StatusApi,
  response: ServerResponse,
): Promise<void> {
  if (!/^\/api\/proxy\/(http|https|tcp|udp)$/.test(path)) return send(response, 404, 'not found; served is /api/proxy/tcp\n');
  if (!isAuthorized(authorization, credentials())) return send(response, 401, 'user and password of Secret frp-server-api are wanted\n');
  const body = path.endsWith('/tcp') ? { proxies: await statuses(), refused: refusals() } : { proxies: [] };
  send(response, 200, JSON.stringify(body), 'application/json');
}
