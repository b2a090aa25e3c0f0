/** Changes certificates and the list of revoked ones in the tunnels' HAProxy (`haproxy -W -S DIR/master.sock -f DIR/haproxy.cfg`), with every other tunnel staying up. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Log } from '../../../log.ts';
import { setCertificate } from './cert-commands.ts';
import { CliError, runCommand } from './cli.ts';
import { replace } from './disk.ts';
import { configFile, masterSocket, workerSocket } from '../config/global.ts';
import { endTunnels, turnAway } from './revocation-list.ts';
import { identify } from './running.ts';
import { clientsFile, renderTunnel, revokedFile, serverPemFile, type TunnelSettings } from '../config/tunnel-config.ts';

export interface TunnelState {
  /** certificate chain and key of the server */
  serverPem: string;
  /** PEM of every CA whose client certificates may connect */
  clientCaPem: string;
  /** SHA-256 of certificates (DER) that may not, 64 hexadecimal digits each; tunnels that they have are ended */
  revoked: readonly string[];
}

export interface TunnelProxyOptions extends TunnelSettings {
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** milliseconds between two looks at whether HAProxy is still the same process; default 1000 */
  pollMs?: number;
}

export class TunnelProxy {
  readonly #options: TunnelProxyOptions;
  readonly #socket: string;
  readonly #timer: NodeJS.Timeout;
  #wanted: TunnelState | undefined;
  #has: { pid: string; state: TunnelState } | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: TunnelProxyOptions) {
    this.#options = options;
    this.#socket = join(options.directory, workerSocket);
    this.#timer = setInterval(() => void this.#poll(), options.pollMs ?? 1000);
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#work.catch(() => {});
  }

  /** Whether HAProxy is there and has what was last applied. */
  get isSettled(): boolean {
    return this.#wanted !== undefined && this.#has?.state === this.#wanted;
  }

  /** Resolves when HAProxy has it; where HAProxy is not there, when the files are written. @throws CliError where HAProxy refuses a part: the rest holds, and it is tried again */
  apply(state: TunnelState): Promise<void> {
    this.#wanted = {
      ...state,
      revoked: [...new Set(state.revoked.map((hash) => hash.toLowerCase()))].filter((hash) => /^[0-9a-f]{64}$/.test(hash)).sort(),
    };
    return this.#enqueue();
  }

  #enqueue(): Promise<void> {
    this.#work = this.#work.catch(() => {}).then(() => this.#run());
    return this.#work;
  }

  async #poll(): Promise<void> {
    if (!this.#wanted) return;
    const pid = await identify(this.#socket).then(
      (who) => who.pid,
      () => undefined,
    );
    if (pid === undefined) this.#has = undefined;
    else if (pid !== this.#has?.pid || !this.isSettled)
      await this.#enqueue().catch((error: unknown) => this.#options.log.error({ err: error }, 'the tunnel does not have its certificates'));
  }

  async #run(): Promise<void> {
    const wanted = this.#wanted!;
    const { directory } = this.#options;
    const file = (name: string) => join(directory, name);
    await replace(file(serverPemFile), wanted.serverPem);
    await replace(file(clientsFile), wanted.clientCaPem);
    await replace(file(revokedFile), wanted.revoked.map((hash) => `${hash}\n`).join(''));
    await replace(file(configFile), renderTunnel(this.#options));
    let pid: string;
    try {
      ({ pid } = await identify(this.#socket));
    } catch {
      this.#has = undefined;
      return;
    }
    // A process that nothing is known of started with files that may have been older.
    const now = this.#has?.pid === pid ? this.#has.state : undefined;
    if (now?.revoked.join() !== wanted.revoked.join()) await this.#revoke(file(revokedFile), wanted.revoked);
    if (now?.serverPem !== wanted.serverPem && !(await this.#presents(file(serverPemFile), wanted.serverPem)))
      await setCertificate(this.#socket, file(serverPemFile), withoutEmptyLines(wanted.serverPem));
    if (now?.clientCaPem !== wanted.clientCaPem && !(await this.#trusts(file(clientsFile), wanted.clientCaPem)))
      pid = await this.#reload(pid);
    this.#has = { pid, state: wanted };
  }

  async #revoke(path: string, revoked: readonly string[]): Promise<void> {
    await turnAway(this.#socket, path, revoked);
    const tunnels = revoked.length === 0 ? 0 : await endTunnels(join(this.#options.directory, masterSocket), revoked);
    if (tunnels > 0) this.#options.log.info({ tunnels }, 'ended the tunnels of revoked certificates');
  }

  /** Whether HAProxy has this certificate: what it has already is not set again. Its key is then the same too. */
  async #presents(path: string, pem: string): Promise<boolean> {
    const shown = await runCommand(this.#socket, `show ssl cert ${path}`);
    return shownFingerprints(shown)[0] === fingerprints(pem)[0] && chainLength(shown) === fingerprints(pem).length;
  }

  /** Whether HAProxy has exactly these CAs. */
  async #trusts(path: string, pem: string): Promise<boolean> {
    const has = shownFingerprints(await runCommand(this.#socket, `show ssl ca-file ${path}`));
    return [...new Set(has)].sort().join() === [...new Set(fingerprints(pem))].sort().join();
  }

  /**
   * New CAs come by a reload: in HAProxy 2.6.12 `commit ssl ca-file` reads freed memory after a `commit ssl cert` ("unable
   * to load SSL private key into SSL Context"). The old process goes on with its tunnels until they end; CAs change
   * seldom. @returns the new process
   */
  async #reload(pid: string): Promise<string> {
    const master = join(this.#options.directory, masterSocket);
    let isAsked = false;
    for (const end = Date.now() + reloadPatience; Date.now() < end;) {
      // The master does not listen while it starts anew after another reload.
      isAsked ||= await runCommand(master, 'reload').then(
        () => true,
        () => false,
      );
      await new Promise((later) => setTimeout(later, 50));
      const now = await identify(this.#socket).catch(() => undefined);
      if (now && now.pid !== pid) return now.pid;
    }
    throw new CliError('HAProxy did not start with the new CAs and goes on with the old ones; its output says why');
  }
}

/** Milliseconds that a new process may take to start. */
const reloadPatience = 20_000;

/** Of a certificate and those after it. */
const chainLength = (shown: string): number => 1 + (shown.match(/^Chain Subject:/gm)?.length ?? 0);

/** SHA-1, upper-case hexadecimal, as the runtime API tells them. */
const shownFingerprints = (shown: string): string[] =>
  [...shown.matchAll(/SHA1 FingerPrint: ([0-9A-F]{40})/gi)].map(([, print]) => print!.toUpperCase());
const fingerprints = (pem: string): string[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((text) =>
    new X509Certificate(text).fingerprint.replaceAll(':', ''),
  );

/** An empty line ends a payload of the runtime API. */
const withoutEmptyLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${line}\n`)
    .join('');
