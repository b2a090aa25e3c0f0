import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { Secret } from '../../../src/kube/types.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { ApiServer } from '../kube/api-server.ts';

const config = configSchema.parse({ gateway: { addresses: ['127.0.0.1'] } });
const day = 86_400_000;
const root = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices';

let api: ApiServer;
let controller: RunningController;
let authority: Authority;
before(async () => {
  authority = await createAuthority({ lifetimeMs: 365 * day, now: Date.now() });
});
beforeEach(async () => {
  api = await ApiServer.start();
  controller = startController({
    client: api.client,
    config,
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    outdated: () => [],
  });
});
afterEach(async () => {
  await controller.close();
  api.close();
});

function put(name: string, spec: Partial<DistributedServiceSpec>, generation = 1): void {
  const known = api.objects.get(`${root}/${name}`)?.metadata;
  api.put(`${root}/${name}`, {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { ...known, name, namespace: 'shop', generation },
    spec: { serviceType: 'http', backends: { discovery: {} }, expose: { domain: `${name}.example.com` }, ...spec },
  } as DistributedService);
}
const authenticated = (type: 'token' | 'apikey' | 'oauth2' | 'basic', tokenSecret = 'keys'): Partial<DistributedServiceSpec> => ({
  security: { authentication: { type, tokenSecret } },
});

function give(name: string, data: Record<string, string>, labels: Record<string, string> = { 'frp.io/use': 'true' }): void {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
  const path = `/api/v1/namespaces/shop/secrets/${name}`;
  api.put(path, { metadata: { ...api.objects.get(path)?.metadata, name, namespace: 'shop', labels }, data: encoded } as Secret);
}

/** Of a Secret of namespace shop, by what it is for. */
const copyOf = (name: string, kind: string): Secret | undefined => {
  const hash = createHash('sha256').update(`shop/${name}/${kind}`).digest('hex').slice(0, 12);
  return api.objects.get(`/api/v1/namespaces/frp-gateway/secrets/frp-gw-${hash}`);
};
const conditionOf = (name: string, wanted: string) => {
  const service = api.objects.get(`${root}/${name}`) as DistributedService | undefined;
  return service?.status?.conditions?.find(({ type }) => type === wanted);
};
const reasonOf = (name: string): string | undefined => conditionOf(name, 'ConfigurationValid')?.reason;
const messageOf = (name: string): string => JSON.stringify((api.objects.get(`${root}/${name}`) as DistributedService).status);
async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !isSo(); await wait(5)) assert.ok(Date.now() < end, `never: ${isSo.toString()}`);
}
const digest = (value: string) => createHash('sha256').update(value).digest('hex');
const clientsIn = (secret: Secret | undefined) => JSON.parse(text(secret!, 'clients.json')) as Record<string, string>;

