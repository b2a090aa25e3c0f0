import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import '../../support/few-keys.ts';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { configSchema } from '../../../src/config/schema.ts';
import {
  clientRequest,
  planCertificate,
  renewBeforeOf,
  gatewayRequest,
  serverRequest,
} from '../../../src/controller/identity/certificate-plan.ts';
import { ownerReference, ownershipOf } from '../../../src/controller/ownership.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { Metadata, Secret } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';

const day = 86_400_000;
const now = Date.parse('2030-01-01T00:00:00Z');

const service = (changes: Partial<DistributedService> = {}): DistributedService => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name: 'api', namespace: 'prod', uid: 'u1', generation: 3 },
  spec: { serviceType: 'http', backends: {} },
  ...changes,
});

describe('a Secret with one of our names', () => {
  const labels = { 'app.kubernetes.io/managed-by': 'frp-k8s' };
  const owner = ownerReference(service());
  const cases: [name: string, metadata: Partial<Metadata>, expected: string][] = [
    ['with our label and an owner reference to the service is ours', { labels, ownerReferences: [owner] }, 'ours'],
    ['without our label is foreign', { ownerReferences: [owner] }, 'foreign'],
    ['with our label alone is foreign', { labels }, 'foreign'],
    ['of another service is foreign', { labels, ownerReferences: [{ ...owner, name: 'web' }] }, 'foreign'],
    [
      'of another kind of owner is foreign',
      { labels, ownerReferences: [{ ...owner, kind: 'Deployment', apiVersion: 'apps/v1' }] },
      'foreign',
    ],
    ['of an earlier service of the name is on its way out', { labels, ownerReferences: [{ ...owner, uid: 'u0' }] }, 'previous'],
    ['with more owners is ours', { labels, ownerReferences: [{ ...owner, kind: 'Other' }, owner] }, 'ours'],
  ];
  for (const [name, metadata, expected] of cases) {
    it(name, () => assert.equal(ownershipOf({ name: 'frp-api-tls', ...metadata }, service()), expected));
  }
});

describe('the certificate in a Secret', () => {
  let authority: Authority;
  let other: Authority;
  before(async () => {
    authority = await createAuthority({ lifetimeMs: 3650 * day, now });
    other = await createAuthority({ lifetimeMs: 3650 * day, now });
  });
  const request = clientRequest(service());
  const stored = async (from = authority, changes: Record<string, string> = {}, asked = request): Promise<Secret> => {
    const pair = await issue(from, { ...asked, lifetimeMs: 30 * day, now });
    const data = { 'tls.crt': base64(pair.certPem), 'tls.key': base64(pair.keyPem), 'ca.crt': base64(authority.bundlePem), ...changes };
    return { metadata: { name: 'frp-api-tls', uid: 's1' }, data };
  };
  const plan = (secret: Secret, at = now, need = request) =>
    planCertificate(secret, { request: need, authority, renewBeforeMs: 7 * day, now: at });

  it('is kept while it is good, and says when it comes of age', async () => {
    const found = plan(await stored());
    assert.equal(found.action, 'keep');
    const renewAt = 'renewAt' in found ? found.renewAt : 0;
    assert.ok(renewAt <= now + 23 * day && renewAt >= now + 22.3 * day);
  });

  it('is judged the same way at every look', async () => {
    const secret = await stored();
    assert.deepEqual(plan(secret), plan(secret, now + day));
  });

  it('stays, with another bundle beside it, when only the bundle differs', async () => {
    assert.equal(plan(await stored(authority, { 'ca.crt': base64('old') })).action, 'bundle');
  });

  const replaced: [name: string, secret: () => Promise<Secret>, reason: RegExp, at?: number][] = [
    ['near its end', () => stored(), /^it expires at 2030-01-31/, now + 23 * day],
    ['past its end', () => stored(), /expired/, now + 31 * day],
    ['of another authority', () => stored(other), /authority has changed/],
    ['for another name', () => stored(authority, {}, { ...request, commonName: 'frpc-prod-web' }), /is for frpc-prod-web/],
    ['for servers', () => stored(authority, {}, { ...request, usages: ['serverAuth'] }), /lacks the extended key usage clientAuth/],
    ['without key', () => stored(authority, { 'tls.key': '' }), /private key/],
    ['without content', async () => ({ metadata: { name: 'x' } }), /no PEM block/],
    ['that is no base64', () => stored(authority, { 'tls.crt': '%%%' }), /no PEM block/],
  ];
  for (const [name, secret, reason, at] of replaced) {
    it(`${name} is issued anew`, async () => {
      const found = plan(await secret(), at);
      assert.equal(found.action, 'issue');
      assert.match('reason' in found ? found.reason : '', reason);
    });
  }

  it('of the frp server that lacks the configured address is issued anew', async () => {
    const asked = serverRequest(configSchema.parse({}));
    const wanted = serverRequest(configSchema.parse({ frps: { address: '203.0.113.7' } }));
    const found = plan(await stored(authority, {}, asked), now, wanted);
    assert.match('reason' in found ? found.reason : '', /does not carry the name 203\.0\.113\.7/);
    assert.equal(plan(await stored(authority, {}, wanted), now, wanted).action, 'keep');
  });
});

