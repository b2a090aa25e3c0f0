/** Certificates around a gateway, exchanged while they are in use: none of it may cost a user anything. */
import assert from 'node:assert/strict';
import { connect } from 'node:tls';
import { issue, parseAuthority } from '../../../certs/authority.ts';
import { fingerprint, fingerprintOf, servedAt, servingCertificates } from './certificates.ts';
import { root, system } from './places.ts';
import { replicaAddress } from './gateway.ts';
import type { Step } from './gateway-load.ts';
import { host, ns, scaled, sidecarKilled, usersCertificate, usual } from './gateway-subjects.ts';
import { get, kubectl, noneEnding } from './kubectl.ts';
import { eventually, must } from './run.ts';

const tunnelPort = 7000;
const httpsPort = 8443;
const replicas = (): Promise<string[]> => Promise.all([0, 1].map(replicaAddress));

/** Both replicas present it. */
const presented = (what: string, port: number, certificate: string, servername?: string): Promise<void> =>
  eventually(`${what} at both replicas`, async () => {
    for (const address of await replicas()) assert.equal(await servedAt(address, port, undefined, servername), certificate, address);
  });

/** Another one than `before` is in the Secret. */
const replaced = (namespace: string, secret: string, before: string): Promise<string> =>
  eventually(`another certificate in ${secret}`, async () => {
    const now = await fingerprint(namespace, secret);
    assert.notEqual(now, before);
    return now;
  });

/** The controller makes it anew. */
async function remade(namespace: string, secret: string): Promise<string> {
  const before = await fingerprint(namespace, secret);
  await kubectl('-n', namespace, 'delete', 'secret', secret);
  return replaced(namespace, secret, before);
}

/** Each certificate by itself, by the same authority. */
export const exchanges: readonly Step[] = [
  {
    name: 'another certificate for users',
    run: async () => presented('the certificate for users', httpsPort, fingerprintOf(await usersCertificate()), host),
  },
  {
    name: 'another certificate of the tunnel',
    run: async () => presented('the certificate of the tunnel', tunnelPort, await remade(system, 'frp-gateway-tls')),
  },
  {
    name: 'another client certificate',
    run: async () => {
      await remade(ns, 'frp-app-tls');
      await sidecarKilled();
    },
  },
];

/** What a replica's tunnel says to a client certificate. By TLS 1.2 a client knows at the end of its handshake. */
const answerTo = (address: string, client: { certPem: string; keyPem: string }): Promise<string> =>
  new Promise((resolve) => {
    const options = { cert: client.certPem, key: client.keyPem, maxVersion: 'TLSv1.2', rejectUnauthorized: false } as const;
    const socket = connect({ host: address, port: tunnelPort, ...options }, () => {
      resolve('accepted');
      socket.destroy();
    });
    socket.on('error', (error: Error) => resolve(error.message));
  });
const bothAnswer = async (client: { certPem: string; keyPem: string }, expected: RegExp): Promise<void> => {
  for (const address of await replicas()) assert.match(await answerTo(address, client), expected, address);
};

interface Before {
  /** fingerprints of what there was */
  certificates: Record<string, string[]>;
  /** of the authority of before, and long-lived */
  client: { certPem: string; keyPem: string };
}
let before: Before | undefined;

async function certificates(): Promise<Before['certificates']> {
  const [client, tunnel, webhooks, authority] = await Promise.all([
    fingerprint(ns, 'frp-app-tls'),
    fingerprint(system, 'frp-gateway-tls'),
    servingCertificates(),
    fingerprint(system, 'frp-ca'),
  ]);
  return { client: [client], tunnel: [tunnel], webhooks, authority: [authority] };
}

async function clientOfAuthority(): Promise<Before['client']> {
  const { data } = await get(system, 'secret', 'frp-ca');
  const pem = (key: string) => Buffer.from(String(data[key]), 'base64').toString();
  const request = { commonName: 'frpc-app', usages: ['clientAuth' as const], lifetimeMs: 86_400_000, now: Date.now() };
  return issue(parseAuthority(pem('tls.crt'), pem('tls.key')), request);
}

/** Waits for a phase of the rotation, '' for its end. Each lasts three minutes at least. */
const rotationIs = (phase: string): Promise<void> =>
  eventually(
    `phase ${phase} of the rotation`,
    async () => {
      const { metadata } = await get(system, 'secret', 'frp-ca');
      assert.equal(metadata.annotations?.['frp.io/rotation-phase'] ?? '', phase);
    },
    900,
  );

/** The authority is replaced; meanwhile certificates with short lives are renewed by themselves. */
export const rotation: readonly Step[] = [
  {
    name: 'the authority: a new one is trusted too',
    isLong: true,
    run: async () => {
      before = { certificates: await certificates(), client: await clientOfAuthority() };
      await must('node', ['src/main.ts', 'rotate', 'ca', '--accept-outage'], { cwd: root });
      await rotationIs('reissue');
    },
  },
  {
    name: 'the authority: the new one issues',
    isLong: true,
    run: async () => {
      await bothAnswer(before!.client, /^accepted$/);
      await rotationIs('');
    },
  },
  {
    name: 'the authority: the old one is dropped',
    isLong: true,
    run: async () => {
      await eventually('the old authority is refused', () => bothAnswer(before!.client, /unknown ca/));
      const now = await certificates();
      for (const [what, old] of Object.entries(before!.certificates))
        for (const one of now[what]!) assert.ok(!old.includes(one), `another certificate: ${what}`);
      await sidecarKilled();
      // A Pod that is new.
      await scaled(usual + 1);
      await scaled(usual);
      await noneEnding(ns, 'app');
    },
  },
];