describe('the copy of a Secret for the gateway', { timeout: 60_000 }, () => {
  it('holds the digests of API keys, and follows the Secret at once', async () => {
    give('keys', { alice: 's3cret\n', bob: 'other' });
    put('web', authenticated('apikey'));
    await until(() => copyOf('keys', 'credentials') !== undefined);
    const copy = copyOf('keys', 'credentials')!;
    assert.deepEqual(clientsIn(copy), { [digest('s3cret')]: 'alice', [digest('other')]: 'bob' });
    assert.deepEqual(copy.metadata.labels, { 'app.kubernetes.io/managed-by': 'frp-k8s', 'frp.io/gateway-copy': 'true' });
    assert.deepEqual(copy.metadata.annotations, { 'frp.io/copy-of': 'shop/keys', 'frp.io/copy-kind': 'credentials' });
    assert.ok(!JSON.stringify(copy).includes(base64('s3cret').slice(0, 6)));
    give('keys', { alice: 'n3w' });
    await until(() => clientsIn(copyOf('keys', 'credentials'))[digest('n3w')] === 'alice');
    assert.deepEqual(Object.keys(clientsIn(copyOf('keys', 'credentials'))), [digest('n3w')]);
    await until(() => reasonOf('web') === 'Valid');
  });

  it('holds the digests of users with their passwords, so that equal passwords differ', async () => {
    give('keys', { alice: 'pass wörd \n', bob: 'pass wörd ' });
    put('web', authenticated('basic'));
    await until(() => copyOf('keys', 'credentials') !== undefined);
    assert.deepEqual(clientsIn(copyOf('keys', 'credentials')), {
      [digest('alice:pass wörd ')]: 'alice',
      [digest('bob:pass wörd ')]: 'bob',
    });
  });

  it('is not made of a Secret without the label, and the status of the service says what to do', async () => {
    give('keys', { token: 't' }, {});
    put('web', authenticated('token'));
    await until(() => reasonOf('web') === 'SecretMissing');
    assert.match(messageOf('web'), /kubectl -n shop label secret keys frp\.io\/use=true/);
    assert.equal(copyOf('keys', 'credentials'), undefined);
    give('keys', { token: 't' });
    await until(() => copyOf('keys', 'credentials') !== undefined && reasonOf('web') === 'Valid');
    assert.deepEqual(clientsIn(copyOf('keys', 'credentials')), { [digest('t')]: 'token' });
  });

  it('is deleted when no service refers to the Secret any more, the service is deleted, or the label is removed', async () => {
    for (const name of ['a', 'b', 'c']) give(`keys-${name}`, { token: name });
    for (const name of ['a', 'b', 'c']) put(name, authenticated('token', `keys-${name}`));
    await until(() => ['a', 'b', 'c'].every((name) => copyOf(`keys-${name}`, 'credentials')));
    put('a', {}, 2);
    api.remove(`${root}/b`);
    api.remove('/api/v1/namespaces/shop/secrets/keys-c');
    await until(() => ['a', 'b', 'c'].every((name) => !copyOf(`keys-${name}`, 'credentials')));
  });

  it('is made again where somebody deletes or changes it', async () => {
    give('keys', { token: 't' });
    put('web', authenticated('token'));
    await until(() => copyOf('keys', 'credentials') !== undefined);
    const path = `/api/v1/namespaces/frp-gateway/secrets/${copyOf('keys', 'credentials')!.metadata.name}`;
    api.remove(path);
    await until(() => copyOf('keys', 'credentials') !== undefined);
    const copy = api.objects.get(path) as Secret;
    api.put(path, { ...copy, data: { 'clients.json': base64('{}'), more: base64('x') } } as Secret);
    await until(() => text(copyOf('keys', 'credentials')!, 'clients.json') !== '{}');
    assert.deepEqual(Object.keys(copyOf('keys', 'credentials')!.data!), ['clients.json']);
  });

  it('is not made where services read a Secret as credentials of different types, and the status of both says so', async () => {
    give('keys', { issuer: 'https://login.example.com', audience: 'web' });
    put('web', authenticated('oauth2'));
    await until(() => copyOf('keys', 'credentials') !== undefined);
    assert.equal(text(copyOf('keys', 'credentials')!, 'issuer'), 'https://login.example.com');
    put('other', authenticated('apikey'));
    await until(() => copyOf('keys', 'credentials') === undefined);
    await until(() => reasonOf('web') === 'SecretAmbiguous' && reasonOf('other') === 'SecretAmbiguous');
    assert.match(messageOf('web'), /DistributedService \\"other\\"/);
  });

  it('holds a certificate for users only where it can be parsed; a broken one does not replace the good one', async () => {
    const pair = await issue(authority, {
      commonName: 'web',
      dnsNames: ['web.example.com'],
      usages: ['serverAuth'],
      lifetimeMs: day,
      now: Date.now(),
    });
    const certificate = () => conditionOf('web', 'CertificatesReady');
    give('web-tls', { 'tls.crt': `hello\n\n${pair.certPem}`, 'tls.key': pair.keyPem });
    put('web', { expose: { domain: 'web.example.com', tls: { secretName: 'web-tls' } } });
    await until(() => copyOf('web-tls', 'tls') !== undefined);
    const good = text(copyOf('web-tls', 'tls')!, 'tls.crt');
    assert.match(good, /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n$/);
    give('web-tls', { 'tls.crt': pair.certPem, 'tls.key': authority.keyPem });
    await until(() => certificate()?.reason === 'CertificateUnusable');
    assert.match(certificate()?.message ?? '', /does not belong to the certificate/);
    assert.equal(text(copyOf('web-tls', 'tls')!, 'tls.crt'), good);
    give('web-tls', { 'tls.crt': pair.certPem, 'tls.key': pair.keyPem });
    await until(() => certificate()?.reason === 'CertificatesProvisioned');
    put('web', { expose: { domain: 'other.example.com', tls: { secretName: 'web-tls' } } }, 2);
    give('web-tls', { 'tls.crt': pair.certPem, 'tls.key': pair.keyPem });
    await until(() => certificate()?.reason === 'CertificateHostMismatch');
    assert.match(certificate()?.message ?? '', /is for web\.example\.com, and not for other\.example\.com/);
  });

  it("has the authority that issued a service's own client certificates, and nothing else of that Secret", async () => {
    const client = await issue(authority, { commonName: 'x', usages: ['clientAuth'], lifetimeMs: day, now: Date.now() });
    give('ca', { 'ca.crt': `${authority.certPem}${client.certPem}`, 'ca.key': 'private' });
    give('pair', { 'tls.crt': client.certPem, 'tls.key': client.keyPem });
    put('web', { security: { mtls: { enabled: true, mode: 'manual', caSecret: 'ca', certSecret: 'pair' } } });
    await until(() => copyOf('ca', 'client-ca') !== undefined);
    assert.deepEqual(Object.keys(copyOf('ca', 'client-ca')!.data!), ['ca.crt']);
    assert.equal(text(copyOf('ca', 'client-ca')!, 'ca.crt').match(/BEGIN/g)?.length, 1);
  });

  for (const [what, type, data, reason] of [
    ['an empty key', 'apikey', { alice: '\n' }, 'CredentialsMissing'],
    ['no key at all', 'apikey', {}, 'CredentialsMissing'],
    ['no key "token"', 'token', { other: 'x' }, 'CredentialsMissing'],
    ['a token that no header carries', 'token', { token: 'a\nb' }, 'CredentialsUnusable'],
    ['an empty password', 'basic', { alice: '' }, 'CredentialsMissing'],
    ['a password of two lines', 'basic', { alice: 'a\nb' }, 'CredentialsUnusable'],
    ['an issuer that is no URL', 'oauth2', { issuer: 'login', audience: 'web' }, 'CredentialsUnusable'],
    ['no audience', 'oauth2', { issuer: 'https://login.example.com' }, 'CredentialsUnusable'],
    ['an issuer without TLS', 'oauth2', { issuer: 'http://login.example.com', audience: 'web' }, 'CredentialsUnusable'],
    [
      'keys that are fetched without TLS',
      'oauth2',
      { issuer: 'https://a.b', audience: 'a', jwksURL: 'http://a.b/keys' },
      'CredentialsUnusable',
    ],
    ['keys that are a file', 'oauth2', { issuer: 'https://a.b', audience: 'a', jwksURL: 'file:///etc/passwd' }, 'CredentialsUnusable'],
  ] as const) {
    it(`is not made of a Secret with ${what} (${type})`, async () => {
      give('keys', data);
      put('web', authenticated(type));
      await until(() => reasonOf('web') !== undefined);
      assert.equal(reasonOf('web'), reason);
      assert.equal(copyOf('keys', 'credentials'), undefined);
    });
  }
});
