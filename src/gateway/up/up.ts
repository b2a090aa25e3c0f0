/**
 * `frp-k8s gateway up`: a whole gateway as one command. Starts and supervises the agent, frps and both HAProxies, and ends
 * them in their order. It keeps nothing in memory that matters: killed and started again, it takes over what still runs.
 */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/schema.ts';
import { createLog, type Log } from '../../log.ts';
import { replaceFile } from '../../process/replace-file.ts';
import { watchDisk } from './disk.ts';
import { openHome, pinOf } from './home.ts';
import {
  addressesFile,
  beatFile,
  frpsConfig,
  frpsFile,
  haproxyArguments,
  haproxyFile,
  logFile,
  parts,
  ports,
  runDirectory,
  type PartName,
} from './layout.ts';
import { lock } from './lock.ts';
import { Output } from './output.ts';
import { checkClock, checkDirectory, checkPorts, checkProgram, checkServices, frps, haproxy, type WantedPort } from './preflight.ts';
import { processesOf, tcpSockets } from './processes.ts';
import { isShared, type UpOptions } from './settings.ts';
import { Supervised } from './supervised.ts';
import { untilUsersGone } from './users.ts';
import { ownProgram } from '../../process/own-program.ts';

export interface UpDeps extends UpOptions {
  /** how the agent is started: this program and its arguments, for the path of HAProxy */
  agent: (haproxy: string) => [string, ...string[]];
}

/** Milliseconds. */
const hangMs = 5000;
/** Looks without news in that time, at two a second: where the supervisor had no time to look the agent had none to work. */
const hangLooks = 9;
/** A slow machine takes its time to start a program. */
const slowestStartMs = 60_000;
const patienceMs: Readonly<Record<PartName, number>> = { users: 3000, frps: 5000, tunnel: 3000, agent: 8000 };

/** Runs until a signal ends it. @throws UserError where it cannot start */
export async function runUp(config: Config, deps: UpDeps): Promise<void> {
  const { directory } = deps;
  checkDirectory(directory);
  checkServices(deps.services);
  checkClock(Date.now());
  const unlock = lock(directory);
  try {
    const programs = { haproxy: await checkProgram(haproxy(deps.haproxy)), frps: await checkProgram(frps(deps.frps)) };
    await checkPorts(wantedPorts(config), new Set(processesOf(directory).map(({ pid }) => pid)));
    const home = await openHome(directory);
    const isSameFrps = await prepare(directory, config);
    const log = createLog(config.logLevel);
    log.info(
      {
        directory,
        authority: pinOf(home.authority),
        http: config.gateway.httpPort,
        https: config.gateway.httpsPort,
        tunnels: config.gateway.tunnelPort,
      },
      'gateway up',
    );
    const output = new Output(directory, parts, log);
    const endWatch = watchDisk(directory, log);
    const children = supervise({ directory, programs, agent: deps.agent(programs.haproxy), isSameFrps, log });
    for (const part of parts) children[part].start();
    await serve(children, { directory, drainMs: deps.drainMs, log });
    endWatch();
    output.close();
    log.info('the gateway has ended');
  } finally {
    unlock();
  }
}

const { tunnel: _, ...own } = ports;

export const wantedPorts = (config: Config): WantedPort[] => [
  { port: config.gateway.httpPort, use: 'users, http', option: '--http-port', host: '0.0.0.0' },
  { port: config.gateway.httpsPort, use: 'users, https', option: '--https-port', host: '0.0.0.0' },
  isShared(config)
    ? { port: ports.tunnel, use: 'tunnels, beside the port that they share with users', host: '0.0.0.0' }
    : { port: config.gateway.tunnelPort, use: 'tunnels', option: '--tunnel-port', host: '0.0.0.0' },
  ...Object.entries(own).map(([name, port]): WantedPort => ({
    port,
    use: 'its own parts, on loopback',
    host: '127.0.0.1',
    ...(name === 'log' && { protocol: 'udp' }),
  })),
];

