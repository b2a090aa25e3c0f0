/** One HTTP request of a user, from this process: its path goes out as it is written, which the clients of most languages would not do. */
import { request } from 'node:http';

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
export function ask(address: string, { host, path = '/', method = 'GET', headers = {} }: Asked, port = 80): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: address, port, path, method, headers: { ...headers, host }, agent: false, signal: AbortSignal.timeout(10_000) };
    const outgoing = request(options, (incoming) => {
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
}

/** Pods that answered `count` requests, one after the other, all with status 200. */
export async function podsThatAnswer(address: string, count: number, asked: Asked): Promise<Map<string, number>> {
  const pods = new Map<string, number>();
  for (let sent = 0; sent < count; sent++) {
    const { status, body, pod } = await ask(address, asked);
    if (status !== 200) throw new Error(`status ${status}: ${body}`);
    pods.set(pod, (pods.get(pod) ?? 0) + 1);
  }
  return pods;
}
