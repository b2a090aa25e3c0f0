/**
 * When the last user is served. HAProxy does not tell by itself: a worker that is to stop hands its tables to the process
 * that follows it, and waits for that one although there is none.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { processesOf, socketsOf, tcpSockets } from './processes.ts';

const everyMs = 200;

/** Tells HAProxy to take no new users, and resolves once it has none. @param directory of the gateway */
export async function untilUsersGone(directory: string, { softStop }: { softStop?: () => void }): Promise<void> {
  const before = ofUsers(directory);
  const ports = new Set(before.filter(({ isListening, isLoopback }) => isListening && !isLoopback).map(({ port }) => port));
  softStop?.();
  do await sleep(everyMs);
  while (ofUsers(directory).some(({ isListening, port }) => !isListening && ports.has(port)));
}

function ofUsers(directory: string): ReturnType<typeof tcpSockets> {
  const inodes = new Set(
    processesOf(directory)
      .filter(({ part }) => part === 'users')
      .flatMap(({ pid }) => [...socketsOf(pid)]),
  );
  return tcpSockets().filter(({ inode }) => inodes.has(inode));
}
