/** Requests to the API server. client-node would open a new TLS connection for each; these share a few that stay open. */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { Access } from './access.ts';
import { Gate } from './gate.ts';
import { errorFrom, KubeError } from './errors.ts';
import { describe, pathOf, serviceAccounts, slim, type KubeObject, type Resource } from './types.ts';

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** objects come without spec, status and data */
  metadataOnly?: boolean;
}

export interface ApplyOptions {
  fieldManager: string;
  /** take fields over from other managers */
  force?: boolean;
  subresource?: 'status';
}

interface Call {
  method: string;
  path: string;
  /** for the error: `get Secret prod/frp-api-tls` */
  action: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  contentType?: string;
  accept?: string;
  /** the answer is taken as it is */
  isText?: boolean;
  /** the body is sent once everybody has come to it */
  gate?: Gate;
}

const pageSize = 500;
const requestTimeout = 30_000;
/** A proxy that swallows `Expect` would let everybody wait for good. Milliseconds. */
const admissionPatience = 2000;
const mergePatchType = 'application/merge-patch+json';
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const metadataListOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** All methods reject with a KubeError that carries the API server's code, reason and message, and the object's name. */
export class KubeClient {
  readonly access: Access;
  /** requests so far, by method */
  readonly requests = new Map<string, number>();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16, maxFreeSockets: 4 });

  constructor(access: Access) {
    this.access = access;
  }

  get<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string): Promise<T> {
    return this.#call({ method: 'GET', path: pathOf(resource, namespace, name), action: `get ${describe(resource, namespace, name)}` });
  }

  /** The metadata alone: whose an object is can be learnt without reading a Secret's content. */
  getMetadata(resource: Resource<KubeObject>, namespace: string | undefined, name: string): Promise<KubeObject> {
    const action = `get the metadata of ${describe(resource, namespace, name)}`;
    return this.#call({ method: 'GET', path: pathOf(resource, namespace, name), action, accept: metadataOnly });
  }

  /** A document that is no object of a collection, such as /openid/v1/jwks. @param path of the URL */
  raw<T>(path: string): Promise<T> {
    return this.#call({ method: 'GET', path, action: `get ${path}`, accept: '*/*' });
  }

  /** The whole collection, read in pages of 500; objects come without what nobody reads (see `slim`). */
  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<{ items: T[]; resourceVersion: string }> {
    const items: T[] = [];
    let resourceVersion = '';
    for await (const page of this.pages(resource, options)) {
      for (const item of page.items) items.push(item);
      ({ resourceVersion } = page);
    }
    return { items, resourceVersion };
  }

  /** A document that is no JSON, such as a log. @param path of the URL, with its query */
  text(path: string): Promise<string> {
    return this.#call({ method: 'GET', path, action: `get ${path.replace(/\?.*/s, '')}`, accept: '*/*', isText: true });
  }

  /** As `list`, a page of 500 at a time: of a big collection the caller keeps what it needs, and may stop. */
  async *pages<T extends KubeObject>(
    resource: Resource<T>,
    { namespace, labelSelector, fieldSelector, metadataOnly: isMetadata = false }: ListOptions = {},
  ): AsyncGenerator<{ items: T[]; resourceVersion: string }> {
    let next: string | undefined;
    do {
      const page = await this.#call<{ metadata: { resourceVersion: string; continue?: string }; items: T[] | null }>({
        method: 'GET',
        path: pathOf(resource, namespace),
        action: `list ${describe(resource, namespace)}`,
        query: { labelSelector, fieldSelector, limit: pageSize, continue: next },
        ...(isMetadata ? { accept: metadataListOnly } : {}),
      });
      next = page.metadata.continue === '' ? undefined : page.metadata.continue;
      yield { items: (page.items ?? []).map(slim), resourceVersion: page.metadata.resourceVersion };
    } while (next !== undefined);
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T, fieldManager: string): Promise<T> {
    const { namespace, name } = object.metadata;
    const action = `create ${describe(resource, namespace, name)}`;
    return this.#call({
      method: 'POST',
      path: pathOf(resource, namespace),
      action,
      query: { fieldManager },
      body: typed(resource, object),
    });
  }

  /** A token of a ServiceAccount, for the API server itself. @param seconds that it is good for, 600 at least */
  async requestToken(namespace: string, account: string, seconds: number): Promise<string> {
    const { status } = await this.#call<{ status: { token: string } }>({
      method: 'POST',
      path: `${pathOf(serviceAccounts, namespace, account)}/token`,
      action: `create serviceaccounts/token of ${namespace}/${account}`,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: seconds } },
    });
    return status.token;
  }

  /**
   * Server-side apply (KEP-555). With metadata.uid or metadata.resourceVersion in the object, another object of the
   * name, or a newer version, is a Conflict.
   */
  apply<T extends KubeObject>(resource: Resource<T>, object: KubeObject & object, options: ApplyOptions): Promise<T> {
    const { fieldManager, force, subresource } = options;
    const { namespace, name } = object.metadata;
    const part = subresource === undefined ? '' : `/${subresource}`;
    return this.#call({
      method: 'PATCH',
      path: pathOf(resource, namespace, name) + part,
      action: `apply ${describe(resource, namespace, name)}${part}`,
      query: { fieldManager, force },
      body: typed(resource, object),
      contentType: 'application/apply-patch+yaml',
    });
  }

  /** JSON merge patch (RFC 7386). */
  mergePatch<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string, patch: object): Promise<T> {
    return this.#call({
      method: 'PATCH',
      path: pathOf(resource, namespace, name),
      action: `patch ${describe(resource, namespace, name)}`,
      body: patch,
      contentType: mergePatchType,
    });
  }

  /**
   * JSON merge patches of which each is allowed or forbidden before any is carried out: a server that reads a request's
   * body has let it in, and no body is sent until all are waited for (`Expect: 100-continue`). So a patch may end the very
   * right that another one needs.
   * @returns for each patch why it failed, or undefined
   */
  async mergePatchesAtOnce(
    patches: readonly { resource: Resource<KubeObject>; namespace?: string; name: string; patch: object }[],
  ): Promise<(Error | undefined)[]> {
    const gate = new Gate(patches.length, admissionPatience);
    const done = patches.map(({ resource, namespace, name, patch }) => {
      const action = `patch ${describe(resource, namespace, name)}`;
      const call = { method: 'PATCH', path: pathOf(resource, namespace, name), action, body: patch, contentType: mergePatchType, gate };
      return this.#call(call).finally(() => gate.arrive());
    });
    const results = await Promise.allSettled(done);
    return results.map((result) => (result.status === 'rejected' ? (result.reason as Error) : undefined));
  }

  /** @param uid deletes this very object, and not another of its name */
  async delete(resource: Resource<KubeObject>, namespace: string | undefined, name: string, uid?: string): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(uid === undefined ? {} : { preconditions: { uid } }) };
    await this.#call({
      method: 'DELETE',
      path: pathOf(resource, namespace, name),
      action: `delete ${describe(resource, namespace, name)}`,
      body,
    });
  }

  /** Ends idle connections; a call that is under way finishes. */
  close(): void {
    this.#agent.destroy();
  }

  async #call<T>(call: Call): Promise<T> {
    const text = call.body === undefined ? undefined : JSON.stringify(call.body);
    const options = await this.#options(call, text);
    const url = new URL(this.access.server.replace(/\/$/, '') + call.path);
    for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) url.searchParams.set(key, String(value));
    this.requests.set(call.method, (this.requests.get(call.method) ?? 0) + 1);
    const answer = await send(url, options, text, call.gate).catch((error: Error) => {
      throw new KubeError(call.action, 0, 'Unreachable', error.message);
    });
    const isGood = answer.status >= 200 && answer.status < 300;
    if (isGood && call.isText) return answer.text as T;
    const body = parse(answer.text);
    if (isGood && body !== undefined) return body as T;
    throw errorFrom(call.action, answer.status, body ?? { message: answer.text.slice(0, 200).trim() });
  }

  /** Credentials are asked for at each call: tokens and client certificates may have been rotated. */
  async #options({ method, accept, contentType, gate }: Call, body: string | undefined): Promise<RequestOptions> {
    const headers: Record<string, string> = { accept: accept ?? 'application/json', 'user-agent': 'frp-k8s' };
    if (body !== undefined) {
      headers['content-type'] = contentType ?? 'application/json';
      // Node would send the body of a DELETE without it, and the server would read that as the next request.
      headers['content-length'] = String(Buffer.byteLength(body));
    }
    if (gate) headers.expect = '100-continue';
    const options: RequestOptions = { method, headers };
    await this.access.kubeConfig.applyToHTTPSOptions(options);
    // The agent tells connections of different certificates apart by itself. A proxy needs client-node's own agent.
    if (!this.access.kubeConfig.getCurrentCluster()?.proxyUrl) options.agent = this.#agent;
    return options;
  }
}

function send(url: URL, options: RequestOptions, body: string | undefined, gate?: Gate): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(url, { ...options, signal: AbortSignal.timeout(requestTimeout) }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
    });
    outgoing.on('error', reject);
    if (!gate) return void outgoing.end(body);
    outgoing.on('continue', () => gate.arrive());
    outgoing.flushHeaders();
    void gate.open.then(() => outgoing.end(body));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const typed = <T extends object>({ apiVersion, kind }: Resource<KubeObject>, object: T) => ({ ...object, apiVersion, kind });
