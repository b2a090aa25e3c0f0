/** Connections to the port where the other replicas take users' connections (haproxy/config/handover.ts). */
import type { Socket } from 'node:net';
import { connect, createSecureContext, type ConnectionOptions, type SecureContext } from 'node:tls';
import { failoverPort, sourceFor, streamsProtocol, type UsersSettings } from '../haproxy/index.ts';

const attemptMs = 1000;

export class OtherReplicas {
  readonly #own: readonly string[];
  readonly #port: number;
  #addresses: readonly string[] = [];
  #identity: UsersSettings['replicaTls'];
  #context: SecureContext | undefined;

  /** @param own addresses of this Pod, to dial from */
  constructor(own: readonly string[], port = failoverPort) {
    this.#own = own;
    this.#port = port;
  }

  /** @param addresses IP addresses @param identity none: nobody can be known for a replica */
  follow(addresses: readonly string[], identity: UsersSettings['replicaTls']): void {
    this.#addresses = addresses;
    if (identity?.identityPem === this.#identity?.identityPem && identity?.authorityPem === this.#identity?.authorityPem) return;
    this.#identity = identity;
    this.#context = identity && createSecureContext({ cert: identity.identityPem, key: identity.identityPem, ca: identity.authorityPem });
  }

  /** One for each of them, opened when called; undefined where it is not there, or cannot show that it is a replica. */
  connections(): (() => Promise<Socket | undefined>)[] {
    const secureContext = this.#context;
    if (!secureContext) return [];
    return this.#addresses.map((host) => () => {
      const from = { host, port: this.#port, localAddress: sourceFor(host, this.#own), allowHalfOpen: true };
      const options: ConnectionOptions = {
        secureContext,
        ALPNProtocols: [streamsProtocol],
        // The authority issues for replicas alone.
        checkServerIdentity: () => undefined,
      };
      return opened(connect({ ...from, ...options }), 'secureConnect');
    });
  }
}

/** @param ready event after which it can be used @returns undefined where nobody takes it */
export function opened(socket: Socket, ready: 'connect' | 'secureConnect'): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const failed = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.once('error', failed);
    socket.setTimeout(attemptMs, failed);
    socket.once(ready, () => {
      socket.off('error', failed);
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.setNoDelay();
      resolve(socket);
    });
  });
}
