/** Changes certificates and the list of revoked ones in the tunnels' HAProxy (`haproxy -W -S DIR/master.sock -f DIR/current/haproxy.cfg`), with every other tunnel staying up. */
import { join } from 'node:path';
import { certificatesIn, parseCertificate, splitBundle } from '../../../../certs/inspect.ts';
import type { Log } from '../../../log.ts';
import { processSize } from '../config/capacity.ts';
import { configFile, masterSocket, workerSocket } from '../config/global.ts';
import { clientsFile, renderTunnel, revokedFile, serverPemFile, type TunnelSettings } from '../config/tunnel-config.ts';
import { paceFile, paceScript } from '../config/tunnel-pace.ts';
import { setCertificate } from './cert-commands.ts';
import type { Alert, Check } from './check.ts';
import { runCommand } from './cli.ts';
import { findCulprits } from './culprits.ts';
import { Generations, isSame, type Files } from './generations.ts';
import { reloadMaster } from './master.ts';
import { OldProcesses, type MemoryBudget } from './old-processes.ts';
import { ReloadBudget, tunnelBudget } from './reload-budget.ts';
import { endTunnels, turnAway, type SparedOf } from './revocation-list.ts';
import { endTunnelsFrom } from './tunnel-sessions.ts';
import { identify } from './running.ts';
import { countTunnels, endTunnelsWhere, openTunnels, type OpenTunnel } from './open-tunnels.ts';
import { tunnelTraffic, type TunnelTraffic } from './tunnel-traffic.ts';
import type { Applied } from './users-proxy.ts';

export interface TunnelState {
  /** certificate chain and key of the server */
  serverPem: string;
  /** PEM of every CA whose client certificates may connect; the installation's own comes first */
  clientCaPem: string;
  /** SHA-256 of certificates (DER) that may not, 64 hexadecimal digits each; tunnels that they have are ended */
  revoked: readonly string[];
}

export interface TunnelProxyOptions extends TunnelSettings {
  check: Check;
  memory?: MemoryBudget | undefined;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** called when HAProxy is another process than it was */
  changed: () => void;
  /** milliseconds between two looks at whether HAProxy is still the same process; default 1000 */
  pollMs?: number;
}

export class TunnelProxy {
  readonly #options: TunnelProxyOptions;
  readonly #socket: string;
  readonly #timer: NodeJS.Timeout;
  readonly #generations: Generations;
  readonly #budget = new ReloadBudget(tunnelBudget);
  /** processes from before reloads that still have tunnels */
  readonly old: OldProcesses;
  /** certificates that are turned away for a time: until when, milliseconds of performance.now() */
  readonly #away = new Map<string, number>();
  #has: { pid: string; state: TunnelState } | undefined;
  #pid: string | undefined;
  #isClosed = false;

  constructor(options: TunnelProxyOptions) {
    this.#options = options;
    this.#socket = join(options.directory, workerSocket);
    this.#generations = new Generations(options.directory);
    this.old = new OldProcesses(options);
    this.#timer = setInterval(() => void this.#watch(), options.pollMs ?? 1000);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.old.close();
  }

