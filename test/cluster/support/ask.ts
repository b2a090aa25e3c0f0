/** One HTTP request of a user, from this process: its path goes out as it is written, which the clients of most languages would not do. */
import { request, type ClientRequest, type RequestOptions } from 'node:http';
import { request as requestTls, type Agent } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { fingerprintOf } from './certificates.ts';

export interface Asked {
  host: string;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
}

export interface Answer {
  status: number;
  body: string;
  headers: Record<string, string | string[] | undefined>;
  /** the echo that answered; empty where it was not one */
  pod: string;
}

/** On a connection of its own. @param address of the gateway @throws Error where there is no whole answer in 10 s */
export const ask = (address: string, asked: Asked, port = 80): Promise<Answer> => answerTo(request(optionsOf(address, asked, port)));

export interface TlsAnswer extends Answer {
  /** SHA-256 of the certificate that was presented; undefined on a connection that was there before */
  certificate: string | undefined;
  /** port of this end: the same one is the same connection */
  connection: number | undefined;
}

/** The same by https. @param tls `ca`: of whom the certificate must be; `agent`: keeps the connection @throws Error also where the certificate is not for the host */
export async function askTls(
  address: string,
  asked: Asked,
  { ca, port = 443, agent = false }: { ca: string; port?: number; agent?: Agent | false },
): Promise<TlsAnswer> {
  const outgoing = requestTls({ ...optionsOf(address, asked, port), servername: asked.host, ca, agent });
  let certificate: string | undefined;
  let connection: number | undefined;
  outgoing.on('response', ({ socket }) => {
    const presented = (socket as TLSSocket).getPeerX509Certificate();
    certificate = presented && fingerprintOf(presented.toString());
    connection = socket.localPort;
  });
  return { ...(await answerTo(outgoing)), certificate, connection };
}

const optionsOf = (address: string, { host, path = '/', method = 'GET', headers = {} }: Asked, port: number): RequestOptions => ({
  host: address,
  port,
  path,
  method,
  headers: { ...headers, host },
  agent: false,
  signal: AbortSignal.timeout(10_000),
});

const answerTo = (outgoing: ClientRequest): Promise<Answer> =>
  new Promise((resolve, reject) => {
    outgoing.on('response', (incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (part: string) => (body += part));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          body,
          headers: incoming.headers,
          pod: /^hostname: (\S+)$/m.exec(body)?.[1] ?? '',
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end();
  });

/** Pods that answered `count` requests, one after the other, all with status 200. */
export async function podsThatAnswer(address: string, count: number, asked: Asked, port = 80): Promise<Map<string, number>> {
  const pods = new Map<string, number>();
  for (let sent = 0; sent < count; sent++) {
    const { status, body, pod } = await ask(address, asked, port);
    if (status !== 200) throw new Error(`status ${status}: ${body}`);
    pods.set(pod, (pods.get(pod) ?? 0) + 1);
  }
  return pods;
}
