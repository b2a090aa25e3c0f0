/**
 * A call of grpc.health.v1.Health/Check as raw HTTP/2, for HAProxy's tcp-check (RFC 9113, RFC 7541, gRPC over HTTP2).
 * The header fields are literals without indexing and without Huffman code, so that no table is needed.
 */

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

/** Texts below 127 bytes. */
const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'ascii')]);
const field = (name: string, value: string): Buffer => Buffer.concat([Buffer.from([0]), text(name), text(value)]);

const fields = {
  ':method': 'POST',
  ':scheme': 'http',
  ':path': '/grpc.health.v1.Health/Check',
  ':authority': 'localhost',
  'content-type': 'application/grpc',
  te: 'trailers',
};

/** Hexadecimal digits: preface, SETTINGS, HEADERS and DATA with an empty HealthCheckRequest ("the server's overall health"). */
export function healthRequest(): string {
  const headers = Buffer.concat(Object.entries(fields).map(([name, value]) => field(name, value)));
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, 0x4, 1, headers),
    frame(0, 0x1, 1, Buffer.alloc(5)),
  ]).toString('hex');
}

/** A HealthCheckResponse with status SERVING: not compressed, two bytes long, field 1 = 1. */
export const servingResponse = '00000000020801';
