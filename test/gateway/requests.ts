/** Requests to a gateway on loopback, each on a connection of its own. */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { replicaTls } from './haproxy-harness.ts';

export interface Answer {
  status: number;
  body: string;
  /** the first that it sets */
  cookie: string | undefined;
}

export function get(port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, headers, agent: false, timeout: 10_000 }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => (body += chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body, cookie: incoming.headers['set-cookie']?.[0] }));
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in 10 s')));
    outgoing.end();
  });
}

/** Of the status API, whose certificate must be of the replicas' authority. */
export async function getStatus(port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { authorityPem } = (await replicaTls())!;
  return new Promise((resolve, reject) => {
    const target = {
      host: '127.0.0.1',
      port,
      path,
      headers,
      ca: authorityPem,
      agent: false,
      servername: 'frp-gateway-0',
    };
    requestTls(target, (incoming) => {
      let body = '';
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body, cookie: undefined }));
    })
      .on('error', reject)
      .end();
  });
}
