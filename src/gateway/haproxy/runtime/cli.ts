/** HAProxy's runtime API: one connection to a Unix socket for each batch of commands (management manual, 9.3). */
import { connect } from 'node:net';

/** Milliseconds that HAProxy may take for a batch. */
const patience = 10_000;
/** HAProxy's buffer is 16 KiB; commands are sent in fewer bytes than that, payloads included. */
const batchBytes = 12_000;

export class CliError extends Error {}

/**
 * Sends one command and resolves with its answer.
 * @param command one line, or a line that ends with `<<`, a payload without empty lines, and an empty line
 * @throws CliError where the socket is not there or does not answer in time
 */
export function runCommand(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new CliError(`${socketPath}: ${error.message}`, { cause: error }));
    const socket = connect(socketPath);
    const timer = setTimeout(() => socket.destroy(new Error(`no answer in ${patience} ms`)), patience);
    const chunks: Buffer[] = [];
    socket.on('error', (error) => {
      clearTimeout(timer);
      fail(error);
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString().trim());
    });
    // The master keeps a connection open until this end of it is closed.
    socket.end(`${command}\n`);
  });
}

/**
 * Sends commands of one line each, in their order, with few connections. HAProxy ends each answer with an empty line, and
 * none of these answers has one inside, so the texts that are not empty are what went wrong or was said.
 * @param commands without `;`
 * @returns what HAProxy said, without the empty answers
 */
export async function runCommands(socketPath: string, commands: readonly string[]): Promise<string[]> {
  const said: string[] = [];
  for (const batch of batches(commands)) {
    const text = await runCommand(socketPath, batch.join(';'));
    said.push(...text.split('\n').filter((line) => line.trim() !== ''));
  }
  return said;
}

function batches(commands: readonly string[]): string[][] {
  const all: string[][] = [];
  let bytes = Infinity;
  for (const command of commands) {
    if (bytes + command.length > batchBytes) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)!.push(command);
    bytes += command.length + 1;
  }
  return all;
}
