/** The body of a review, collected up to a limit. */
import type { FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';

/**
 * kube-apiserver accepts objects up to 3 MiB. A review of an update carries two of them, and user, options and managed
 * fields around them: 7 MiB, the limit that controller-runtime settled on as well.
 */
export const bodyLimit = 7 * 1024 * 1024;

interface HttpError extends Error {
  statusCode: number;
}

/**
 * A content type parser of fastify. Its own collector would do, but takes its listeners off again after each request,
 * which costs a twentieth of a small review. What is beyond the limit is read and dropped.
 */
export function collectBody(
  request: FastifyRequest,
  payload: IncomingMessage,
  done: (error: HttpError | null, body?: Buffer) => void,
): void {
  if (Number(request.headers['content-length']) > bodyLimit) return done(tooLarge());
  const chunks: Buffer[] = [];
  let size = 0;
  payload.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= bodyLimit) chunks.push(chunk);
  });
  payload.on('end', () => (size > bodyLimit ? done(tooLarge()) : done(null, Buffer.concat(chunks, size))));
  payload.on('error', (error: Error) => done(Object.assign(error, { statusCode: 400 })));
}

function tooLarge(): HttpError {
  const message = `the body is larger than ${bodyLimit} bytes (7 MiB), the most that an AdmissionReview of two objects can need`;
  return Object.assign(new Error(message), { statusCode: 413 });
}
