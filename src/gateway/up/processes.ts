/** What runs of a gateway's directory, whoever started it: every process carries its directory and its part in its environment. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { markers, parts, type PartName } from './layout.ts';

export interface ProcessId {
  pid: number;
  /** ticks since the machine started: another process of the same id has another */
  started: string;
}

export interface GatewayProcess extends ProcessId {
  part: PartName;
  /** whether the others of its part are its descendants */
  isLeader: boolean;
}

/** Those of the user's own that are alive. @param directory absolute */
export function processesOf(directory: string): GatewayProcess[] {
  return pids().flatMap((pid): GatewayProcess[] => {
    const environment = readText(`/proc/${pid}/environ`)?.split('\0') ?? [];
    if (!environment.includes(`${markers.directory}=${directory}`)) return [];
    const part = parts.find((name) => environment.includes(`${markers.part}=${name}`));
    const stat = statOf(pid);
    return part && stat ? [{ pid, started: stat.started, part, isLeader: stat.group === pid }] : [];
  });
}

/** undefined where there is none */
export function processId(pid: number): ProcessId | undefined {
  const stat = statOf(pid);
  return stat && { pid, started: stat.started };
}

export const isAlive = ({ pid, started }: ProcessId): boolean => statOf(pid)?.started === started;

/** Nanoseconds that the threads of a process have waited for a core so far; 0 where it has ended, or the kernel does not tell. */
export function waitedForCore(pid: number): number {
  const waits = namesIn(`/proc/${pid}/task`).map((thread) => readText(`/proc/${pid}/task/${thread}/schedstat`)?.split(' ', 2)[1]);
  return waits.reduce((sum, wait = '0') => sum + Number(wait), 0);
}

/** Kills every process of a part and resolves when none is left: one that is ending may still listen. */
export async function killPart(directory: string, part: PartName): Promise<void> {
  for (;;) {
    const found = processesOf(directory).filter((process) => process.part === part);
    if (found.length === 0) return;
    for (const { pid } of found) signal(pid, 'SIGKILL');
    await sleep(20);
  }
}

/** To a process that may have ended. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** TCP sockets of the kernel's tables. */
export interface TcpSocket {
  port: number;
  isListening: boolean;
  inode: string;
}

const listening = '0A';
const established = '01';
/** Of UDP: bound, and connected to nobody. */
const bound = '07';
/** SS_CONNECTED */
const connectedUnix = '03';

/** Those that listen, and those that are connected. */
export const tcpSockets = (): TcpSocket[] => socketsIn('tcp', listening);

/** @param open state of a socket that others may send to */
const socketsIn = (protocol: 'tcp' | 'udp', open: string): TcpSocket[] =>
  [`/proc/net/${protocol}`, `/proc/net/${protocol}6`].flatMap((file) =>
    (readText(file) ?? '').split('\n').flatMap((line): TcpSocket[] => {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/ +/);
      if (state !== open && state !== established) return [];
      return [{ port: Number.parseInt(local.split(':')[1] ?? '', 16), isListening: state === open, inode }];
    }),
  );

/** How many connections were accepted at Unix sockets whose paths begin so. */
export const acceptedAt = (path: string): number =>
  (readText('/proc/net/unix') ?? '').split('\n').filter((line) => {
    const [, , , , , state, , at = ''] = line.trim().split(/ +/);
    return state === connectedUnix && at.startsWith(path);
  }).length;

/** Inodes of the sockets that a process has; none where it is another user's. */
export function socketsOf(pid: number): Set<string> {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    return new Set(links.flatMap((link) => /^socket:\[([0-9]+)\]$/.exec(link)?.[1] ?? []));
  } catch {
    return new Set();
  }
}

/** Who has ports, such as `nginx (process 812)`, by port, where the system tells. @param first processes to look at first */
export function listenersAt(
  wanted: readonly number[],
  first: readonly number[],
  protocol: 'tcp' | 'udp' = 'tcp',
): Map<number, { pid: number; text: string }> {
  const found = new Map<number, { pid: number; text: string }>();
  const sockets = protocol === 'tcp' ? tcpSockets() : socketsIn('udp', bound);
  const open = sockets.filter(({ isListening, port }) => isListening && wanted.includes(port));
  for (const pid of [...first, ...pids()]) {
    if (open.every(({ port }) => found.has(port))) break;
    const inodes = socketsOf(pid);
    for (const { port, inode } of open)
      if (inodes.has(inode) && !found.has(port))
        found.set(port, { pid, text: `${readText(`/proc/${pid}/comm`)?.trim() ?? 'a program'} (process ${pid})` });
  }
  return found;
}

const pids = (): number[] => readdirSync('/proc').flatMap((name) => (/^[0-9]+$/.test(name) ? [Number(name)] : []));

/** undefined where it has ended, its parent having been told or not */
function statOf(pid: number): { group: number; started: string } | undefined {
  const text = readText(`/proc/${pid}/stat`);
  // Its name, in parentheses, may have anything in it.
  const [state, , group, ...rest] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  if (state === undefined || state === 'Z' || state === 'X') return undefined;
  return { group: Number(group), started: rest[16] ?? '' };
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
