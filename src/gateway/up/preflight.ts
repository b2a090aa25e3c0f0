/** Why a gateway cannot start here, with what to do: everything that would end in a riddle later. */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../../errors.ts';
import { isObject } from '../../model/json.ts';
import { programVersion } from '../../version.ts';
import { freeBytes, leastRoom } from './disk.ts';
import { format, markerFile } from './home.ts';
import { listenersAt } from './processes.ts';

/** The kernel takes 107 bytes for the path of a socket, and HAProxy's have up to 45 after the directory's. */
const longestDirectory = 60;
/** No machine's clock is right before. Milliseconds since the epoch. */
const earliest = Date.parse('2026-01-01T00:00:00Z');

/** Makes the directory where there is none. @param directory absolute @throws UserError where it cannot be the gateway's */
export function checkDirectory(directory: string): void {
  if (!/^[A-Za-z0-9_./-]+$/.test(directory) || Buffer.byteLength(directory) > longestDirectory)
    throw new UserError(
      `--dir ${directory}: a directory of at most ${longestDirectory} letters, digits and . _ - / is wanted, because paths of sockets are short; name another one, such as /var/lib/frp-k8s`,
    );
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new UserError(`${directory} is no directory: name another one with --dir`);
    throw new UserError(`${directory} cannot be made (${codeOf(error)}): ${ownerRemedy(directory)}`);
  }
  const { uid, mode } = statSync(directory);
  if (process.getuid?.() !== uid)
    throw new UserError(
      `${directory} belongs to another user (${uid}), whose gateway it may be: run as that user, or name another directory with --dir`,
    );
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    throw new UserError(`${directory} cannot be written to by this user: ${ownerRemedy(directory)}`);
  }
  if ((mode & 0o077) !== 0) throw new UserError(`${directory} holds keys, and others may read it: chmod 700 ${directory}`);
  checkMarker(directory);
  checkRoom(directory);
}

