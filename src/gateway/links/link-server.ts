/**
 * The agent's port for links: TLS 1.2 or newer with the gateway's own authority, HTTP/2 inside. The tunnels' HAProxy hands
 * connections on as they are, so nobody but this end sees what is in them.
 */
import { createSecureServer, type Http2SecureServer, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type * as z from 'zod';
import { issue, type Authority } from '../../../certs/authority.ts';
import { every, systemClock } from '../../../certs/clock.ts';
import { clusterIdIn, gatewayName } from '../../link/identity.ts';
import { joinRequest, renewRequest } from '../../link/joining.ts';
import { watchSession } from '../../link/heartbeat.ts';
import { alpn, LinkError, paths } from '../../link/protocol.ts';
import { Rate } from '../../link/rate.ts';
import type { Log } from '../../log.ts';
import type { RefusalLine } from '../../model/logs/fields.ts';
import { join, renew, type JoiningDeps } from './joining.ts';
import type { ClusterRecord } from './link-store.ts';
import { keyOf, WaitingRoom } from './waiting-room.ts';

export interface LinkServerDeps extends JoiningDeps {
  log: Log;
  /** a link of a cluster that may have one; ends with it */
  linked: (cluster: ClusterRecord, stream: ServerHttp2Stream) => Promise<void>;
  /** told of each request that is refused, by reason */
  refused?: (reason: string) => void;
  heartbeat?: { everyMs: number; patienceMs: number };
}

const certificateMs = 30 * 86_400_000;
const renewalMs = 86_400_000;
/** How soon another authority has the port. */
const lookMs = 1000;
const bodyBytes = 32 * 1024;
/** Refusals that the log tells, at once and each second: strangers have as many as they like. */
const toldRefusals = { burst: 50, rate: 1 };
/** Handshakes cost the agent a millisecond each; HAProxy bounds those of one address. */
const handshakes = { burst: 500, rate: 100 };
/** Of one cluster; it needs one in three weeks. */
const renewals = { burst: 10, rate: 1 / 600 };
/** Until a link that has ended is closed though the other end does not read that. Milliseconds. */
const closingMs = 5000;

/** What is counted of those who come. */
interface Counts {
  room: WaitingRoom;
  told: Rate;
  renewals: Map<string, Rate>;
}

/** @returns a server that does not listen yet */
export async function createLinkServer(deps: LinkServerDeps): Promise<{ server: Http2SecureServer; close: () => Promise<void> }> {
  const sessions = new Set<ServerHttp2Session>();
  const counts: Counts = { room: new WaitingRoom(), told: new Rate(toldRefusals), renewals: new Map() };
  const begun = new Rate(handshakes);
  const context = new Context(deps.authority);
  const server = createSecureServer({
    ...(await context.next())!,
    requestCert: true,
    // Who joins has no certificate yet.
    rejectUnauthorized: false,
    handshakeTimeout: 10_000,
    ALPNCallback: ({ protocols }) => (protocols.includes(alpn) ? alpn : undefined),
    settings: { maxConcurrentStreams: 8, maxHeaderListSize: 8192 },
    maxSessionMemory: 8,
  });
  server.on('connection', (socket: Socket) => (begun.allows() ? counts.room.enter(socket) : void socket.destroy()));
  server.on('sessionError', () => {});
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => {});
    watchSession(session, deps.heartbeat);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    void answer(deps, stream, String(headers[':path']), counts);
  });
  const stop = every(systemClock, lookMs, async () => {
    const next = await context.next();
    if (next) server.setSecureContext(next);
  });
  return {
    server,
    close: async () => {
      stop();
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** What the port shows, and whose certificates it takes: anew each day, and at once where the authority is another one. */
class Context {
  readonly #authority: () => Authority;
  #of = '';
  #renewAt = 0;

  constructor(authority: () => Authority) {
    this.#authority = authority;
  }

  /** All that a context is: what is not said anew is lost. @returns undefined where that of before is good */
  async next() {
    const authority = this.#authority();
    const of = `${authority.certPem}${authority.bundlePem}`;
    const now = Date.now();
    if (of === this.#of && now < this.#renewAt) return undefined;
    const request = { commonName: 'frp-k8s gateway', dnsNames: [gatewayName], usages: ['serverAuth' as const] };
    const { certPem, keyPem } = await issue(authority, { ...request, lifetimeMs: certificateMs, now });
    [this.#of, this.#renewAt] = [of, now + renewalMs];
    // The authority goes along: who has only its pin finds it there.
    const cert = `${certPem.trim()}\n${authority.certPem.trim()}\n`;
    return { cert, key: keyPem, ca: authority.bundlePem, minVersion: 'TLSv1.2' as const };
  }
}

/** In the log; others are of no path that there is. */
const operations: ReadonlyMap<string, string> = new Map([
  [paths.join, 'Join'],
  [paths.renew, 'Renew'],
  [paths.link, 'Link'],
]);

/** Never rejects. */
async function answer(deps: LinkServerDeps, stream: ServerHttp2Stream, path: string, counts: Counts): Promise<void> {
  try {
    switch (path) {
      case paths.join:
        return respond(stream, 200, await join(deps, await bodyOf(stream, joinRequest)));
      case paths.renew: {
        const cluster = await clusterOf(deps, stream);
        checkRenewals(counts.renewals, cluster);
        return respond(stream, 200, await renew(deps, cluster, await bodyOf(stream, renewRequest)));
      }
      case paths.link: {
        const cluster = await clusterOf(deps, stream);
        const { session } = stream;
        if (!session || session.destroyed) return;
        counts.room.leave(keyOf(session.socket));
        stream.respond({ ':status': 200 });
        await deps.linked(cluster, stream);
        return endSession(session);
      }
      default:
        throw new LinkError('NotFound', 'this gateway knows no such request; it may be older than the cluster');
    }
  } catch (error) {
    const { reason, message } = error instanceof LinkError ? error : new LinkError('Failed', 'the gateway failed; its log says why');
    if (!(error instanceof LinkError)) deps.log.error({ err: error }, 'a request of a cluster failed');
    else if (counts.told.allows())
      deps.log.warn(
        { event: 'refusal', op: operations.get(path), reason } satisfies RefusalLine,
        `refused a request of a cluster: ${message}`,
      );
    deps.refused?.(reason);
    respond(stream, error instanceof LinkError ? 403 : 500, { reason, message });
  }
}

function checkRenewals(counts: Map<string, Rate>, { name }: ClusterRecord): void {
  const rate = counts.get(name) ?? new Rate(renewals);
  counts.set(name, rate);
  if (!rate.allows()) throw new LinkError('TooOften', 'the certificate of this cluster has been renewed a moment ago, many times');
}

/** It has no other use than the link that has ended. */
function endSession(session: Http2Session): void {
  session.close();
  const timer = setTimeout(() => session.destroy(), closingMs);
  session.once('close', () => clearTimeout(timer));
}

function respond(stream: ServerHttp2Stream, status: number, body: unknown): void {
  if (stream.destroyed || stream.headersSent) return void stream.close();
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify(body));
}

async function bodyOf<T>(stream: ServerHttp2Stream, schema: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytes) throw new LinkError('MessageTooLarge', `the request has more than ${bodyBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return schema.parse(JSON.parse(Buffer.concat(chunks).toString()));
  } catch (error) {
    throw new LinkError('NotAMessage', 'the request is not what the path takes', { cause: error });
  }
}

/** Who is at the other end, by its certificate. @throws LinkError */
async function clusterOf({ store }: LinkServerDeps, stream: ServerHttp2Stream): Promise<ClusterRecord> {
  const socket = stream.session?.socket as TLSSocket | undefined;
  const certificate = socket?.getPeerX509Certificate();
  if (!certificate) throw new LinkError('NoCertificate', 'the cluster shows no certificate; it joins first, with a token');
  if (!socket!.authorized)
    throw new LinkError(
      'CertificateInvalid',
      `the cluster's certificate is not one that this gateway takes: ${String(socket!.authorizationError)}`,
    );
  const id = clusterIdIn(certificate.toString());
  const cluster = id === undefined ? undefined : await store.clusterOf(id);
  if (cluster) return cluster;
  throw new LinkError('ClusterRemoved', 'the cluster was removed from the gateway, or has joined again since; join with a new token');
}
