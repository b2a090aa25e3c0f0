/**
 * How long requests take. HAProxy's statistics know means only, so its log tells (request-log rules: haproxy/config/request-log.ts):
 * every request while they are few, else one in ten, drawn by chance, as a datagram on loopback. Nothing waits for it, and
 * what is lost under load is lost to the sample alone.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';

export interface TimedRequest {
  /** backend/server, as HAProxy names them */
  server: string;
  /** seconds until the first byte of the answer; undefined: there was none */
  firstByte: number | undefined;
  /** seconds until the end of the answer */
  duration: number;
  /** for how many requests it stands */
  weight: number;
}

/** A line in the form of request-log.ts; undefined for others, and where no server was reached or the user had gone. */
export function parseRequestLine(line: string): TimedRequest | undefined {
  const [, server, wait, connect, response, total, weight] =
    /^(be-[0-9a-f]+\/s-[0-9a-f]+) (-?[0-9]+) (-?[0-9]+) (-?[0-9]+) (-?[0-9]+) ([0-9]{1,2})$/.exec(line) ?? [];
  if (server === undefined) return undefined;
  const times = [wait, connect, response].map(Number);
  const duration = Number(total);
  if (duration < 0) return undefined;
  const firstByte = times.some((time) => time < 0) ? undefined : times.reduce((sum, time) => sum + time, 0) / 1000;
  return { server, firstByte, duration: duration / 1000, weight: Number(weight) };
}

export interface LogReceiver {
  /** of UDP, on 127.0.0.1 */
  port: number;
  /** messages that there was no room for */
  lost: () => number;
  close: () => void;
}

/** Bytes that wait for the agent, as far as the kernel allows. */
const roomBytes = 4 * 1024 * 1024;

/** @param port 0: any @param take each line */
export function receiveLog(port: number, take: (line: string) => void): Promise<LogReceiver> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: roomBytes });
  socket.on('message', (message) => take(message.toString('latin1').trimEnd()));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, '127.0.0.1', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      const { port: own } = socket.address();
      resolve({ port: own, lost: () => lostAt(own), close: () => socket.close() });
    });
  });
}

/** What the kernel has counted for a socket on 127.0.0.1 (proc_pid_net(5), the last column); 0 where it does not say. */
function lostAt(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  try {
    const row = readFileSync('/proc/net/udp', 'utf8')
      .split('\n')
      .find((line) => line.trim().split(/ +/)[1] === local);
    return Number(row?.trim().split(/ +/).at(-1) ?? 0);
  } catch {
    return 0;
  }
}
