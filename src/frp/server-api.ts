/** frps' own API (frp server/http), which the gateway's agent offers in the same form. */
import { request } from 'node:http';
import { request as requestTls } from 'node:https';

export interface Credentials {
  user: string;
  password: string;
}

/** Value of the header `Authorization` (RFC 7617). */
export const basicAuthorization = ({ user, password }: Credentials): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Of bytes: a proxy is some hundred, and there are thousands at most. */
const mostBytes = 64 * 1024 * 1024;

/**
 * What the API answers, such as the proxies of one kind.
 * @param url such as https://host:port/api/proxy/tcp
 * @param authorityPem who must have issued the certificate of an https server
 * @throws Error where it cannot be asked, or does not answer 200
 */
export function askServerApi(
  url: URL,
  { credentials, authorityPem, signal }: { credentials: Credentials; authorityPem?: string | undefined; signal: AbortSignal },
): Promise<unknown> {
  const isTls = url.protocol === 'https:';
  if (isTls && authorityPem === undefined) return Promise.reject(new Error('the certificate of its authority is not known yet'));
  return new Promise((resolve, reject) => {
    const options = { headers: { authorization: basicAuthorization(credentials) }, signal, ...(isTls && { ca: authorityPem }) };
    const outgoing = (isTls ? requestTls : request)(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on('error', reject);
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > mostBytes) incoming.destroy(new Error(`the answer has more than ${mostBytes} bytes`));
        else chunks.push(chunk);
      });
      incoming.on('end', () => {
        const { statusCode } = incoming;
        if (statusCode !== 200)
          return reject(new Error(`HTTP status ${statusCode}${statusCode === 401 ? ' (user or password are not those of frps)' : ''}`));
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