/** Without its services a gateway would start and serve nobody, in silence. @param directory absolute @throws UserError */
export function checkServices(directory: string | undefined): void {
  if (directory === undefined || statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new UserError(`--services ${directory}: there is no such directory: mkdir -p ${directory}, or name another one`);
}

/** A gateway that cannot write its files would fail later, and in other words. */
function checkRoom(directory: string): void {
  const free = freeBytes(directory);
  if (free >= leastRoom) return;
  throw new UserError(
    `the disk of ${directory} is full: ${Math.floor(free / 1024)} KiB are free, and the gateway needs ${leastRoom / 1024}: make room (df ${directory} shows it), or name a directory on another disk with --dir`,
  );
}

const ownerRemedy = (directory: string): string =>
  `make it yours (sudo install -d -m 700 -o $(id -un) ${directory}), or name another one with --dir`;

function checkMarker(directory: string): void {
  let text: string;
  try {
    text = readFileSync(join(directory, markerFile), 'utf8');
  } catch {
    const others = readdirSync(directory).filter((name) => !/^(identity|run|log|links|addresses\.json|up\.lock.*|lost\+found)$/.test(name));
    if (others.length === 0) return;
    throw new UserError(
      `${directory} is not a gateway's directory: it has ${others.slice(0, 3).join(', ')} and no ${markerFile}; name an empty or a new directory with --dir`,
    );
  }
  const marker: unknown = parsed(text);
  if (!isObject(marker) || typeof marker.format !== 'number')
    throw new UserError(`${join(directory, markerFile)} is not this program's; name another directory with --dir`);
  if (marker.format > format)
    throw new UserError(
      `${directory} was written by a newer frp-k8s (format ${marker.format}; version ${programVersion} reads ${format}): run that version, or name another directory with --dir`,
    );
}

/** @param now milliseconds since the epoch @throws UserError */
export function checkClock(now: number): void {
  if (now >= earliest) return;
  throw new UserError(
    `the clock of this machine says ${new Date(now).toISOString()}, and certificates would be wrong: set it (timedatectl set-ntp true, or date -s)`,
  );
}

export interface Program {
  name: 'haproxy' | 'frps';
  /** as the user named it, else the name */
  path: string;
  version: RegExp;
  arguments: string[];
  /** the oldest that works: major, minor */
  atLeast: [number, number];
  remedy: string;
}

export const haproxy = (path = 'haproxy'): Program => ({
  name: 'haproxy',
  path,
  version: /HA-?Proxy version ([0-9]+)\.([0-9]+)/,
  arguments: ['-v'],
  atLeast: [2, 6],
  remedy:
    'install HAProxy 2.6 or newer (Debian, Ubuntu: apt-get install haproxy; Fedora: dnf install haproxy; Alpine: apk add haproxy), or name it with --haproxy PATH',
});

export const frps = (path = 'frps'): Program => ({
  name: 'frps',
  path,
  version: /^v?([0-9]+)\.([0-9]+)\./m,
  arguments: ['--version'],
  atLeast: [0, 70],
  remedy: 'put frps 0.70 or newer on the PATH (github.com/fatedier/frp, Releases), or name it with --frps PATH',
});

/** @returns its absolute path, or as the user named it @throws UserError where it is missing or too old */
export async function checkProgram({ name, path, version, atLeast, remedy, arguments: words }: Program): Promise<string> {
  const found = locate(path);
  if (found === undefined)
    throw new UserError(`${path === name ? `${name} is not on the PATH` : `there is no program ${path}`}: ${remedy}`);
  let said: string;
  try {
    const { stdout, stderr } = await promisify(execFile)(found, words, { timeout: 30_000 });
    said = stdout + stderr;
  } catch (error) {
    throw new UserError(`${found} cannot be run (${(error as Error).message.split('\n', 1)[0]}): ${remedy}`);
  }
  const [, major, minor] = version.exec(said) ?? [];
  if (major === undefined) throw new UserError(`${found} is not ${name}: it does not tell a version of ${name}; ${remedy}`);
  if (Number(major) < atLeast[0] || (Number(major) === atLeast[0] && Number(minor) < atLeast[1]))
    throw new UserError(`${found} is ${name} ${major}.${minor}, and ${atLeast.join('.')} is the oldest that works: ${remedy}`);
  return found;
}

/** Administrators' programs are not on the PATH of every user. */
function locate(path: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/local/bin'];
  const candidates = path.includes('/') ? [path] : folders.filter(Boolean).map((folder) => join(folder, path));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

export interface WantedPort {
  port: number;
  /** what for, such as `users, http` */
  use: string;
  /** how to have another one; undefined: it cannot be another */
  option?: string;
  host: string;
  /** default: tcp */
  protocol?: 'udp';
}

/** @param own processes of this directory's gateway, whose ports are to be taken over @throws UserError that names all */
export async function checkPorts(wanted: readonly WantedPort[], own: ReadonlySet<number>): Promise<void> {
  const twice = wanted.flatMap((one, index) => {
    const other = wanted.slice(0, index).find(({ port, protocol }) => port === one.port && protocol === one.protocol);
    return other ? [wantedTwice(other, one)] : [];
  });
  refuse(twice);
  const refusals = await Promise.all(wanted.map(async (one) => ({ one, code: await refusalOf(one) })));
  const busy = refusals.flatMap(({ one, code }) => (code === 'EADDRINUSE' ? [one] : []));
  const listeners = new Map(
    (['tcp', 'udp'] as const).flatMap((of) => {
      const taken = busy.filter(({ protocol = 'tcp' }) => protocol === of);
      const found =
        taken.length === 0
          ? undefined
          : listenersAt(
              taken.map(({ port }) => port),
              [...own],
              of,
            );
      return taken.map((one) => [one, found?.get(one.port)] as const);
    }),
  );
  const problems = refusals.flatMap(({ one, code }): string[] => {
    if (code === undefined) return [];
    if (code === 'EACCES') return [forbidden(one)];
    if (code !== 'EADDRINUSE') return [`port ${one.port} (${one.use}) cannot be had: ${code}`];
    const listener = listeners.get(one);
    return listener && own.has(listener.pid) ? [] : [taken(one, listener?.text)];
  });
  refuse(problems);
}

/** @throws UserError where there are some */
function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new UserError(['the gateway cannot have its ports:', ...problems].join('\n  '));
}

const wantedTwice = (one: WantedPort, other: WantedPort): string =>
  `port ${one.port} is wanted twice (${one.use}; ${other.use}): choose another one with ${one.option ?? other.option}`;

const forbidden = ({ port, use, option }: WantedPort): string =>
  `port ${port} (${use}) is below 1024, and this user may not listen there: give the program the right to (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or all programs (sysctl -w net.ipv4.ip_unprivileged_port_start=${port}), or choose a port above 1023 with ${option}`;

function taken({ port, use, option }: WantedPort, by = 'a program of another user (root sees it: ss -lntup)'): string {
  const remedy =
    option === undefined
      ? 'end that program; a second gateway needs a machine or a network namespace of its own'
      : `end that program, or choose another port with ${option}`;
  return `port ${port} (${use}) is taken by ${by}: ${remedy}`;
}

/** Every address is one of IPv4 and one of IPv6, with a socket each (haproxy/config/addresses.ts). */
async function refusalOf({ port, host, protocol }: WantedPort): Promise<string | undefined> {
  if (protocol === 'udp') return codeOfBinding(port, host);
  const code = await codeOfListening(port, host);
  if (code !== undefined || host !== '0.0.0.0') return code;
  const sixth = await codeOfListening(port, '::');
  return sixth === 'EAFNOSUPPORT' || sixth === 'EADDRNOTAVAIL' ? undefined : sixth;
}

const codeOfListening = (port: number, host: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(codeOf(error)));
    server.listen({ port, host, exclusive: true, ipv6Only: true }, () => server.close(() => resolve(undefined)));
  });

const codeOfBinding = (port: number, host: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', (error) => socket.close(() => resolve(codeOf(error))));
    socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => resolve(undefined)));
  });

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
