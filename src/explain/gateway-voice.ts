/** A replica of the gateway that answers questions (gateway/api/questions.ts), however it is reached. */
import { request, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { askServerApi, basicAuthorization, type Credentials } from '../frp/server-api.ts';
import type { Read } from '../diagnose/read.ts';

export interface GatewayVoice {
  /** name of its Pod */
  replica: string;
  /** @param path with its query; never rejects: what the replica does not know is absent */
  ask: <T>(path: string) => Promise<Read<T>>;
}

const mostBytes = 64 * 1024 * 1024;
/** Milliseconds. */
const patience = 8000;

/** The agent of a gateway on this machine, by its socket. @param path of the socket */
export const localVoice = (path: string): GatewayVoice => ({
  replica: 'gateway',
  ask: (question) => answered({ socketPath: path, path: question }),
});

/** A replica that is reached over the network. @param url of its API @param wayIn what it takes, as it is now */
export const directVoice = (
  replica: string,
  url: string,
  wayIn: () => { credentials: Credentials | undefined; authorityPem: string | undefined },
): GatewayVoice => ({
  replica,
  ask: async <T>(question: string) => {
    const { credentials, authorityPem } = wayIn();
    if (!credentials) return { failed: 'the Secret with the credentials is not there yet' };
    try {
      const signal = AbortSignal.timeout(patience);
      return { ok: (await askServerApi(new URL(question, url), { credentials, authorityPem, signal })) as T };
    } catch (error) {
      return { failed: (error as Error).message };
    }
  },
});

/**
 * A replica in a cluster. The stream ends on the loopback of its Pod, so whom it comes to is the API server's to say, and no
 * certificate is asked for; the password is sent inside TLS all the same.
 * @param open a stream to its status port, by the API server
 */
export const forwardedVoice = (replica: string, open: () => Promise<Duplex>, credentials: Credentials): GatewayVoice => ({
  replica,
  ask: async (question) => {
    let raw: Duplex;
    try {
      raw = await open();
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      return code === 'Forbidden' ? { forbidden: message } : { failed: message };
    }
    try {
      const secured = connect({ socket: raw, rejectUnauthorized: false });
      return await answered({
        path: question,
        headers: { authorization: basicAuthorization(credentials) },
        createConnection: () => secured,
      });
    } finally {
      raw.destroy();
    }
  },
});

function answered<T>(options: ClientRequestArgs): Promise<Read<T>> {
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve({ failed: error.message });
    const outgoing = request({ ...options, host: 'localhost', signal: AbortSignal.timeout(patience) }, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('error', fail);
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > mostBytes) incoming.destroy(new Error(`the answer has more than ${mostBytes} bytes`));
        else chunks.push(chunk);
      });
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (incoming.statusCode === 404) return resolve({ absent: text.trim() });
        if (incoming.statusCode !== 200) return resolve({ failed: `HTTP status ${incoming.statusCode}: ${text.trim().slice(0, 200)}` });
        try {
          resolve({ ok: JSON.parse(text) as T });
        } catch (error) {
          fail(error as Error);
        }
      });
    });
    outgoing.on('error', fail);
    outgoing.end();
  });
}
