/** GET of a JSON document that a user has named: bounded, without redirects, and never to loopback or link-local addresses. */
import { lookup } from 'node:dns';
import { get as httpGet, type RequestOptions } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addressProblem, hostProblem, type AddressRules } from '../../net/addresses.ts';

const maxBytes = 1024 * 1024;
const timeoutMs = 10_000;

/** @throws Error that says what was wrong, without the document */
export async function fetchJson(address: string, rules: AddressRules): Promise<unknown> {
  const url = URL.parse(address);
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw new Error(`${JSON.stringify(address)} is no http or https URL`);
  const problem = hostProblem(url.hostname.replace(/^\[(.*)\]$/, '$1'), rules);
  if (problem !== undefined) throw new Error(`${url.host} ${problem}`);
  const text = await fetchText(url, {
    lookup: checkedLookup(rules),
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: 'application/json' },
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${url.href} is no JSON`);
  }
}

function fetchText(url: URL, options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? httpsGet : httpGet)(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      let size = 0;
      if (incoming.statusCode !== 200) {
        incoming.destroy();
        return reject(new Error(`${url.href} answered HTTP status ${incoming.statusCode}`));
      }
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) incoming.destroy(new Error(`${url.href} has more than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    });
    outgoing.on('error', reject);
  });
}

/** The address that is checked is the one that is dialled: a name cannot resolve to another in between. */
const checkedLookup =
  (rules: AddressRules): LookupFunction =>
  (host, options, callback) =>
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      for (const { address } of addresses) {
        const problem = addressProblem(address, rules);
        if (problem !== undefined) return callback(new Error(`${host} resolves to ${address}, which ${problem}`), '');
      }
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
