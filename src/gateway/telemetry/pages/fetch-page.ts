/** GET of a backend's page through its tunnel. Nothing of the backend's can make it longer or larger than this. */
import { request } from 'node:http';

/** Bytes, and milliseconds from the connection to the last byte. */
export const limits = { bytes: 512 * 1024, timeMs: 5000 };

/** What came of asking a backend. */
export type Outcome = 'read' | 'unreachable' | 'refused' | 'too_large' | 'too_slow' | 'not_understood';

export class PageError extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

export interface PageRequest {
  /** on 127.0.0.1 */
  port: number;
  path: string;
  /** Host header */
  host: string;
}

export const pageAgent = 'frp-k8s-metrics';

/** @param signal ends it @throws PageError */
export function fetchPage({ port, path, host }: PageRequest, signal: AbortSignal, { bytes, timeMs } = limits): Promise<string> {
  const timeout = AbortSignal.timeout(timeMs);
  return new Promise<string>((resolve, reject) => {
    const fail = (outcome: Outcome) => reject(new PageError(timeout.aborted ? 'too_slow' : outcome));
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        agent: false,
        headers: { host, accept: '*/*', 'user-agent': pageAgent, connection: 'close' },
        signal: AbortSignal.any([timeout, signal]),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const isPlain = [undefined, 'identity'].includes(incoming.headers['content-encoding']);
        if (incoming.statusCode !== 200 || !isPlain) {
          fail('refused');
          return void outgoing.destroy();
        }
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size <= bytes) return void chunks.push(chunk);
          fail('too_large');
          outgoing.destroy();
        });
        incoming.on('error', () => fail('unreachable'));
        incoming.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      },
    );
    outgoing.on('error', () => fail('unreachable'));
    outgoing.end();
  });
}
