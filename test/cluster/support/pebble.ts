/** Pebble, Let's Encrypt's ACME server for tests, and its DNS server, as processes beside the cluster. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { root } from './places.ts';
import { eventually } from './run.ts';

const port = 14_000;
const managementPort = 15_000;
/** host:port at which every name is the gateway's address. */
export const nameserver = '127.0.0.1:8053';

export interface Pebble {
  /** of its directory */
  url: string;
  /** PEM of who has signed its own https certificate */
  serverCa: string;
  /** PEM of the authority of the certificates that it issues */
  rootCa: string;
  end: () => Promise<void>;
}

/** @param gateway address that every name resolves to */
export async function pebble(gateway: string): Promise<Pebble> {
  const directory = process.env.PEBBLE;
  assert.ok(directory, 'PEBBLE must name the directory with pebble and pebble-challtestsrv (test/cluster/lab path pebble)');
  const files = join(root, 'artifacts/pebble');
  mkdirSync(files, { recursive: true });
  const validity = { lifetimeMs: 86_400_000, now: Date.now() };
  const authority = await createAuthority(validity);
  const pair = await issue(authority, { commonName: 'localhost', dnsNames: ['localhost'], usages: ['serverAuth'], ...validity });
  const file = (name: string, text: string): string => {
    writeFileSync(join(files, name), text);
    return join(files, name);
  };
  const settings = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: file('tls.crt', pair.certPem),
    privateKey: file('tls.key', pair.keyPem),
    httpPort: 80,
    tlsPort: 443,
    retryAfter: { authz: 1, order: 1 },
    profiles: { default: { description: 'as ever', validityPeriod: 7_776_000 } },
  };
  const log = openSync(join(root, 'artifacts/pebble.log'), 'a');
  const start = (name: string, ...args: string[]): ChildProcess =>
    spawn(join(directory, name), args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0' },
    });
  const off = ['http01', 'https01', 'tlsalpn01', 'doh'].flatMap((name) => [`-${name}`, '']);
  const names = ['-dnsserver', nameserver, '-management', '127.0.0.1:8055', '-defaultIPv4', gateway, '-defaultIPv6', ''];
  const programs = [
    start('pebble-challtestsrv', ...names, ...off),
    start('pebble', '-config', file('config.json', JSON.stringify({ pebble: settings })), '-dnsserver', nameserver),
  ];
  const end = async (): Promise<void> => {
    for (const program of programs) {
      if (program.exitCode !== null) continue;
      const ended = once(program, 'close');
      program.kill('SIGTERM');
      await ended;
    }
  };
  const serverCa = authority.certPem;
  const rootCa = await eventually('Pebble', () => textAt(`https://localhost:${managementPort}/roots/0`, serverCa));
  return { url: `https://localhost:${port}/dir`, serverCa, rootCa, end };
}

const textAt = (url: string, ca: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const outgoing = request(url, { ca, agent: false, signal: AbortSignal.timeout(5000) }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (part: string) => (text += part));
      incoming.on('end', () => resolve(text));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
