import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { createAuthority, issue } from '../../../certs/authority.ts';
import '../../support/few-keys.ts';
import type { Access } from '../../../src/kube/access.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import type { KubeObject } from '../../../src/kube/types.ts';

export interface Request {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: IncomingMessage['headers'];
  body: unknown;
}

type Answer = { status: number; body: unknown };

/**
 * The part of the API server's protocol that the program uses, over real TLS, with faults that a real one does not make
 * on demand: versions that expire, watches that end at once, answers that are no JSON. The cluster suite has the real one.
 */
export class ApiServer {
  readonly requests: Request[] = [];
  readonly objects = new Map<string, KubeObject>();
  /** answers in place of the server's own; undefined passes */
  intercept: (request: Request) => Answer | 'hang up' | undefined = () => undefined;
  /** what a server decides on a request's head, where the client waits for that (Expect: 100-continue); undefined lets it in */
  admit: (head: { method: string; path: string }) => Promise<Answer | undefined> = () => Promise.resolve(undefined);
  /** namespaces that are not there: nothing can be made in them */
  readonly absent = new Set<string>();
  connections = 0;
  pageSize = Infinity;
  #version = 1;
  #watches = new Set<{ path: string; labelSelector: string | undefined; response: ServerResponse }>();
  readonly #server: Server;
  readonly client: KubeClient;
  /** for a program that connects as a person's does */
  readonly kubeconfig: string;

