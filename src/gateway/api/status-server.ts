/**
 * The state of this replica's members, for the controller and the other replicas, and what people ask of its services: over TLS,
 * with the certificate that replicas have, and for those who know user and password.
 */
import { createServer, type Server } from 'node:https';
import { createServer as createPlainServer, type RequestListener, type Server as PlainServer, type ServerResponse } from 'node:http';
import type { Credentials } from '../../frp/server-api.ts';
import { isAuthorized, type Listing } from './proxy-status.ts';
import type { Inspection } from './inspection.ts';
import { answerTo } from './questions.ts';
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
  listing: () => Promise<Listing>;
  /** services that are left out, because HAProxy refuses their configuration, and those whose Pods have wanted too much */
  refusals: () => readonly RefusedService[];
  inspection: Inspection;
  /** undefined while nobody can be let in */
  credentials: () => Credentials | undefined;
}

/** Without a certificate, until `setSecureContext`: handshakes fail so far. */
export function createStatusServer(api: StatusApi): Server {
  return createServer((request, response) => {
    const { url = '/', headers } = request;
    const answered = isAuthorized(headers.authorization, api.credentials())
      ? answer(url, api, response)
      : Promise.resolve(send(response, 401, 'user and password of Secret frp-server-api are wanted\n'));
    answered.catch((error: Error) => send(response, 503, `${error.message}\n`));
  });
}

/**
 * The same for whoever reaches it: a socket in a directory that nobody else may enter.
 * @param page answers what is not below /api/; absent: nobody
 */
export function createLocalStatusServer(api: Omit<StatusApi, 'credentials'>, page?: RequestListener): PlainServer {
  return createPlainServer((request, response) => {
    if (page && !request.url?.startsWith('/api/')) return void page(request, response);
    answer(request.url ?? '/', api, response).catch((error: Error) => send(response, 503, `${error.message}\n`));
  });
}

async function answer(
  url: string,
  { listing, refusals, inspection }: Omit<StatusApi, 'credentials'>,
  response: ServerResponse,
): Promise<void> {
  const json = (value: unknown) => send(response, 200, JSON.stringify(value), 'application/json');
  const [, kind] = /^\/api\/proxy\/(http|https|tcp|udp)(?:\?|$)/.exec(url) ?? [];
  if (kind !== undefined) return json(kind === 'tcp' ? { ...(await listing()), refused: refusals() } : { proxies: [] });
  const answered = await answerTo(url, inspection);
  if (!answered)
    return send(
      response,
      404,
      'not found; served are /api/proxy/tcp, /api/summary, /api/services/NAMESPACE/NAME, /api/routes?host=NAME and /api/installation\n',
    );
  return answered.status === 200 ? json(answered.value) : send(response, answered.status, `${answered.message}\n`);
}
