/**
 * The HTTP side of the webhook: this folder serves a table of webhooks over HTTPS, health and metrics on a plain port,
 * and ends both without losing a request. It knows nothing of what the webhooks decide.
 */
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Server } from 'node:https';
import { inspectCertificate } from '../../../certs/inspect.ts';
import type { CertificateSource } from '../../../certs/source.ts';
import { withoutSchemas } from '../../net/without-schemas.ts';
import { failure } from '../../../webhooks/review/respond.ts';
import type { Webhook } from '../../../webhooks/review/types.ts';
import { bodyCollector } from './body.ts';
import { secureOptions, useCertificate } from './certificates.ts';
import { admitClients, clientOptions, type ClientTrust } from './clients.ts';
import { timeoutOf } from './deadline.ts';
import { answerReview, type Answer, type Reporting } from './reviewer.ts';

/** kube-apiserver keeps idle connections for 90 s. One that we closed before would fail the review that meets it. */
const keepAliveTimeout = 120_000;
/** A whole request must have arrived by then: the longest that the API server itself waits. */
const requestTimeout = 30_000;

export interface AdmissionServer {
  readonly server: Server;
  /** @returns the port, which differs from the wanted one when that is 0 */
  listen(host: string, port: number): Promise<number>;
  /** From now on each answer closes its connection, so that the API server dials another replica; reviews are still answered. */
  drain(): void;
  /** Takes no more connections, and resolves when the requests under way have their answers, or after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** @throws when the source's certificate is unusable */
export function createAdmissionServer(
  webhooks: readonly Webhook[],
  source: CertificateSource,
  reporting: Reporting,
  trust?: ClientTrust,
): AdmissionServer {
  const { log, metrics } = reporting;
  const app = fastify({
    ...withoutSchemas,
    https: { ...secureOptions(source.current(), trust), ...clientOptions(trust) },
    keepAliveTimeout,
    requestTimeout,
    // A review that arrives while the server closes is answered like any other: failurePolicy Fail would refuse the Pod.
    return503OnClosing: false,
    // One log line for each decision is written by the reviewer; the framework's two for each request are not needed.
    logger: false,
    exposeHeadRoutes: false,
  });
  const server = app.server;
  let draining = false;

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', bodyCollector());
  admitClients(server, trust, log);
  app.setErrorHandler<Error & { statusCode?: number; code?: string }>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    const message = explain(error, request);
    log.warn({ path: request.url, status, err: status >= 500 ? error : undefined }, message);
    // The rest of the request may still be on its way.
    send(reply, { status, body: failure(status, message) }, true);
  });
  app.setNotFoundHandler((request, reply) => {
    const served = webhooks.map(({ path }) => `POST ${path}`).join(', ');
    send(
      reply,
      { status: 404, body: failure(404, `nothing is served at ${request.method} ${request.url}; served are ${served}`) },
      draining,
    );
  });
  for (const webhook of webhooks) {
    app.post(webhook.path, (request, reply) => {
      const answer = answerReview(webhook, request.body as Buffer | undefined, { timeoutMs: timeoutOf(request.url) }, reporting);
      if (answer instanceof Promise) void answer.then((late) => send(reply, late, draining));
      else send(reply, answer, draining);
    });
  }

  server.on('tlsClientError', (error: Error) => log.debug({ err: error }, 'TLS handshake failed'));
  const noteExpiry = () => metrics.certificateExpires(inspectCertificate(source.current().certPem).notAfter);
  noteExpiry();
  const unsubscribe = source.onChange((material) => {
    try {
      useCertificate(server, material, trust);
      noteExpiry();
      log.info('serving certificate replaced');
    } catch (error) {
      log.error({ err: error }, 'new serving certificate refused; the previous one stays in use');
    }
  });

  return {
    server,
    listen: async (host, port) => {
      await app.listen({ host, port });
      return (server.address() as { port: number }).port;
    },
    drain: () => {
      draining = true;
    },
    close: async (graceMs) => {
      draining = true;
      unsubscribe();
      const force = setTimeout(() => server.closeAllConnections(), graceMs);
      await app.close();
      clearTimeout(force);
    },
  };
}

/** Written past the framework's reply, which would look at the type and the hooks of a body that is ready to send. */
function send(reply: FastifyReply, { status, body }: Answer, close: boolean): void {
  reply.hijack();
  const response = reply.raw;
  const headers: Record<string, string | number> = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  if (close) headers.connection = 'close';
  response.writeHead(status, headers);
  response.end(body);
}

function explain({ code, message }: Error & { code?: string }, { headers }: FastifyRequest): string {
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return `the content type is ${JSON.stringify(headers['content-type'] ?? 'missing')}; expected "application/json"`;
  }
  return message;
}
