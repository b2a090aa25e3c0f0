/** Probes of a real cluster: by the API server, and by dialling from this machine. */
import { lookup } from 'node:dns/promises';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Access } from '../kube/access.ts';
import { errorFrom } from '../kube/errors.ts';
import { pathOf, secrets, type KubeObject } from '../kube/types.ts';
import { read, type Read } from './read.ts';
import type { Answered, Dialled, Probes } from './probes.ts';
import { podResource } from './shapes.ts';

const patienceMs = 10_000;
const dialMs = 5000;
const mostLogLines = 20;
/** Of an answer no more is kept. Bytes. */
const mostBody = 1_048_576;

export function liveProbes(access: Access): Probes {
  const ask = (method: string, path: string, more: { body?: unknown; host?: string; accept?: string } = {}) =>
    askServer(access, method, path, more);
  return {
    clock: () =>
      read('get /version', async () => {
        const before = Date.now();
        const { headers } = await ask('GET', '/version');
        const theirs = Date.parse(headers.date ?? '');
        // The header has whole seconds: on average half a second is missing.
        return Number.isNaN(theirs) ? 0 : theirs + 500 - (before + Date.now()) / 2;
      }),
    mayI: (verb, group, resource) =>
      read(`create selfsubjectaccessreviews`, async () => {
        const body = {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: { verb, group, resource } },
        };
        const answer = await ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body });
        return (good(answer, 'create SelfSubjectAccessReview') as { status?: { allowed?: boolean } }).status?.allowed === true;
      }),
    dryRunPod: async (pod) => {
      const { namespace } = pod.metadata;
      const answer = await ask('POST', `${pathOf(podResource, namespace)}?dryRun=All`, { body: pod }).catch((error: Error) => error);
      if (answer instanceof Error) return { failed: answer.message };
      const isForbidden = answer.status === 403 && /cannot create resource/.test(answer.body);
      if (isForbidden) return { forbidden: `create pods of namespace ${namespace}` };
      // A Forbidden of a webhook is no missing right.
      return read('create pods (dry run)', () => Promise.resolve(good(answer, 'create Pod (dry run)') as KubeObject)).then((result) =>
        'forbidden' in result ? { failed: (JSON.parse(answer.body) as { message?: string }).message ?? answer.body } : result,
      );
    },
    getFromPod: (namespace, pod, port, path, { host, scheme } = {}) =>
      read(`get pods/proxy of namespace ${namespace}`, async () => {
        const target = `${scheme === undefined ? '' : `${scheme}:`}${pod}:${port}`;
        const answer = await ask('GET', `${pathOf(podResource, namespace, target)}/proxy${path}`, host === undefined ? {} : { host });
        // The API server's own refusal, and its own failure to reach the Pod, are Status objects.
        if (/"kind":\s*"Status"/.test(answer.body) && [403, 404, 500, 502, 503, 504].includes(answer.status))
          good(answer, `get ${pod}:${port}`);
        return answer;
      }),
    secretMetadata: (namespace, name) =>
      read(`get Secret ${namespace}/${name}`, async () => {
        const accept = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
        return good(await ask('GET', pathOf(secrets, namespace, name), { accept }), `get Secret ${namespace}/${name}`) as KubeObject;
      }),
    logOf: (namespace, pod, container) =>
      read(`get pods/log of namespace ${namespace}`, async () => {
        const path = `${pathOf(podResource, namespace, pod)}/log?container=${container}&tailLines=${mostLogLines}`;
        const answer = await ask('GET', path);
        if (answer.status !== 200) good(answer, `get pods/log of ${namespace}/${pod}`);
        return answer.body;
      }),
    dial: (host, port, servername) => dial(host, port, servername),
    resolve: (host) =>
      isIP(host)
        ? Promise.resolve({ ok: [host] })
        : lookup(host, { all: true }).then(
            (all): Read<readonly string[]> => ({ ok: all.map(({ address }) => address) }),
            (): Read<readonly string[]> => ({ absent: host }),
          ),
  };
}

function good({ status, body }: Answered, action: string): unknown {
  const parsed = parse(body);
  if (status >= 200 && status < 300) return parsed;
  throw errorFrom(action, status, parsed);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200) };
  }
}

async function askServer(
  { kubeConfig, server }: Access,
  method: string,
  path: string,
  { body, host, accept }: { body?: unknown; host?: string; accept?: string },
): Promise<Answered> {
  const url = new URL(server.replace(/\/$/, '') + path);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers: Record<string, string> = { 'user-agent': 'frp-k8s', ...(host && { host }), ...(accept && { accept }) };
  if (text !== undefined) Object.assign(headers, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) });
  // Another Host would be another name in the handshake.
  const options: RequestOptions = { method, headers, ...(isIP(url.hostname) ? {} : { servername: url.hostname }) };
  await kubeConfig.applyToHTTPSOptions(options);
  // Node would verify the certificate for the name in Host; it is the API server's all the same.
  if (host !== undefined) options.checkServerIdentity = (_name, certificate) => checkServerIdentity(url.hostname, certificate);
  if (host !== undefined && isIP(url.hostname)) options.servername = '';
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(url, { ...options, signal: AbortSignal.timeout(patienceMs) }, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = () =>
        resolve({
          status: incoming.statusCode ?? 0,
          ms: performance.now() - start,
          body: Buffer.concat(chunks).toString('utf8'),
          headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
        });
      incoming.on('data', (chunk: Buffer) => {
        if (bytes >= mostBody) return;
        chunks.push(chunk);
        bytes += chunk.length;
      });
      incoming.on('end', done);
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

function dial(host: string, port: number, servername: string | undefined): Promise<Read<Dialled>> {
  return new Promise((resolve) => {
    const start = performance.now();
    const name = servername !== undefined && isIP(servername) === 0 ? { servername } : {};
    // Whose certificate it is, the caller judges.
    const socket: Socket | TLSSocket =
      servername === undefined ? connectTcp({ host, port }) : connectTls({ host, port, rejectUnauthorized: false, ...name });
    const end = (answer: Read<Dialled>) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(dialMs, () => end({ failed: `no answer in ${dialMs / 1000} s` }));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ENOTFOUND' ? { absent: host } : { failed: error.message }));
    socket.once(servername === undefined ? 'connect' : 'secureConnect', () =>
      end({ ok: { ms: performance.now() - start, chain: chainOf(socket) } }),
    );
  });
}

function chainOf(socket: Socket | TLSSocket): string[] {
  if (!('getPeerX509Certificate' in socket)) return [];
  const chain: string[] = [];
  for (let each = socket.getPeerX509Certificate(); each && chain.length < 10; each = each.issuerCertificate) chain.push(each.toString());
  return chain;
}
