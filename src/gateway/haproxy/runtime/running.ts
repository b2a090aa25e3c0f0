/** What a running HAProxy has, read from its runtime API (management manual, 9.3). */
import { runCommand } from './cli.ts';

export interface Running {
  pid: string;
  /** of the configuration that it was started with (Rendered.skeleton); empty for one that is not ours */
  skeleton: string;
  /** by backend, then by server */
  servers: Map<string, Map<string, RunningServer>>;
}

export interface RunningServer {
  port: number;
  weight: number;
  state: 'ready' | 'drain' | 'maint';
}

/** Process id and skeleton. @throws CliError where HAProxy is not there */
export async function identify(socket: string): Promise<Pick<Running, 'pid' | 'skeleton'>> {
  const info = await runCommand(socket, 'show info');
  const lines = info.split('\n');
  const value = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
  return { pid: value('Pid'), skeleton: /^frp-k8s ([0-9a-f]+)$/.exec(value('description'))?.[1] ?? '' };
}

/** Everything about its servers. */
export async function readRunning(socket: string): Promise<Running> {
  const who = await identify(socket);
  return { ...who, servers: parseStates(await runCommand(socket, 'show servers state')) };
}

/** Bits of srv_admin_state (management manual, "show servers state"). */
const forcedMaintenance = 0x01;
const forcedDrain = 0x08;

export function parseStates(text: string): Running['servers'] {
  const backends: Running['servers'] = new Map();
  for (const line of stateLines(text)) {
    const [, backend = '', , server = '', , , admin, weight, , ...rest] = line.split(' ');
    const bits = Number(admin);
    let servers = backends.get(backend);
    if (!servers) backends.set(backend, (servers = new Map<string, RunningServer>()));
    servers.set(server, {
      port: Number(rest[9]),
      weight: Number(weight),
      state: bits & forcedMaintenance ? 'maint' : bits & forcedDrain ? 'drain' : 'ready',
    });
  }
  return backends;
}

export const stateLines = (text: string): string[] => text.split('\n').filter((line) => /^[0-9]+ [^ ]+ [0-9]+ /.test(line));

/** Keys and values of a map. */
export async function readMap(socket: string, path: string): Promise<Map<string, string>> {
  const text = await runCommand(socket, `show map ${path}`);
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const [, key, value] = /^0x[0-9a-f]+ ([^ ]+) (.*)$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, value!]];
    }),
  );
}
