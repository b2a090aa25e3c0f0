/** How many connections fit into the memory and the open files that HAProxy may have, and what a process needs of it. Pure. */
import { hops, reserved } from './user-connections.ts';

const mebibyte = 1024 * 1024;
/** Of a connection that has all it can have: two buffers of 16 KiB, what TLS needs, the session. A request has a second one, inside. */
const connectionBytes = 64 * 1024;
/** Of a process, before any connection: the program, and what each service adds. */
const processBytes = 32 * mebibyte;
const serviceBytes = 192 * 1024;
/** Of the memory that processes may take without their connections. */
export const processShare = 0.4;
/** Open files beside those of connections: what a process has by itself; what a service adds, listeners and checks. */
const processFiles = 200;
const serviceFiles = 2;
/** By connections that a process has for one from outside: open files of that one, and of those that are counted by themselves. */
const filesOf = { 1: { each: 2, reserved: 2 * reserved }, 2: { each: 2 * hops, reserved: 6 * reserved } };

/** Bytes that a process needs before it has a connection. */
export const processSize = (services: number): number => processBytes + services * serviceBytes;

/**
 * Connections of users or of tunnels at a time, of one process; requests inside and health checks come on top. 60 % of the
 * memory is for them: at 1 GiB 4,915 users with a request each.
 * @param memory limit of the container, bytes
 * @param openFiles limit of the process: above what its connections need HAProxy would not start; absent: none is known
 * @param each connections that a process has for one from outside: the users' HAProxy two, the tunnels' one
 */
export function maxConnections(memory: number, services: number, each: 1 | 2, openFiles = Infinity): number {
  const files = filesOf[each];
  const byFiles = (openFiles - processFiles - services * serviceFiles - files.reserved) / files.each;
  return Math.max(100, Math.floor(Math.min((memory * (1 - processShare)) / (connectionBytes * each), byFiles)));
}
