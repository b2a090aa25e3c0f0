/** The header that tells whose connection it is (HAProxy doc/proxy-protocol.txt, 2.2, version 2). */
import { isIPv6, type Socket } from 'node:net';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n');

/** Version 2, command PROXY; TCP over the family. */
const proxyCommand = 0x21;
const families = { 4: 0x11, 6: 0x21 } as const;
/** PP2_TYPE_UNIQUE_ID */
const uniqueIdType = 5;

export interface Ends {
  /** IP address of the user */
  source: string;
  sourcePort: number;
  /** IP address that was dialled, of the same family */
  destination: string;
  destinationPort: number;
}

/** @param uniqueId ASCII, at most 128 characters; goes along where it is given */
export function proxyHeader({ source, sourcePort, destination, destinationPort }: Ends, uniqueId?: string): Buffer {
  const family = isIPv6(source) ? 6 : 4;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort, 0);
  ports.writeUInt16BE(destinationPort, 2);
  const extra = uniqueId === undefined ? [] : [Buffer.from([uniqueIdType, 0, uniqueId.length]), Buffer.from(uniqueId, 'latin1')];
  const body = Buffer.concat([bytesOf(source), bytesOf(destination), ports, ...extra]);
  const head = Buffer.from([proxyCommand, families[family], 0, body.length]);
  return Buffer.concat([signature, head, body]);
}

/** The ends of a connection that was accepted; undefined where it is gone already. */
export function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): Ends | undefined {
  if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || localPort === undefined) return undefined;
  return { source: remoteAddress, sourcePort: remotePort, destination: localAddress, destinationPort: localPort };
}

/**
 * Takes a header from the front of a connection, and nothing of what follows.
 * @param socket of which nothing has been read yet
 * @returns undefined where no header of a TCP connection is there, or the connection ends before one is
 */
export async function takeHeader(socket: Socket): Promise<Ends | undefined> {
  const head = await exactly(socket, signature.length + 4);
  if (!head?.subarray(0, signature.length).equals(signature) || head[signature.length] !== proxyCommand) return undefined;
  const size = { [families[4]]: 4, [families[6]]: 16 }[head[signature.length + 1]!];
  const length = head.readUInt16BE(signature.length + 2);
  if (size === undefined || length < 2 * size + 4) return undefined;
  const body = await exactly(socket, length);
  if (!body) return undefined;
  return {
    source: addressOf(body.subarray(0, size)),
    destination: addressOf(body.subarray(size, 2 * size)),
    sourcePort: body.readUInt16BE(2 * size),
    destinationPort: body.readUInt16BE(2 * size + 2),
  };
}

/** The next bytes; undefined where the connection ends before them. @param length at least 1 */
function exactly(socket: Socket, length: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (bytes: Buffer | undefined) => {
      socket.off('readable', look).off('end', none).off('close', none);
      resolve(bytes);
    };
    const none = () => done(undefined);
    const look = () => {
      const bytes = socket.read(length) as Buffer | null;
      // At the end of the connection it gives what there is.
      if (bytes) done(bytes.length === length ? bytes : undefined);
    };
    socket.on('readable', look).on('end', none).on('close', none);
    look();
  });
}

const addressOf = (bytes: Buffer): string =>
  bytes.length === 4 ? bytes.join('.') : bytes.toString('hex').replaceAll(/(.{4})(?=.)/g, '$1:');

/** 4 or 16 bytes. @param address without a zone */
function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const { hostname } = new URL(`http://[${address.split('%', 1)[0]}]`);
  const [left = '', right] = hostname.slice(1, -1).split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const [head, tail] = [groups(left), groups(right)];
  const middle = Array<string>(8 - head.length - tail.length).fill('0');
  return Buffer.from([...head, ...middle, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