  private constructor(server: Server, access: Access) {
    this.#server = server;
    this.client = new KubeClient(access);
    this.kubeconfig = access.kubeConfig.exportConfig();
    server.on('connection', () => this.connections++);
    server.on('request', (incoming: IncomingMessage, response: ServerResponse) => void this.#handle(incoming, response));
    server.on('checkContinue', (incoming: IncomingMessage, response: ServerResponse) => void this.#check(incoming, response));
  }

  static async start(): Promise<ApiServer> {
    const now = Date.now();
    const authority = await createAuthority({ lifetimeMs: 3_600_000, now });
    const request = { commonName: 'kube-apiserver', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'], usages: ['serverAuth' as const] };
    const pair = await issue(authority, { ...request, lifetimeMs: 3_600_000, now });
    const server = createServer({ cert: pair.certPem, key: pair.keyPem });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `https://localhost:${(server.address() as AddressInfo).port}`;
    const kubeConfig = new KubeConfig();
    const caData = Buffer.from(authority.bundlePem).toString('base64');
    kubeConfig.loadFromClusterAndUser({ name: 'c', server: address, skipTLSVerify: false, caData }, { name: 'u', token: 'token-1' });
    return new ApiServer(server, { kubeConfig, server: address, namespace: undefined });
  }

  close(): void {
    this.client.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get watching(): number {
    return this.#watches.size;
  }

  /** Puts an object as somebody else would: watchers are told. @param path of the object */
  put(path: string, object: KubeObject): KubeObject {
    const known = this.objects.get(path);
    const metadata = { uid: `uid-${this.#version}`, ...object.metadata, resourceVersion: String(++this.#version) };
    if (known?.metadata.uid) metadata.uid = known.metadata.uid;
    const stored = { ...object, metadata };
    this.objects.set(path, stored);
    this.#tell(path, known ? 'MODIFIED' : 'ADDED', stored);
    return stored;
  }

  remove(path: string): void {
    const known = this.objects.get(path);
    if (!known) return;
    this.objects.delete(path);
    this.#tell(path, 'DELETED', { ...known, metadata: { ...known.metadata, resourceVersion: String(++this.#version) } });
  }

  /** Ends every watch: `end` as a server does, `break` as a network does. */
  endWatches(how: 'end' | 'break'): void {
    for (const { response } of this.#watches) {
      if (how === 'end') response.end();
      else response.destroy();
    }
  }

  sendToWatches(type: string, object: unknown): void {
    for (const { response } of this.#watches) response.write(`${JSON.stringify({ type, object })}\n`);
  }

  #tell(path: string, type: string, object: KubeObject): void {
    for (const watch of this.#watches)
      if (inCollection(path, watch.path) && isSelected(object, watch.labelSelector))
        watch.response.write(`${JSON.stringify({ type, object })}\n`);
  }

  async #check(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = await this.admit({ method: incoming.method ?? '', path: incoming.url ?? '/' });
    if (refused) {
      response.writeHead(refused.status, { 'content-type': 'application/json', connection: 'close' });
      return void response.end(JSON.stringify(refused.body));
    }
    response.writeContinue();
    await this.#handle(incoming, response);
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? '/', 'https://localhost');
    const text = Buffer.concat(chunks).toString();
    const request: Request = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: incoming.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.requests.push(request);
    const answer = this.intercept(request) ?? (request.query.watch ? undefined : this.#answer(request));
    if (answer === 'hang up') return void response.destroy();
    if (answer) {
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      return void response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    }
    const { labelSelector } = request.query;
    const watch = { path: request.path, labelSelector, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const from = Number(request.query.resourceVersion);
    for (const [path, object] of this.objects) {
      if (inCollection(path, request.path) && isSelected(object, labelSelector) && Number(object.metadata.resourceVersion) > from) {
        response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
      }
    }
  }

  #answer({ method, path, query, body, headers }: Request): Answer {
    const target = path.replace(/\/status$/, '');
    const known = this.objects.get(target);
    switch (method) {
      case 'GET':
        if (
          /^\/api\/v1\/namespaces$|\/(secrets|pods|services|distributedservices|deployments|statefulsets|daemonsets|events|resourcequotas|networkpolicies|configmaps|poddisruptionbudgets|endpointslices|certificates|certificaterequests|challenges)$/.test(
            path,
          )
        )
          return this.#page(path, query);
        return known ? { status: 200, body: known } : failure(404, 'NotFound', `"${path}" not found`);
      case 'POST': {
        const [, namespace = ''] = /\/namespaces\/([^/]+)\//.exec(path) ?? [];
        if (this.absent.has(namespace)) return failure(404, 'NotFound', `namespaces "${namespace}" not found`);
        const created = `${path}/${(body as KubeObject).metadata.name}`;
        if (this.objects.has(created)) return failure(409, 'AlreadyExists', `"${created}" already exists`);
        return { status: 201, body: this.put(created, body as KubeObject) };
      }
      case 'PATCH':
        if (headers['content-type'] === 'application/merge-patch+json') return this.#merge(target, known, body as Partial<KubeObject>);
        return this.#apply(path, target, known, body as KubeObject);
      case 'DELETE':
        this.remove(target);
        return known ? { status: 200, body: { kind: 'Status' } } : failure(404, 'NotFound', `"${path}" not found`);
      default:
        return failure(405, 'MethodNotAllowed', method);
    }
  }

  #apply(path: string, target: string, known: KubeObject | undefined, body: KubeObject): Answer {
    if (!known) return failure(404, 'NotFound', `"${target}" not found`);
    const { resourceVersion } = body.metadata;
    if (resourceVersion !== undefined && resourceVersion !== known.metadata.resourceVersion)
      return failure(409, 'Conflict', 'the object has been modified');
    const { metadata, ...rest } = body;
    const merged = path.endsWith('/status') ? { ...known, ...rest } : { ...known, ...rest, metadata: { ...known.metadata, ...metadata } };
    return { status: 200, body: this.put(target, merged) };
  }

  #merge(target: string, known: KubeObject | undefined, patch: Partial<KubeObject>): Answer {
    if (!known) return failure(404, 'NotFound', `"${target}" not found`);
    const { resourceVersion } = patch.metadata ?? {};
    if (resourceVersion !== undefined && resourceVersion !== known.metadata.resourceVersion)
      return failure(409, 'Conflict', 'the object has been modified');
    return { status: 200, body: this.put(target, merged(known, patch) as KubeObject) };
  }

  #page(path: string, query: Record<string, string>): Answer {
    const start = Number(query.continue ?? 0);
    const all = [...this.objects]
      .filter(([of, object]) => inCollection(of, path) && isSelected(object, query.labelSelector))
      .map(([, object]) => object);
    const end = start + Math.min(this.pageSize, Number(query.limit));
    const metadata = { resourceVersion: String(this.#version), ...(end < all.length ? { continue: String(end) } : {}) };
    return { status: 200, body: { metadata, items: structuredClone(all.slice(start, end)) } };
  }
}

export const failure = (status: number, reason: string, message: string): Answer => ({
  status,
  body: { kind: 'Status', code: status, reason, message },
});

/** RFC 7386 */
function merged(value: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = { ...(value as object) };
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete result[key];
    else result[key] = merged(result[key], change);
  }
  return result;
}

/** Whether an object's path is in a collection, of one namespace or of all. */
function inCollection(path: string, collection: string): boolean {
  if (path.startsWith(`${collection}/`)) return true;
  const [, root, plural] = /^(.*)\/([^/]+)$/.exec(collection) ?? [];
  return new RegExp(`^${root}/namespaces/[^/]+/${plural}/[^/]+$`).test(path);
}

/** @param selector labels with their values, all of which must match */
const isSelected = ({ metadata }: KubeObject, selector: string | undefined): boolean =>
  (selector?.split(',') ?? []).every((requirement) => {
    const [key = '', value] = requirement.split('=');
    return metadata.labels?.[key] === value;
  });
