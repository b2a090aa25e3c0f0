/** Faults of services, of what they refer to, and of what stands between them and their gateway. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issue } from '../../../../certs/authority.ts';
import { apply } from '../kubectl.ts';
import { httpService, service } from '../objects.ts';
import { changesIn, hostOf, name, quickDeployment, workset, type Lane } from './faults.ts';

function credentials(): Lane {
  const namespace = 'check-credentials';
  const { spec, patch, kubectl } = changesIn(namespace);
  const authentication = (type: string) => spec({ security: { authentication: { type, tokenSecret: 'tokens' } } });
  return {
    namespace,
    faults: [
      {
        fault: 'credentials that nobody has allowed the use of',
        make: async () => {
          await apply({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'tokens' }, stringData: { token: 'secret' } });
          await authentication('token');
        },
        reason: 'SecretMissing',
      },
      {
        fault: 'credentials that were emptied',
        make: () => patch('secret', 'json', [{ op: 'remove', path: '/data' }], 'tokens'),
        reason: 'CredentialsMissing',
      },
      {
        fault: 'a token that no header can carry',
        make: () => patch('secret', 'merge', { stringData: { token: 'two\nlines' } }, 'tokens'),
        reason: 'CredentialsUnusable',
      },
      { fault: 'credentials that were deleted', make: () => kubectl('delete', 'secret', 'tokens'), reason: 'SecretMissing' },
      {
        fault: 'passwords that are not there',
        make: async () => {
          await kubectl('delete', 'secret', 'tokens');
          await authentication('basic');
        },
        reason: 'SecretMissing',
      },
    ],
  };
}

/** Certificates of users; the folder has a good one, as tls.crt and tls.key. */
async function certificates(): Promise<Lane> {
  const namespace = 'check-certificates';
  const { spec, kubectl } = changesIn(namespace);
  const day = 86_400_000;
  const authority = await createAuthority({ lifetimeMs: 365 * day, now: Date.now() - 60 * day });
  const cwd = mkdtempSync(join(tmpdir(), 'frp-k8s-check-'));
  const pair = (host: string, from: number, lifetimeMs: number) =>
    issue(authority, { commonName: host, dnsNames: [host], usages: ['serverAuth'], lifetimeMs, now: Date.now() + from });
  const good = await pair(hostOf(namespace), 0, 90 * day);
  writeFileSync(join(cwd, 'tls.crt'), good.certPem);
  writeFileSync(join(cwd, 'tls.key'), good.keyPem);
  const put = ({ certPem, keyPem }: { certPem: string; keyPem: string }) =>
    kubectl('patch', 'secret', 'web', '--type=merge', '-p', JSON.stringify({ stringData: { 'tls.crt': certPem, 'tls.key': keyPem } }));
  return {
    namespace,
    faults: [
      {
        fault: 'a certificate for users that is not there',
        make: () => spec({ expose: { tls: { secretName: 'web' } } }),
        reason: 'SecretMissing',
        cwd,
      },
      { fault: 'a certificate that is no PEM', make: () => put({ certPem: 'none', keyPem: 'none' }), reason: 'CertificateUnusable', cwd },
      {
        fault: 'a certificate that has ended',
        make: async () => put(await pair(hostOf(namespace), -30 * day, 29 * day)),
        reason: 'CertificateExpired',
        cwd,
      },
      {
        fault: 'a certificate that ends soon',
        make: async () => put(await pair(hostOf(namespace), -30 * day, 32 * day)),
        reason: 'CertificateExpiresSoon',
        cwd,
      },
      {
        fault: 'a certificate for another host',
        make: async () => put(await pair('other.example.com', 0, 90 * day)),
        reason: 'CertificateHostMismatch',
        cwd,
      },
    ],
  };
}

/** The plain frp server. */
function plain(): Lane {
  const namespace = 'check-plain';
  const { spec } = changesIn(namespace);
  const own = service(namespace, name, {
    serviceType: 'http',
    gateway: false,
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: hostOf(namespace) },
  });
  return {
    namespace,
    objects: [own, quickDeployment({ namespace, name, frp: { group: name } })],
    faults: [
      {
        fault: 'Pods that are older than their service',
        make: () => spec({ expose: { domain: `moved.${hostOf(namespace)}` } }),
        reason: 'PodsOutdated',
      },
      {
        fault: 'a rate limit that the plain frp server does not know',
        make: () => spec({ security: { rateLimit: { requestsPerSecond: 100 } } }),
        reason: 'GatewayRequired',
      },
    ],
  };
}

function exposure(): Lane {
  const namespace = 'check-exposure';
  const { spec } = changesIn(namespace);
  return {
    namespace,
    faults: [
      {
        fault: 'a service that has moved to the plain frp server without its Pods',
        make: () => spec({ gateway: false }),
        reason: 'RestartPods',
      },
      {
        fault: 'a Service that has the name of the one for the cluster',
        make: async () => {
          await apply({
            apiVersion: 'v1',
            kind: 'Service',
            metadata: { namespace, name },
            spec: { ports: [{ port: 80 }], selector: { app: name } },
          });
          await spec({ gateway: null, expose: { clusterService: {} } });
        },
        reason: 'NameTaken',
      },
      {
        fault: "a port that is not among those of users' Service",
        make: () =>
          apply(
            service(namespace, 'ported', {
              serviceType: 'tcp',
              backends: { discovery: { mode: 'auto' } },
              expose: { type: 'port', port: 21_883 },
            }),
            quickDeployment({ namespace, name: 'ported', frp: { group: 'ported', port: '8081' } }),
          ),
        reason: 'PortNotPublished',
      },
    ],
  };
}

/** The service is older than the webhooks' word: it was stored while they were not asked. */
export const late = (namespace: string, domain: string) => [
  service(namespace, name, {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain },
    routes: [{ groups: [{ name: 'other' }] }],
  }),
  service(namespace, 'other', {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: `other.${namespace}.example.com` },
  }),
  quickDeployment({ namespace, name: 'other', frp: { group: 'other' } }),
];

function deletion(): Lane {
  const namespace = 'check-deletion';
  const { kubectl } = changesIn(namespace);
  const held = httpService(namespace, 'held', 'held.example.com');
  return {
    namespace,
    objects: [
      ...workset(namespace),
      { ...held, metadata: { ...held.metadata, finalizers: ['example.com/hold'] } as (typeof held)['metadata'] },
      quickDeployment({ namespace, name: 'held', frp: { group: 'held' } }),
    ],
    faults: [
      {
        fault: "a deletion that somebody else's finalizer holds up",
        make: () => kubectl('delete', 'dsvc', 'held', '--wait=false'),
        reason: 'DeletionStuck',
      },
    ],
  };
}

function policies(): Lane {
  const namespace = 'check-policies';
  const { kubectl } = changesIn(namespace);
  return {
    namespace,
    faults: [
      {
        fault: 'a NetworkPolicy that lets Pods out to the DNS alone',
        make: () =>
          apply({
            apiVersion: 'networking.k8s.io/v1',
            kind: 'NetworkPolicy',
            metadata: { namespace, name: 'narrow' },
            spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ ports: [{ protocol: 'UDP', port: 53 }] }] },
          }),
        reason: 'PolicyBlocksTunnel',
      },
      {
        fault: 'NetworkPolicies that let Pods out to the gateway alone',
        make: () => kubectl('delete', 'networkpolicy', 'narrow'),
        reason: 'PolicyBlocksDns',
      },
    ],
  };
}

export const serviceLanes = async (): Promise<Lane[]> => [credentials(), await certificates(), plain(), exposure(), deletion(), policies()];
