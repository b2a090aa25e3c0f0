/** Who may ask: everybody that can reach the port, within bounds; with the authority of the API server's certificate, only it. */
import type { Server, ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../../log.ts';
import { FairShare } from './fair-share.ts';

/** What a client certificate is checked by. */
export interface ClientTrust {
  /** PEM with the authorities that may have signed it */
  caPem: string;
  /** common names of which it must have one; none: any */
  names: readonly string[];
}

/** The API server opens one for each review that it has under way, and keeps some; many more are somebody else's. */
const connectionLimit = 1024;
/** Milliseconds to shake hands, and to send the head of a request. */
const patience = 10_000;

/** Options of a TLS server that hold strangers up. */
export const clientOptions = (trust: ClientTrust | undefined) =>
  ({
    handshakeTimeout: patience,
    headersTimeout: patience,
    connectionsCheckingInterval: 5000,
    ...(trust && { requestCert: true, rejectUnauthorized: true, ca: trust.caPem }),
  }) satisfies ServerOptions;

/** Bounds the connections, and ends those of certificates with another name. */
export function admitClients(server: Server, trust: ClientTrust | undefined, log: Log, limit = connectionLimit): void {
  const connections = new FairShare(limit);
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const end = () => socket.destroy();
    socket.once('close', () => connections.release(address, end));
    connections.take(address, end, 1);
  });
  if (!trust || trust.names.length === 0) return;
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    const { subject } = socket.getPeerCertificate();
    if (trust.names.includes(String(subject?.CN))) return;
    log.warn({ name: subject?.CN, address: socket.remoteAddress }, 'a client certificate of another name is refused (webhook.clientNames)');
    socket.destroy();
  });
}
