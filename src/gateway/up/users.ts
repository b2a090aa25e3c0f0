/**
 * When the last user is served. HAProxy does not tell by itself: a worker that is to stop hands its tables to the process
 * that follows it, and waits for that one although there is none.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ports, runDirectory } from './layout.ts';
import { acceptedAt, processesOf, socketsOf, tcpSockets, type TcpSocket } from './processes.ts';

const everyMs = 200;

/** Tells HAProxy to take no new users, and resolves once it has none. @param directory of the gateway */
export async function untilUsersGone(directory: string, { softStop }: { softStop: () => void }): Promise<void> {
  const processes = processesOf(directory).filter(({ part }) => part === 'users');
  const sockets = (): TcpSocket[] => {
    const inodes = new Set(processes.flatMap(({ pid }) => [...socketsOf(pid)]));
    return tcpSockets().filter(({ inode }) => inodes.has(inode));
  };
  const ofUsers = new Set(sockets().flatMap(({ isListening, port }) => (isListening && port !== ports.peers ? [port] : [])));
  // Those that somebody else has accepted and brought to HAProxy.
  const brought = join(runDirectory(directory), 'users', 'fallback-');
  softStop();
  do await sleep(everyMs);
  while (sockets().some(({ isListening, port }) => !isListening && ofUsers.has(port)) || acceptedAt(brought) > 0);
}
