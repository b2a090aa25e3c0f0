/** A peer that is gone without a word is noticed: by pings of HTTP/2, which no flow control holds up. */
import type { Http2Session } from 'node:http2';
import { heartbeat, LinkError } from './protocol.ts';

/** Ends the session where a ping is not answered in time. */
export function watchSession(session: Http2Session, { everyMs, patienceMs } = heartbeat): void {
  let waiting: NodeJS.Timeout | undefined;
  const silent = () =>
    session.destroy(new LinkError('Silent', `the other end has not answered for ${Math.round((everyMs + patienceMs) / 1000)} s`));
  const timer = setInterval(() => {
    if (waiting || session.closed || session.destroyed) return;
    waiting = setTimeout(silent, patienceMs);
    session.ping((error) => {
      clearTimeout(waiting);
      waiting = undefined;
      if (error && !session.destroyed) silent();
    });
  }, everyMs);
  session.once('close', () => {
    clearInterval(timer);
    clearTimeout(waiting);
  });
}