/** @returns whether frps, if it runs, has the configuration that it would get */
async function prepare(directory: string, { gateway }: Config): Promise<boolean> {
  mkdirSync(runDirectory(directory), { recursive: true, mode: 0o700 });
  mkdirSync(new URL('.', `file://${logFile(directory, 'agent')}`), { recursive: true, mode: 0o700 });
  await replaceFile(addressesFile(directory), `${JSON.stringify(gateway.addresses)}\n`);
  const wanted = frpsConfig(gateway.audience);
  const isSame = existsSync(frpsFile(directory)) && readFileSync(frpsFile(directory), 'utf8') === wanted;
  if (!isSame) await replaceFile(frpsFile(directory), wanted);
  return isSame;
}

type Children = Readonly<Record<PartName, Supervised>>;

function supervise(options: {
  directory: string;
  programs: { haproxy: string; frps: string };
  agent: [string, ...string[]];
  isSameFrps: boolean;
  log: Log;
}): Children {
  const { directory, programs, agent, isSameFrps, log } = options;
  const proxy = (part: 'users' | 'tunnel') =>
    new Supervised({
      part,
      directory,
      command: [programs.haproxy, ...haproxyArguments(directory, part)],
      // It goes on with its users or tunnels, whatever version of the program comes after.
      mayAdopt: true,
      canStart: () => existsSync(haproxyFile(directory, part)),
      log,
    });
  return {
    agent: new Supervised({
      part: 'agent',
      directory,
      command: agent,
      // It has nothing that it could not find out again, and may be of an older version.
      mayAdopt: false,
      hangs: agentWatch(directory),
      log,
    }),
    tunnel: proxy('tunnel'),
    frps: new Supervised({
      part: 'frps',
      directory,
      command: [programs.frps, '-c', frpsFile(directory)],
      mayAdopt: isSameFrps,
      // It asks the agent for keys as it starts, and ends without them.
      canStart: () => tcpSockets().some(({ isListening, port }) => isListening && port === ports.loopback),
      log,
    }),
    users: proxy('users'),
  };
}

function agentWatch(directory: string): (startedAt: number) => boolean {
  let last = 0;
  let looks = 0;
  return (startedAt) => {
    const beat = beatOf(directory);
    looks = beat === last ? looks + 1 : 0;
    last = beat;
    return agentHangs(startedAt, { beat, looks }, Date.now());
  };
}

/**
 * An agent that has written that it works writes it every second; one that starts has not yet.
 * @param beat when it was last written, by this agent or one before; all in milliseconds since the epoch
 * @param looks that have found the same since
 */
export const agentHangs = (startedAt: number, { beat, looks }: { beat: number; looks: number }, now: number): boolean =>
  looks >= hangLooks && (beat > startedAt ? now - beat > hangMs : now - startedAt > slowestStartMs);

/** When the agent last wrote that it works. */
function beatOf(directory: string): number {
  try {
    return statSync(beatFile(directory)).mtimeMs;
  } catch {
    return 0;
  }
}

/**
 * Until a signal comes: SIGTERM and SIGINT end the gateway, users first. SIGHUP makes this program start anew in its place,
 * as it is on disk by now; HAProxy and frps go on meanwhile.
 */
async function serve(children: Children, { directory, drainMs, log }: { directory: string; drainMs: number; log: Log }): Promise<void> {
  const signal = await nextSignal();
  if (signal === 'SIGHUP') {
    log.info('starting anew as the program on disk');
    for (const child of Object.values(children)) child.release();
    log.flush();
    await sleep(300);
    process.execve!(process.execPath, [...ownProgram(), ...process.argv.slice(2)], process.env);
  }
  log.info({ signal }, `users get ${drainMs / 1000} s to finish; a second signal ends at once`);
  const hurry = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => hurry.abort());
  // What ends now is not to be started again, but goes on until its turn.
  for (const child of Object.values(children)) child.release();
  children.agent.signal('SIGUSR2');
  const gone = untilUsersGone(directory, { softStop: () => children.users.signal('SIGUSR1') });
  await Promise.race([gone, sleep(drainMs, undefined, { signal: hurry.signal, ref: false }).catch(() => {})]);
  for (const part of ['users', 'frps', 'tunnel', 'agent'] as const) {
    await children[part].end('SIGTERM', hurry.signal.aborted ? 0 : patienceMs[part]);
    log.info({ part }, `${part} has ended`);
  }
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(name, () => resolve(name));
  });
}