describe('what a certificate is asked for', () => {
  it('names namespace and service, within the 64 characters that X.509 allows', () => {
    assert.equal(clientRequest(service()).commonName, 'frpc-prod-api');
    const long = service({ metadata: { name: 'n'.repeat(63), namespace: 'prod' } });
    assert.equal(clientRequest(long).commonName.length, 64);
  });

  it('for the gateway has each of its addresses, and the names of its Pods', () => {
    const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com', '[2001:db8::1]:7443'] } });
    const { dnsNames, ipAddresses } = gatewayRequest(config);
    assert.deepEqual(ipAddresses, ['2001:db8::1']);
    for (const name of ['gw-0.example.com', 'frp-gateway-0.frp-gateway', 'frp-gateway-1.frp-gateway.frp-gateway.svc'])
      assert.ok(dnsNames?.includes(name), name);
  });

  it('for the plain frp server does not depend on the gateway: it would restart for another certificate', () => {
    const gateway = { addresses: ['gw-0.example.com'] };
    assert.deepEqual(serverRequest(configSchema.parse({ gateway })), serverRequest(configSchema.parse({})));
  });

  it('for the frp server has the address, the server name and the names inside the cluster', () => {
    const { dnsNames, ipAddresses } = serverRequest(
      configSchema.parse({ namespace: 'tunnels', frps: { address: '203.0.113.7', serverName: 'frp.example.com' } }),
    );
    assert.deepEqual(ipAddresses, ['203.0.113.7']);
    assert.deepEqual(dnsNames, [
      'frp.example.com',
      'frp-server',
      'frp-server.tunnels',
      'frp-server.tunnels.svc',
      'frp-server.tunnels.svc.cluster.local',
    ]);
  });

  const certificates = { lifetime: 30 * day, renewBefore: 7 * day, authorityLifetime: 3650 * day };
  const rotations: [name: string, mtls: NonNullable<DistributedService['spec']['security']>['mtls'], days: number][] = [
    ['without mtls', undefined, 7],
    ['with beforeExpiry', { enabled: true, certRotation: { beforeExpiry: '10d' } }, 10],
    ['with beforeExpiry in hours', { enabled: true, certRotation: { beforeExpiry: '48h' } }, 2],
    ['with a beforeExpiry that leaves no life', { enabled: true, certRotation: { beforeExpiry: '30d' } }, 7],
    ['with mtls disabled', { enabled: false, certRotation: { beforeExpiry: '10d' } }, 7],
    ['in mode manual', { enabled: true, mode: 'manual', certRotation: { beforeExpiry: '10d' } }, 7],
  ];
  for (const [name, mtls, days] of rotations) {
    it(`is renewed ${days} days before its end ${name}`, () => {
      const spec = { ...service().spec, ...(mtls ? { security: { mtls } } : {}) };
      assert.equal(renewBeforeOf(service({ spec }), certificates), days * day);
    });
  }
});
