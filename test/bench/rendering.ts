/**
 * `npm run bench:rendering`: how much CPU of the agent's one thread a change of one backend among many services takes, from
 * what it knows to the text of HAProxy's configuration. Nothing is written or started.
 */
import { createAuthority, issue } from '../../certs/authority.ts';
import { configSchema } from '../../src/config/schema.ts';
import { Memory, renderUsers } from '../../src/gateway/haproxy/index.ts';
import type { Access, View } from '../../src/gateway/ir/ir.ts';
import { viewOf } from '../../src/gateway/ir/translate.ts';
import type { Member } from '../../src/gateway/members/members.ts';
import { Claims } from '../../src/model/claims.ts';
import { service, storeOf } from '../support/services.ts';
import { median } from './report.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'] } });
const settings = {
  directory: '/run/frp/users',
  httpPort: 80,
  httpsPort: 443,
  trustedProxies: [],
  proxyProtocol: false,
  peers: [
    { name: 'gw-0', address: '10.0.0.1:10000' },
    { name: 'gw-1', address: '10.0.0.2:10000' },
  ],
  localPeer: 'gw-0',
};
const msSince = (start: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
};
const uid = (index: number) => `3f2a6c1e-0000-4000-8000-${String(index).padStart(12, '0')}`;

const authority = await createAuthority({ lifetimeMs: 3_600_000, now: Date.now() });
const { certPem, keyPem } = await issue(authority, { commonName: 'x', usages: ['serverAuth'], lifetimeMs: 3_600_000, now: Date.now() });
const certificate = `${certPem}\n${keyPem}`;
const keys: Access = { kind: 'keys', header: 'bearer', clients: { ['0'.repeat(64)]: 'client' } };
const none: Access = { kind: 'none' };

for (const [what, count, access, isTls] of [
  ['plain', 2000, none, false],
  ['with API keys', 2000, keys, false],
  ['with TLS', 1000, none, true],
  ['plain', 5000, none, false],
] as const)
  measure(what, count, access, isTls);

function measure(what: string, count: number, access: Access, isTls: boolean): void {
  const services = Array.from({ length: count }, (_, index) =>
    service(
      `s${index}`,
      {
        expose: { type: 'domain', domain: `s${index}.example.com`, ...(isTls ? { tls: { secretName: 'tls' } } : {}) },
        loadBalancing: { healthCheck: { type: 'http', path: '/health' } },
      },
      `n${index % 50}`,
    ),
  );
  const claims = new Claims(storeOf(...services), config);
  const members = services.flatMap(({ metadata: { namespace = '', name } }, index) =>
    [0, 1].map((at): Member => {
      const identity = { cluster: '', namespace, pod: `${name}-${at}`, uid: uid(2 * index + at) };
      const proxy = `${namespace}.${name}.0a1b2c3d.${identity.pod}.${identity.uid}`;
      return {
        name: proxy,
        service: `${namespace}/${name}`,
        backendId: identity.uid,
        identity,
        origins: [],
        port: 20_000 + 2 * index + at,
      };
    }),
  );
  const memory = new Memory();
  let view: View | undefined;
  const times = Array.from({ length: 6 }, (_, round) => {
    members[7] = { ...members[7]!, port: 30_000 + round };
    const start = process.cpuUsage();
    view = viewOf(
      {
        services,
        conflictsOf: (one) => claims.conflictsOf(one),
        members,
        podOf: () => undefined,
        accessOf: () => access,
        certificateOf: () => certificate,
        config,
      },
      view,
    );
    const rendered = renderUsers(view, settings, memory);
    const ms = msSince(start);
    return { ms, whole: rendered.config.length && msSince(start) - ms, size: rendered.config.length };
  });
  const [first, ...later] = times;
  const middle = (read: (time: (typeof times)[number]) => number) => median(later.map(read)).toFixed(0);
  const size = (first!.size / 1e6).toFixed(1);
  console.log(
    `${count} services ${what} (${size} MB): first ${first!.ms.toFixed(0)} ms, a change ${middle(({ ms }) => ms)} ms, the whole text ${middle(({ whole }) => whole)} ms`,
  );
}
