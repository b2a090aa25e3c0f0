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
