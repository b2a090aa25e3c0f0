/**
 * Whether a process on this machine is there, noticed at once: an open connection ends with the process, and a new one is
 * refused.
 */
import { connect, type Socket } from 'node:net';
import { pause } from '../../kube/backoff.ts';

export interface LivenessOptions {
  host: string;
  port: number;
  /** nobody listens any more */
  gone: () => void;
  /** somebody listens again */
  back: () => void;
}

const pauseMs = 100;

export class FrpsLiveness {
  readonly #options: LivenessOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #socket: Socket | undefined;

  /** Starts at once. What was never there is not gone. */
  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#socket?.destroy();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let isThere: boolean | undefined;
    while (!signal.aborted) {
      const end = await this.#watch(() => {
        if (isThere === false) this.#options.back();
        isThere = true;
      });
      // An end without an error is the other side's time limit, or its end; the next attempt tells which.
      if (end === 'ECONNREFUSED' && isThere) {
        isThere = false;
        this.#options.gone();
      }
      if (end !== undefined) await pause(pauseMs, signal);
    }
  }

  /** Connects, and waits for the end of the connection. @returns an error's code where it was never open */
  #watch(opened: () => void): Promise<string | undefined> {
    const { host, port } = this.#options;
    return new Promise((resolve) => {
      const socket = connect({ host, port });
      this.#socket = socket;
      let isOpen = false;
      let code: string | undefined;
      socket.on('connect', () => {
        isOpen = true;
        opened();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
      socket.on('close', () => resolve(isOpen ? undefined : (code ?? 'closed')));
      socket.resume();
    });
  }
}
