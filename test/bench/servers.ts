/** The processes of the benchmark: servers on one core, the load generator on the other, so that they do not share time. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, homedir } from 'node:os';
import path from 'node:path';

const serverCore = '0';
const generatorCore = '1';
export const pinned = availableParallelism() > 1 && spawnSync('taskset', ['-V']).status === 0;

export interface ServerSpec {
  name: string;
  /** arguments of node */
  args: string[];
  env: (port: number, spare: number) => Record<string, string>;
}

export interface RunningServer {
  name: string;
  pid: number;
  url: string;
  /** when it was started, nanoseconds since 1970 */
  startedAt: bigint;
  /** file of its output */
  output: string;
  stop(): Promise<void>;
}

/** One load generator run's answer, as test/bench/loadgen prints it. */
export interface Load {
  req_s: number;
  p50_ms: number;
  p99_ms: number;
  cpu_ms_per_req: number;
  rss_peak_mb: number;
  errors: number;
  error_kinds?: Record<string, number>;
}

/** Starts a server; it may not answer yet. Its output goes to a file, as a container's would. */
export async function startServer(spec: ServerSpec, folder: string): Promise<RunningServer> {
  const [port, spare] = [await freePort(), await freePort()];
  const output = path.join(folder, `${spec.name}.log`);
  const opened = openSync(output, 'a');
  const [command, ...args] = onCore(serverCore, [process.execPath, ...spec.args]);
  const startedAt = BigInt(Date.now()) * 1_000_000n;
  const child = spawn(command!, args, {
    stdio: ['ignore', opened, opened],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...spec.env(port, spare) },
  });
  closeSync(opened);
  return {
    name: spec.name,
    pid: child.pid!,
    url: `https://127.0.0.1:${port}/mutate/pods?timeout=10s`,
    startedAt,
    output,
    stop: () => ended(child),
  };
}

/** Time to the first verified answer, and resident memory a second later. */
export function waitForServer(generator: string, server: RunningServer, reviews: string): { start_ms: number; rss_idle_mb: number } {
  const args = ['-url', server.url, '-dir', reviews, '-pid', String(server.pid), '-wait', '30s', '-t0', String(server.startedAt)];
  try {
    return generate(generator, args) as { start_ms: number; rss_idle_mb: number };
  } catch (error) {
    throw new Error(`${server.name} does not answer: ${readFileSync(server.output, 'utf8').slice(-2000)}`, { cause: error });
  }
}

/**
 * A closed loop over 25 connections. CPU is counted in hundredths of a second, so a slow machine takes longer than the seconds.
 * @param least requests that are measured at least @param warmUp requests before them @throws when an answer was wrong
 */
export function load(
  generator: string,
  server: RunningServer,
  reviews: string,
  { seconds, least, warmUp }: { seconds: number; least: number; warmUp: number },
): Load {
  const args = [
    '-url',
    server.url,
    '-dir',
    reviews,
    '-pid',
    String(server.pid),
    '-d',
    `${seconds}s`,
    '-warm-requests',
    `${warmUp}`,
    '-requests',
    `${least}`,
  ];
  const result = generate(generator, args) as Load;
  if (result.errors > 0) throw new Error(`${server.name}: ${result.errors} wrong answers: ${JSON.stringify(result.error_kinds)}`);
  return result;
}

/** Builds the load generator, outside the tree. @throws when there is no Go */
export const buildGenerator = (): string => buildGo('loadgen', '.');

/** Builds another tunnel to compare with, outside the tree. @throws when there is no Go, or no such module to be had */
export const buildChisel = (): string => buildGo('peers', 'github.com/jpillora/chisel');

/** @param folder of test/bench, with a go.mod @returns the program's path */
function buildGo(folder: string, target: string): string {
  const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'frp-k8s');
  const binary = path.join(cache, folder);
  mkdirSync(cache, { recursive: true });
  const built = spawnSync('go', ['build', '-o', binary, target], { cwd: path.join(import.meta.dirname, folder), stdio: 'inherit' });
  if (built.status !== 0 || !existsSync(binary)) throw new Error(`test/bench/${folder} cannot be built: it needs Go 1.22 or newer`);
  return binary;
}

function generate(generator: string, args: string[]): unknown {
  const [command, ...rest] = onCore(generatorCore, [generator, ...args]);
  return JSON.parse(execFileSync(command!, rest, { encoding: 'utf8' }));
}

const onCore = (core: string, command: string[]): string[] => (pinned ? ['taskset', '-c', core, ...command] : command);

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
