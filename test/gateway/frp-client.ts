/** A client of frps that says whatever a test wants: yamux over TLS, and in it frp's messages (frp pkg/msg). */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

export interface Credentials {
  port: number;
  cert: string;
  key: string;
}

const yamux = { data: 0, window: 1, ping: 2, goAway: 3, syn: 1 };

export function frame(type: number, flags: number, stream: number, length: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(12);
  header[1] = type & 255;
  header.writeUInt16BE(flags & 65_535, 2);
  header.writeUInt32BE(stream >>> 0, 4);
  header.writeUInt32BE(length >>> 0, 8);
  return Buffer.concat([header, data]);
}

/** @param type one character, as in frp's pkg/msg/msg.go; @param length default: the true one */
export function message(type: string, body: string, length = BigInt(Buffer.byteLength(body))): Buffer {
  const header = Buffer.alloc(9);
  header[0] = type.charCodeAt(0);
  header.writeBigInt64BE(BigInt.asIntN(64, length), 1);
  return Buffer.concat([header, Buffer.from(body)]);
}

/** The control connection is enciphered with a key from the token; with OIDC there is none (golib crypto, salt "frp"). */
const key = pbkdf2Sync('', 'frp', 64, 16, 'sha1');

export class FrpClient {
  readonly socket: TLSSocket;
  #received: Buffer = Buffer.alloc(0);
  readonly #streams = new Map<number, Buffer>();
  #next = 1;
  #cipher: ReturnType<typeof createCipheriv> | undefined;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => this.#take(data));
  }

  static async connect({ port, cert, key: privateKey }: Credentials): Promise<FrpClient> {
    const socket = connect({ host: '127.0.0.1', port, cert, key: privateKey, rejectUnauthorized: false });
    const client = new FrpClient(socket);
    await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
    return client;
  }

  close(): void {
    this.socket.destroy();
  }

  send(data: Buffer): void {
    if (this.socket.writable) this.socket.write(data);
  }

  /** Opens a stream and says this in it. @returns its number */
  open(data: Buffer): number {
    const stream = this.#next;
    this.#next += 2;
    this.send(frame(yamux.window, yamux.syn, stream, 0));
    this.write(stream, data);
    return stream;
  }

  write(stream: number, data: Buffer): void {
    this.send(frame(yamux.data, 0, stream, data.length, data));
  }

  /** Logs in on a stream of its own. @returns the stream and the answer of frps */
  async login(content: object): Promise<{ stream: number; answer: { run_id?: string; error?: string } }> {
    const stream = this.open(message('o', JSON.stringify(content)));
    for (let tries = 0; tries < 500 && !this.socket.destroyed; tries++) {
      const said = this.#streams.get(stream) ?? Buffer.alloc(0);
      const length = said.length < 9 ? Infinity : Number(said.readBigInt64BE(1));
      if (said.length >= 9 + length)
        return { stream, answer: JSON.parse(said.subarray(9, 9 + length).toString()) as { run_id?: string; error?: string } };
      await new Promise((later) => setTimeout(later, 10));
    }
    return { stream, answer: { error: 'no answer' } };
  }

  /** Of a session that has logged in. */
  control(stream: number, data: Buffer): void {
    if (this.#cipher) return this.write(stream, this.#cipher.update(data));
    const iv = randomBytes(16);
    this.#cipher = createCipheriv('aes-128-cfb', key, iv);
    this.write(stream, Buffer.concat([iv, this.#cipher.update(data)]));
  }

  /** What frps says on the control connection after the login. */
  heard(stream: number): string {
    const said = this.#streams.get(stream) ?? Buffer.alloc(0);
    const start = said.length < 9 ? said.length : 9 + Number(said.readBigInt64BE(1));
    const iv = said.subarray(start, start + 16);
    return iv.length < 16
      ? ''
      : createDecipheriv('aes-128-cfb', key, iv)
          .update(said.subarray(start + 16))
          .toString('latin1');
  }

  #take(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    while (this.#received.length >= 12) {
      const [type, flags] = [this.#received[1]!, this.#received.readUInt16BE(2)];
      const [stream, length] = [this.#received.readUInt32BE(4), this.#received.readUInt32BE(8)];
      const end = 12 + (type === yamux.data ? length : 0);
      if (this.#received.length < end) return;
      if (type === yamux.data)
        this.#streams.set(stream, Buffer.concat([this.#streams.get(stream) ?? Buffer.alloc(0), this.#received.subarray(12, end)]));
      if (type === yamux.ping && (flags & yamux.syn) !== 0) this.send(frame(yamux.ping, 2, 0, length));
      this.#received = this.#received.subarray(end);
    }
  }
}
