/** Questions that only a program that works answers; each on a connection of its own. */
import { connect, type NetConnectOpts } from 'node:net';
import type { Look } from './watchdog.ts';

type Probe = (limitMs: number) => Promise<Look>;

/** frps by its own port and by its API. @param addresses host and port of each */
export function frpsProbe({ tunnel, api }: { tunnel: NetConnectOpts; api: NetConnectOpts }): Probe {
  return async (limitMs) => {
    const looks = await Promise.all([
      ask(tunnel, muxPing, isMuxPong, limitMs),
      ask(api, 'GET /healthz HTTP/1.1\r\nHost: frps\r\nConnection: close\r\n\r\n', (answer) => answer.length > 0, limitMs),
    ]);
    return looks.includes('absent') ? 'absent' : 'answers';
  };
}

/** HAProxy by its runtime API, which it serves whatever the number of connections that users have. */
export const haproxyProbe =
  (socket: string): Probe =>
  (limitMs) =>
    ask({ path: socket }, 'show info\n', (answer) => answer.length > 0, limitMs);

/** What frp's connections begin with (yamux spec.md): version 0, type 2 (ping), flag 1 (SYN), stream 0, an opaque value. */
const muxPing = Buffer.from('000200010000000000000001', 'hex');
/** The same with flag 2 (ACK); a ping of the server's own may come first. */
const isMuxPong = (answer: Buffer): boolean => answer.includes(Buffer.from('000200020000000000000001', 'hex'));

/** Of one that is not there, or has just ended. */
const gone = new Set<string | undefined>(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE']);

/** @throws Error where the answer has not come in time */
function ask(target: NetConnectOpts, question: string | Buffer, isAnswer: (bytes: Buffer) => boolean, limitMs: number): Promise<Look> {
  return new Promise((resolve, reject) => {
    const socket = connect(target);
    let answer = Buffer.alloc(0);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(new Error(`no answer in ${limitMs} ms`))), limitMs);
    socket.on('connect', () => socket.write(question));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (isAnswer(answer)) end(() => resolve('answers'));
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      // Others come of a queue that nobody empties (EAGAIN of a Unix socket).
      end(() => (gone.has(error.code) ? resolve('absent') : reject(error))),
    );
    // Ended before an answer: it has just ended itself.
    socket.on('close', () => end(() => resolve('absent')));
  });
}