  /**
   * HAProxy has it then; where HAProxy is not there, it will start with it.
   * @param sparedOf of a revoked certificate: the ports from which HAProxy has handed tunnels on to frps that stay; absent: none
   * @throws Error where HAProxy refuses a part: the rest holds
   */
  async apply(given: TunnelState, sparedOf?: SparedOf): Promise<Applied> {
    const { away, waitMs: untilBack } = this.#turnedAway();
    const listed = [...given.revoked.map((hash) => hash.toLowerCase()), ...away];
    const revoked = [...new Set(listed)].filter((hash) => /^[0-9a-f]{64}$/.test(hash)).sort();
    const before = await identify(this.#socket).catch(() => undefined);
    this.#pid = before?.pid;
    // Who is revoked is turned away whatever else is wrong.
    const known = this.#has && this.#has.pid === before?.pid ? this.#has.state : undefined;
    if (before && known?.revoked.join() !== revoked.join()) await this.#revoke(revoked, sparedOf);
    const wanted = await this.#stage({ ...given, revoked });
    await this.#generations.commit();
    if (!before) {
      this.#has = undefined;
      return { waitMs: untilBack };
    }
    if (known?.serverPem !== wanted.serverPem && !(await this.#presents(wanted.serverPem)))
      await setCertificate(this.#socket, serverPemFile, withoutEmptyLines(wanted.serverPem));
    let { pid } = before;
    if (known?.clientCaPem !== wanted.clientCaPem && !(await this.#trusts(wanted.clientCaPem))) {
      const waitMs = this.#budget.waitMs(['client authorities'], this.old.count) || this.old.waitMs(processSize(0));
      if (waitMs > 0) return { waitMs: Math.min(waitMs, untilBack ?? Infinity) };
      pid = await this.#reload(pid);
    }
    this.#has = { pid, state: wanted };
    this.#pid = pid;
    return { waitMs: untilBack };
  }

  /** What each tunnel has brought. @throws CliError where HAProxy is not there */
  traffic(): Promise<TunnelTraffic[]> {
    return tunnelTraffic(join(this.#options.directory, masterSocket));
  }

  /** How many tunnels are open. @throws CliError where HAProxy is not there, as those that follow */
  count(): Promise<number> {
    return countTunnels(join(this.#options.directory, masterSocket));
  }

  open(): Promise<OpenTunnel[]> {
    return openTunnels(join(this.#options.directory, masterSocket));
  }

  /** @param clients addresses and ports @returns how many it ended */
  endClients(clients: ReadonlySet<string>): Promise<number> {
    return endTunnelsWhere(join(this.#options.directory, masterSocket), ({ client }) => clients.has(client));
  }

  /**
   * Ends the tunnels of a certificate and refuses new ones for a time, over restarts of HAProxy but not of the agent.
   * @param certificate SHA-256 (DER), lower-case hexadecimal; @param ms 0: it may come again
   */
  async turnAway(certificate: string, ms: number): Promise<void> {
    if (ms > 0) this.#away.set(certificate, performance.now() + ms);
    else this.#away.delete(certificate);
    if (ms > 0) {
      await runCommand(this.#socket, `add acl ${revokedFile} ${certificate}`);
      await endTunnels(join(this.#options.directory, masterSocket), [certificate]);
    }
    this.#options.changed();
  }

  /** Those that are away now, and milliseconds until the first may come back. */
  #turnedAway(): { away: string[]; waitMs: number | undefined } {
    const now = performance.now();
    for (const [certificate, until] of this.#away) if (until <= now) this.#away.delete(certificate);
    return { away: [...this.#away.keys()], waitMs: this.#away.size === 0 ? undefined : Math.min(...this.#away.values()) - now };
  }

  /**
   * Ends tunnels of this process and of those from before a reload. Never rejects: where HAProxy is not there, nor are they.
   * @param addresses from which each was handed on to frps @param why for the log, such as `of a cluster that was removed`
   */
  async end(addresses: readonly string[], why: string): Promise<void> {
    if (addresses.length === 0) return;
    const { directory, log } = this.#options;
    await endTunnelsFrom(join(directory, masterSocket), addresses).then(
      (tunnels) => log.info({ tunnels }, `ended tunnels ${why}`),
      (error: Error) => log.warn(`tunnels ${why} are not ended: ${error.message}`),
    );
  }

  /** @returns what HAProxy takes of it: a CA that it cannot read is left out */
  async #stage(wanted: TunnelState): Promise<TunnelState> {
    const refused = await this.#refusal(wanted);
    if (!refused) return wanted;
    const authorities = splitBundle(wanted.clientCaPem);
    const part = (keys: readonly string[]): TunnelState => ({
      ...wanted,
      clientCaPem: keys.map((key) => `${authorities[Number(key)]}\n`).join(''),
    });
    const { culprits, undecided } = await findCulprits({
      keys: authorities.map((_, index) => `${index}`),
      suspects: new Set(),
      refusal: (keys) => this.#refusal(part(keys)),
      isOver: () => false,
    });
    const out = new Set([...culprits.keys(), ...undecided]);
    for (const key of out) {
      const { subject, fingerprint256 } = parseCertificate(authorities[Number(key)]!);
      this.#options.log.error({ subject, fingerprint256 }, 'HAProxy refuses an authority of clients; sidecars of it cannot connect');
    }
    const rest = part(authorities.map((_, index) => `${index}`).filter((key) => !out.has(key)));
    const still = await this.#refusal(rest);
    if (still) throw new Error(`HAProxy refuses the configuration of the tunnels: ${refused[0]?.text}`);
    return rest;
  }

  async #refusal(wanted: TunnelState): Promise<readonly Alert[] | undefined> {
    const files: Files = new Map([
      [serverPemFile, wanted.serverPem],
      [clientsFile, wanted.clientCaPem],
      [revokedFile, wanted.revoked.map((hash) => `${hash}\n`).join('')],
      [paceFile, paceScript],
      [configFile, renderTunnel(this.#options)],
    ]);
    if (isSame(await this.#generations.current(), files)) {
      await this.#generations.discard();
      return undefined;
    }
    const verdict = await this.#options.check(await this.#generations.stage(files));
    return verdict.kind === 'refused' ? verdict.alerts : undefined;
  }

  async #revoke(revoked: readonly string[], sparedOf?: SparedOf): Promise<void> {
    await turnAway(this.#socket, revokedFile, revoked);
    const tunnels = revoked.length === 0 ? 0 : await endTunnels(join(this.#options.directory, masterSocket), revoked, sparedOf);
    if (tunnels > 0) this.#options.log.info({ tunnels }, 'ended the tunnels of revoked certificates');
  }

  /** Whether HAProxy has this certificate: what it has already is not set again. Its key is then the same too. */
  async #presents(pem: string): Promise<boolean> {
    const shown = await runCommand(this.#socket, `show ssl cert ${serverPemFile}`);
    return shownFingerprints(shown)[0] === fingerprints(pem)[0] && chainLength(shown) === fingerprints(pem).length;
  }

  /** Whether HAProxy has exactly these CAs. */
  async #trusts(pem: string): Promise<boolean> {
    const has = shownFingerprints(await runCommand(this.#socket, `show ssl ca-file ${clientsFile}`));
    return [...new Set(has)].sort().join() === [...new Set(fingerprints(pem))].sort().join();
  }

  /**
   * New CAs come by a reload: in HAProxy 2.6.12 `commit ssl ca-file` reads freed memory after a `commit ssl cert` ("unable
   * to load SSL private key into SSL Context"). The old process goes on with its tunnels until they end; CAs change
   * seldom. @returns the new process
   */
  async #reload(pid: string): Promise<string> {
    this.#budget.spend(['client authorities']);
    const next = await reloadMaster(this.#options.directory, pid);
    if (next === undefined) throw new Error('HAProxy did not start with the new CAs and goes on with the old ones; its output says why');
    return next;
  }

  async #watch(): Promise<void> {
    const pid = await identify(this.#socket).then(
      (who) => who.pid,
      () => undefined,
    );
    if (!this.#isClosed && pid !== this.#pid) this.#options.changed();
  }
}

/** Of a certificate and those after it. */
const chainLength = (shown: string): number => 1 + (shown.match(/^Chain Subject:/gm)?.length ?? 0);

/** SHA-1, upper-case hexadecimal, as the runtime API tells them. */
const shownFingerprints = (shown: string): string[] =>
  [...shown.matchAll(/SHA1 FingerPrint: ([0-9A-F]{40})/gi)].map(([, print]) => print!.toUpperCase());
const fingerprints = (pem: string): string[] => certificatesIn(pem).map(({ fingerprint }) => fingerprint.replaceAll(':', ''));

/** An empty line ends a payload of the runtime API. */
const withoutEmptyLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${line}\n`)
    .join('');
