/** What frps asks on loopback: its plugin calls, and the keys that service account tokens are verified with (OIDC discovery). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { JSONWebKeySet } from 'jose';
import { isObject } from '../../model/json.ts';
import { TunnelAdmission } from './tunnel-admission.ts';
import { algorithms } from './pod-token.ts';

export interface LoopbackDeps {
  admission: TunnelAdmission;
  /** of every trusted cluster */
  keys: () => JSONWebKeySet;
  /** the address that frps knows as the issuer */
  issuer: () => string;
  onFailure: (error: Error) => void;
}

/** frp's longest message is 10 KB (pkg/msg); its client may have sent that much to each call. */
const maxBytes = 256 * 1024;
/** Go's client keeps idle connections for 90 s, and a call on one that has just been closed fails. */
const keepAliveMs = 120_000;

export function createLoopbackServer(deps: LoopbackDeps): Server {
  const server = createServer((request, response) => {
    void answer(request, deps).then(
      (value) => send(response, value),
      (error: Error) => {
        deps.onFailure(error);
        response.writeHead(500).end();
      },
    );
  });
  server.keepAliveTimeout = keepAliveMs;
  return server;
}

async function answer(request: IncomingMessage, { admission, keys, issuer: issuerOf }: LoopbackDeps): Promise<object | undefined> {
  switch (`${request.method} ${request.url?.split('?', 1)[0]}`) {
    case 'POST /plugin': {
      const { op, content } = (await bodyOf(request)) as { op?: unknown; content?: unknown };
      return admission.answer(op, isObject(content) ? content : {});
    }
    case 'GET /.well-known/openid-configuration': {
      const issuer = issuerOf();
      return {
        issuer,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: algorithms,
      };
    }
    case 'GET /jwks':
      return keys();
    default:
      return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) throw new Error(`a plugin call has more than ${maxBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  return isObject(body) ? body : {};
}

function send(response: ServerResponse, value: object | undefined): void {
  const body = JSON.stringify(value ?? { error: 'not found' });
  response.writeHead(value ? 200 : 404, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
