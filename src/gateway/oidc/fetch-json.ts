/** GET of a JSON document that a user has named: bounded, without redirects, and never to loopback or link-local addresses. */
import type { LookupAddress } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { get as httpGet, type RequestOptions } from 'node:http';
import { get as httpsGet } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addressProblem, hostProblem, type AddressRules } from '../../net/addresses.ts';
import type { Config } from '../../config/schema.ts';

const maxBytes = 1024 * 1024;
const timeoutMs = 10_000;

export interface FetchRules extends AddressRules {
  /** whether http will do */
  allowHttp: boolean;
}

/** The rules of an installation. */
export function fetchRules({ connectors: { allowAddresses, apiServer }, gateway }: Config): FetchRules {
  return { allow: allowAddresses, apiServer: apiServer === undefined ? [] : [apiServer], allowHttp: gateway.allowHttpIssuers };
}

/** @throws Error that says what was wrong, without the document */
export async function fetchJson(address: string, rules: FetchRules): Promise<unknown> {
  const url = URL.parse(address);
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw new Error(`${JSON.stringify(address)} is no http or https URL`);
  if (url.protocol === 'http:' && !rules.allowHttp)
    throw new Error(`${url.href} is no https URL, and the installation does not allow http (configuration gateway.allowHttpIssuers)`);
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
  (host, options, callback) => {
    addressesOf(host).then(
      (found) => {
        const addresses = found.filter(({ family }) => !options.family || family === options.family);
        for (const { address } of addresses) {
          const problem = addressProblem(address, rules);
          if (problem !== undefined) return callback(new Error(`${host} resolves to ${address}, which ${problem}`), '');
        }
        if (addresses.length === 0) callback(new Error(`${host} has no address`), '');
        else if (options.all) callback(null, addresses);
        else callback(null, addresses[0]!.address, addresses[0]!.family);
      },
      (error: Error) => callback(error, ''),
    );
  };

const resolver = new Resolver({ timeout: 2000, tries: 2 });

/**
 * Names of the cluster are looked up as the system does. Those of the world are asked for here: the system has two threads
 * for that, and two names whose DNS servers do not answer would keep everybody's waiting.
 */
async function addressesOf(host: string): Promise<LookupAddress[]> {
  if (!host.includes('.') || host.endsWith('.svc')) return lookup(host, { all: true });
  const results = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const found = results.flatMap((result, index) =>
    result.status === 'fulfilled' ? result.value.map((address): LookupAddress => ({ address, family: index === 0 ? 4 : 6 })) : [],
  );
  if (found.length > 0) return found;
  const codes = results.map((result) => (result.status === 'rejected' ? (result.reason as NodeJS.ErrnoException).code : 'ENODATA'));
  const worst = codes.find((code) => code !== 'ENODATA' && code !== 'ENOTFOUND');
  if (worst !== undefined) throw new Error(`the DNS server does not answer for ${host} (${worst})`);
  // Of two labels it may be a Service and its namespace.
  return lookup(`${host}.svc`, { all: true }).catch(() => {
    throw new Error(`there is no host ${host}`);
  });
}
