/** The page over HTTP: read-only, for whoever is let in. It listens only where it is told to. */
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify';
import type { RequestListener } from 'node:http';
import type { Log } from '../log.ts';
import { withoutSchemas } from '../net/without-schemas.ts';
import type { Authorize, Verdict } from './authorize.ts';
import { documentOf, securityHeaders } from './document.ts';
import { html } from './html.ts';
import type { PageSource } from './model.ts';
import { overviewView } from './overview.ts';
import { pathOf, wantedIn, type Wanted } from './query.ts';
import { reasonView } from './reason-view.ts';
import { remembering } from './remember.ts';
import { serviceView } from './service-view.ts';
import { Streams, type StreamsOptions } from './streams.ts';
import type { View } from './view.ts';

export interface PageOptions extends Partial<StreamsOptions> {
  source: PageSource;
  /** who is let in; absent: whoever reaches it, for a socket that nobody else can reach */
  authorize?: Authorize;
  log: Pick<Log, 'warn'>;
}

export interface PageServer {
  /** @returns the port, which differs from the wanted one when that is 0 */
  listen: (host: string, port: number) => Promise<number>;
  /** for a server that listens already */
  handle: RequestListener;
  close: () => Promise<void>;
}

const defaults: StreamsOptions = { everyMs: 2000, most: 32, reviewMs: 30_000 };
/** A document and its updates are made of one answer. Milliseconds. */
const keptMs = 1000;
const everybody: Authorize = () => Promise.resolve({ isAllowed: true });

export function createPage({ source, authorize = everybody, log, ...streaming }: PageOptions): PageServer {
  const options = { ...defaults, ...streaming };
  const streams = new Streams(options);
  const known = remembering(source, Math.min(keptMs, options.everyMs));
  const app = fastify({ ...withoutSchemas, logger: false, exposeHeadRoutes: false, requestTimeout: 10_000, forceCloseConnections: true });
  app.removeAllContentTypeParsers();

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders);
    const verdict = await authorize(request.headers.authorization);
    if (!verdict.isAllowed) return refuse(reply, verdict);
    return undefined;
  });
  app.setErrorHandler<Error>((error, request, reply) => {
    log.warn({ err: error, path: request.url }, 'the page could not be made');
    return sendNote(reply, 503, 'Not now', error.message);
  });
  app.setNotFoundHandler((_request, reply) => sendNote(reply, 404, 'There is no such page', 'It may have been deleted, or never was.'));

  app.get('/events', async (request, reply) => {
    const { view = '', since = '' } = request.query as { view?: string; since?: string };
    const wanted = typeof view === 'string' ? wantedIn(view) : undefined;
    if (!wanted || wanted.kind === 'reason') return sendNote(reply, 404, 'There is no such view', 'Nothing of it changes.');
    // The browser does not try again after this status.
    if (streams.isFull)
      return sendNote(reply, 503, 'Too many pages are open', `${options.most} of them are told what changes; reload this one.`);
    reply.hijack();
    void streams.follow(reply.raw, securityHeaders, {
      view: () => viewOf(known, wanted),
      since: resumed(request) ?? String(since),
      isAllowed: () => authorize(request.headers.authorization),
    });
    return reply;
  });
  app.get('/*', async (request, reply) => {
    const wanted = wantedIn(request.url);
    const view = wanted && (await viewOf(known, wanted));
    if (!view) return sendNote(reply, 404, 'There is no such page', 'It may have been deleted, or never was.');
    streams.remember(view.fragments);
    const isLive = wanted.kind !== 'reason';
    return send(reply, 200, documentOf(view, isLive ? `/events?view=${encodeURIComponent(pathOf(wanted))}` : undefined).text);
  });

  return {
    listen: async (host, port) => {
      await app.listen({ host, port });
      return (app.server.address() as { port: number }).port;
    },
    handle: (request, response) => void app.ready().then(() => app.routing(request, response)),
    close: async () => {
      streams.close();
      await app.close();
    },
  };
}

async function viewOf(source: PageSource, wanted: Wanted): Promise<View | undefined> {
  switch (wanted.kind) {
    case 'overview':
      return overviewView(await source.overview(), wanted);
    case 'service': {
      const found = await source.service(wanted.key);
      return found && serviceView(found, wanted.key, wanted.page);
    }
    case 'reason':
      return reasonView(wanted.reason);
  }
}

/** A browser whose connection broke says what it had. */
function resumed({ headers }: FastifyRequest): string | undefined {
  const last = headers['last-event-id'];
  return typeof last === 'string' && last !== '' ? last : undefined;
}

const send = (reply: FastifyReply, status: number, text: string) => reply.code(status).type('text/html; charset=utf-8').send(text);

/** A page that says one thing. */
function sendNote(reply: FastifyReply, status: number, title: string, message: string) {
  const body = () =>
    html`<h2>${title}</h2>
      <p>${message}</p>
      <p><a href="/">All services</a></p>`;
  return send(reply, status, documentOf({ title, fragments: [], states: new Map(), body }).text);
}

function refuse(reply: FastifyReply, { status, message }: Extract<Verdict, { isAllowed: false }>) {
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return sendNote(reply, status, status === 403 ? 'You may not look at this' : 'Not let in', message);
}
