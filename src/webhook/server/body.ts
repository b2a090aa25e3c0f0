/** The body of a review, collected within limits: of one body, and of all that are on their way. */
import type { FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { FairShare } from './fair-share.ts';

/**
 * kube-apiserver accepts objects up to 3 MiB. A review of an update carries two of them, and user, options and managed
 * fields around them: 7 MiB, the limit that controller-runtime settled on as well.
 */
export const bodyLimit = 7 * 1024 * 1024;
/** Of all bodies that have not ended yet: thousands of ordinary reviews, or nine of the largest. */
const unfinishedLimit = 64 * 1024 * 1024;

interface HttpError extends Error {
  statusCode: number;
}

type Done = (error: HttpError | null, body?: Buffer) => void;

/**
 * A content type parser of fastify. Its own collector would do, but takes its listeners off again after each request,
 * which costs a twentieth of a small review. Of what is beyond a limit nothing is kept.
 */
export function bodyCollector(limit = unfinishedLimit): (request: FastifyRequest, payload: IncomingMessage, done: Done) => void {
  const unfinished = new FairShare(limit);
  return (request, payload, done) => {
    if (Number(request.headers['content-length']) > bodyLimit) return done(tooLarge());
    let chunks: Buffer[] | undefined = [];
    let size = 0;
    const address = payload.socket.remoteAddress ?? '';
    const end = (error: HttpError | null) => {
      if (!chunks) return;
      const body = error ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size);
      chunks = undefined;
      unfinished.release(address, crowdedOut);
      done(error, body);
    };
    const crowdedOut = () => end(tooMany());
    payload.on('data', (chunk: Buffer) => {
      if (!chunks) return;
      size += chunk.length;
      if (size > bodyLimit) return end(tooLarge());
      chunks.push(chunk);
      unfinished.take(address, crowdedOut, chunk.length);
    });
    payload.on('end', () => end(null));
    payload.on('error', (error: Error) => end(Object.assign(error, { statusCode: 400 })));
    payload.on('close', () => end(Object.assign(new Error('the connection ended before the body did'), { statusCode: 400 })));
  };
}

function tooLarge(): HttpError {
  const message = `the body is larger than ${bodyLimit} bytes (7 MiB), the most that an AdmissionReview of two objects can need`;
  return Object.assign(new Error(message), { statusCode: 413 });
}

function tooMany(): HttpError {
  return Object.assign(new Error('too many reviews are on their way, most of them from this address; send it again'), { statusCode: 429 });
}
