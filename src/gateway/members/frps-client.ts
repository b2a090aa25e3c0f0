/** frps' own API on loopback (frp server/http): which proxies there are (GET /api/proxy/tcp), and at which port; which sessions (GET /api/clients). */
import { request } from 'node:http';
import { tunnelIn } from './tunnel-address.ts';

export interface OnlineProxy {
  name: string;
  port: number;
  /** of the session that made it */
  user: string;
  /** as its client gave it, and the agent let it through (plugin-protocol.ts) */
  metadata: unknown;
}

/** @throws where frps cannot be asked */
export type ListProxies = () => Promise<OnlineProxy[]>;

const timeoutMs = 5000;
/** frps keeps what it has counted of a proxy for a week after its end, and a Pod chooses the names. */
const maxEnded = 1000;

interface Entry {
  name?: unknown;
  status?: unknown;
  user?: unknown;
  conf?: { remotePort?: unknown; metadatas?: unknown } | null;
}

/** @param url such as http://127.0.0.1:7500 */
export function proxyList(url: string): ListProxies {
  const target = new URL('/api/proxy/tcp', url);
  const ended = new URL('/api/proxies?status=offline', url);
  return async () => {
    const { proxies } = JSON.parse(await call('GET', target)) as { proxies?: Entry[] | null };
    if (proxies && proxies.filter(({ status }) => status !== 'online').length > maxEnded) await call('DELETE', ended);
    return (proxies ?? []).flatMap(({ name, status, user, conf }): OnlineProxy[] => {
      const port = conf?.remotePort;
      if (status !== 'online' || typeof name !== 'string' || typeof port !== 'number') return [];
      return [{ name, port, user: typeof user === 'string' ? user : '', metadata: conf?.metadatas }];
    });
  };
}

export interface OnlineClient {
  runId: string;
  /** of the session */
  user: string;
  /** where HAProxy hands it on, as its host name says (plugin-protocol.ts) */
  tunnel?: string | undefined;
}

/** @param url such as http://127.0.0.1:7500 @returns asks for the sessions that are open; throws where frps cannot be asked */
export function clientList(url: string): () => Promise<OnlineClient[]> {
  const target = new URL('/api/clients?status=online', url);
  return async () => {
    const clients = JSON.parse(await call('GET', target)) as { runID?: unknown; user?: unknown; hostname?: unknown }[] | null;
    return (clients ?? []).flatMap(({ runID, user, hostname }) =>
      typeof runID === 'string' && typeof user === 'string' ? [{ runId: runID, user, tunnel: tunnelIn({ tunnel: hostname }) }] : [],
    );
  };
}

/** What frps has counted of all its clients together. */
export interface FrpsCounts {
  clients: number;
  connections: number;
  /** by type */
  proxies: Readonly<Record<string, number>>;
  /** bytes since midnight or its start, whichever is later */
  traffic: Readonly<Record<'in' | 'out', number>>;
}

/** Those that it may have; a name of another type would be a series more. */
const proxyTypes = ['tcp', 'udp', 'http', 'https', 'tcpmux', 'stcp', 'sudp', 'xtcp'];
const countsTimeoutMs = 1000;

/** @param url such as http://127.0.0.1:7500 @returns asks for them; throws where frps cannot be asked */
export function frpsCounts(url: string): () => Promise<FrpsCounts> {
  const target = new URL('/api/serverinfo', url);
  return async () => {
    const info = JSON.parse(await call('GET', target, countsTimeoutMs)) as Record<string, unknown>;
    const number = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
    const byType = (info.proxyTypeCount ?? {}) as Record<string, unknown>;
    return {
      clients: number(info.clientCounts),
      connections: number(info.curConns),
      proxies: Object.fromEntries(proxyTypes.filter((type) => Object.hasOwn(byType, type)).map((type) => [type, number(byType[type])])),
      traffic: { in: number(info.totalTrafficIn), out: number(info.totalTrafficOut) },
    };
  };
}

function call(method: 'GET' | 'DELETE', url: URL, limitMs = timeoutMs): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, signal: AbortSignal.timeout(limitMs) }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        if (incoming.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else reject(new Error(`frps' API answered HTTP status ${incoming.statusCode}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
