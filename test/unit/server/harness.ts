/** A real HTTPS server on 127.0.0.1, with certificates of a real authority, and a client that trusts it. */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';
import '../../support/few-keys.ts';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import type { Material } from '../../../certs/inspect.ts';
import { Holder } from '../../../certs/source.ts';
import { logTo } from '../../../src/log.ts';
import { createAdmissionServer, type AdmissionServer } from '../../../src/webhook/server/admission.ts';
import type { ClientTrust } from '../../../src/webhook/server/clients.ts';
import { WebhookMetrics } from '../../../src/webhook/server/metrics.ts';
import type { Decision, Webhook } from '../../../webhooks/review/types.ts';

const validity = { lifetimeMs: 86_400_000, now: Date.now() };
let shared: Promise<Authority> | undefined;

export async function newCertificate(commonName = 'webhook', lifetimeMs = validity.lifetimeMs): Promise<Material> {
  const authority = await (shared ??= createAuthority(validity));
  const pair = await issue(authority, { commonName, ipAddresses: ['127.0.0.1'], usages: ['serverAuth'], ...validity, lifetimeMs });
  return { ...pair, caPem: authority.bundlePem };
}

export const allow: Decision = { outcome: 'allowed', reason: 'Fine', message: 'nothing to say', warnings: [] };

export const podReview = (request: Record<string, unknown> = {}) => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'uid-1', operation: 'CREATE', namespace: 'prod', object: { metadata: { generateName: 'web-' } }, ...request },
});

export interface ServiceConfig extends AdmissionServer {
  port: number;
  metrics: WebhookMetrics;
  /** the log so far */
  lines(): Record<string, unknown>[];
  /** what certs/ would do when a certificate is renewed */
  renew(material: Material): void;
  ca: string;
}

/** Serves `decide` at POST /mutate/pods, or a table of webhooks. */
export async function serving(rules: Webhook['decide'] | Webhook[], trust?: ClientTrust): Promise<ServiceConfig> {
  const material = await newCertificate();
  const holder = new Holder(material);
  const source = {
    current: () => holder.current(),
    onChange: (listener: (material: Material) => void) => holder.onChange(listener),
    health: () => ({ healthy: true }),
    close: () => {},
  };
  const lines: Record<string, unknown>[] = [];
  const log = logTo({ write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) }, 'debug');
  const metrics = new WebhookMetrics();
  const webhooks = Array.isArray(rules) ? rules : [{ path: '/mutate/pods', webhook: 'pods', decide: rules }];
  const server = createAdmissionServer(webhooks, source, { log, metrics }, trust);
  const port = await server.listen('127.0.0.1', 0);
  return { ...server, port, metrics, lines: () => lines, renew: (next) => holder.change(next), ca: material.caPem! };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** the body as JSON */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  json: any;
  /** common name of the server's certificate on this connection */
  servedBy: string;
  localPort: number;
}

/** One request; without an agent it has a connection of its own. */
export function send(
  { port, ca }: ServiceConfig,
  body: string | Buffer | object | undefined,
  options: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        ca,
        method: 'POST',
        path: '/mutate/pods?timeout=10s',
        agent: false,
        ...options,
        headers: { 'content-type': 'application/json', ...options.headers },
      },
      (response) => {
        const socket = response.socket as TLSSocket;
        const servedBy = String(socket.getPeerCertificate().subject?.CN);
        const localPort = socket.localPort!;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const json: unknown = response.headers['content-type'] === 'application/json' ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode!, headers: response.headers, text, json, servedBy, localPort });
        });
      },
    );
    request.on('error', reject);
    request.end(typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body);
  });
}

/** Keeps one connection open between requests, as kube-apiserver does. */
export const keepAlive = ({ ca }: ServiceConfig) => new Agent({ keepAlive: true, maxSockets: 1, ca });

/** A promise and the function that resolves it. */
export function latch<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { promise, open: resolve };
}
