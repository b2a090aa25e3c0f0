/** How many connections and processes fit into the memory that HAProxy may use. Pure. */

const mebibyte = 1024 * 1024;
/** Of a connection that has all it can have: two buffers of 16 KiB, what TLS needs, the session. A request has a second one, inside. */
const connectionBytes = 64 * 1024;
/** Of a process, before any connection: the program, and what each service adds. */
const processBytes = 32 * mebibyte;
const serviceBytes = 192 * 1024;
/** Of the memory that processes may take without their connections. */
const processShare = 0.4;
const mostOld = 8;

export interface Capacity {
  /** connections of users or of tunnels at a time, of one process; requests inside and health checks come on top */
  maxConnections: number;
  /** old processes beside the one that takes connections */
  maxGenerations: number;
}

/**
 * 60 % of the memory is for connections, 40 % for processes: at 1 GiB 4,915 users with a request each, and with 300
 * services four processes.
 * @param memory limit of the container, bytes
 * @param each connections that a process has for one from outside: the users' HAProxy two, the tunnels' one
 */
export function capacity(memory: number, services: number, each: 1 | 2): Capacity {
  const processes = Math.floor((memory * processShare) / (processBytes + services * serviceBytes));
  return {
    maxConnections: Math.max(100, Math.floor((memory * (1 - processShare)) / (connectionBytes * each))),
    maxGenerations: Math.min(mostOld, Math.max(1, processes - 1)),
  };
}
