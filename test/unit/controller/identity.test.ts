import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import { inspectCertificate, type Usage } from '../../../certs/inspect.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { certificateFor } from '../../../src/controller/identity/external-mode.ts';
import { ensureIdentity } from '../../../src/controller/identity/service-identity.ts';
import { type IdentityDeps } from '../../../src/controller/identity/deps.ts';
import { servicesWith } from '../../../src/controller/user-secrets.ts';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { Certificate, KubeObject, Secret } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { makeChain } from '../../support/chain.ts';
import { storeOf } from '../../support/services.ts';
import { FakeClock } from '../certs/fake-clock.ts';
import { ApiServer, failure } from '../kube/api-server.ts';
import { impersonatorOf } from '../../support/impersonator.ts';

type Mtls = NonNullable<NonNullable<DistributedService['spec']['security']>['mtls']>;

const day = 86_400_000;
const start = Date.parse('2030-01-01T00:00:00Z');
const secretPath = (name: string) => `/api/v1/namespaces/prod/secrets/${name}`;
const certificatePath = '/apis/cert-manager.io/v1/namespaces/prod/certificates/frp-api';

const service = (mtls: Mtls): DistributedService => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name: 'api', namespace: 'prod', uid: 'u1', generation: 1 },
  spec: { serviceType: 'http', backends: {}, security: { mtls } },
});

let authority: Authority;
let theirs: Authority;
let api: ApiServer;
let clock: FakeClock;
let deps: IdentityDeps;
before(async () => {
  authority = await createAuthority({ lifetimeMs: 3650 * day, now: start });
  theirs = await createAuthority({ lifetimeMs: 60 * day, now: start });
});
beforeEach(async () => {
  api = await ApiServer.start();
  clock = new FakeClock(start);
  deps = {
    client: api.client,
    config: configSchema.parse({}),
    clock,
    log: pino({ level: 'silent' }),
    secrets: new ObjectStore<Secret>(() => undefined),
    userSecrets: new ObjectStore<Secret>(() => undefined),
    authority: () => authority,
  };
});
afterEach(() => api.close());

/** A Secret of the user's, as the API server and, with the label, the watch have it. */
function give(name: string, data: Record<string, string>, isLabelled = true, annotations: Record<string, string> = {}): void {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
  const metadata = { name, namespace: 'prod', annotations, ...(isLabelled ? { labels: { 'frp.io/use': 'true' } } : {}) };
  const secret = api.put(secretPath(name), { metadata, data: encoded } as Secret) as Secret;
  if (isLabelled) deps.userSecrets.set(secret);
  else deps.userSecrets.delete(secret);
}

async function pair(from = theirs, usages: Usage[] = ['clientAuth'], lifetimeMs = 30 * day): Promise<Record<string, string>> {
  const { certPem, keyPem } = await issue(from, { commonName: 'edge', usages, lifetimeMs, now: start });
  return { 'tls.crt': certPem, 'tls.key': keyPem };
}

const outcome = async (mtls: Mtls) => {
  const { outcome: found } = await ensureIdentity(deps, service(mtls));
  return found.ready ? 'ready' : `${found.reason}: ${found.message}`;
};

describe('mode manual', () => {
  const mtls: Mtls = { enabled: true, mode: 'manual', caSecret: 'their-ca', certSecret: 'their-cert' };
  const good = async () => {
    give('their-ca', { 'ca.crt': theirs.certPem });
    give('their-cert', await pair());
  };

  const broken: [name: string, change: () => Promise<void> | void, expected: RegExp][] = [
    [
      'is absent',
      () => api.remove(secretPath('their-cert')),
      /^SecretMissing: Secret prod\/their-cert \(.*certSecret\) does not exist; create/,
    ],
    [
      'lacks the label',
      async () => give('their-cert', await pair(), false),
      /^SecretNotLabelled: .*kubectl -n prod label secret their-cert/,
    ],
    ['is empty', () => give('their-cert', {}), /^Unreadable: Secret prod\/their-cert: key tls\.crt: no PEM block/],
    [
      'has the key of another',
      async () => give('their-cert', { ...(await pair()), 'tls.key': (await pair())['tls.key']! }),
      /^KeyMismatch: .*does not belong/,
    ],
    [
      'has no key',
      async () => give('their-cert', { 'tls.crt': (await pair())['tls.crt']! }),
      /^KeyMismatch: .*private key cannot be parsed/,
    ],
    ['has expired', async () => give('their-cert', await pair(theirs, ['clientAuth'], -1000)), /^CertificateExpired: .*replace tls\.crt/],
    ['is for servers', async () => give('their-cert', await pair(theirs, ['serverAuth'])), /^WrongUsage: .*clientAuth/],
    [
      'is of another CA',
      async () => give('their-cert', await pair(authority)),
      /^WrongIssuer: .*was not issued by the CA of Secret prod\/their-ca/,
    ],
    ['names a CA that is none', async () => give('their-ca', { 'ca.crt': (await pair())['tls.crt']! }), /^NotAnAuthority: .*CA:FALSE/],
    [
      'names a CA with the name of the own one',
      () => give('their-ca', { 'ca.crt': theirs.certPem + impersonatorOf(authority.certPem) }),
      /^AuthorityNameTaken: Secret prod\/their-ca: .*give it another name/,
    ],
    [
      'names more CAs than it may',
      () => give('their-ca', { 'ca.crt': theirs.certPem.repeat(17) }),
      /^AuthorityTooLarge: Secret prod\/their-ca: ca\.crt has 17 certificates, and 16 is the limit/,
    ],
    ['names a CA that is no PEM', () => give('their-ca', { 'ca.crt': 'hello' }), /^Unreadable: Secret prod\/their-ca: key ca\.crt/],
  ];
  for (const [name, change, expected] of broken) {
    it(`refuses a Secret that ${name}, and heals when it is mended`, async () => {
      await good();
      if (name === 'is absent') deps.userSecrets.delete({ metadata: { name: 'their-cert', namespace: 'prod' } });
      await change();
      assert.match(await outcome(mtls), expected);
      await good();
      assert.equal(await outcome(mtls), 'ready');
    });
  }

  it('never reads the content of a Secret without the label', async () => {
    give('their-ca', { 'ca.crt': theirs.certPem }, false);
    await outcome(mtls);
    const reads = api.requests.filter(({ path, method }) => method === 'GET' && path === secretPath('their-ca'));
    assert.deepEqual(
      reads.map(({ headers }) => headers.accept),
      ['application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'],
    );
  });

  it('takes a CA from tls.crt too', async () => {
    give('their-ca', { 'tls.crt': theirs.certPem });
    give('their-cert', await pair());
    assert.equal(await outcome(mtls), 'ready');
  });

  it('takes a certificate below intermediates that come with it, and says which one is missing its link or has expired', async () => {
    const { root, upper, lower, lowerExpired, edge } = makeChain('clientAuth');
    give('their-ca', { 'ca.crt': root });
    const given = async (...chain: string[]) => {
      give('their-cert', { 'tls.crt': chain.join(''), 'tls.key': edge.keyPem });
      return outcome(mtls);
    };
    assert.equal(await given(edge.certPem, lower, upper), 'ready');
    assert.match(await given(edge.certPem, lower), /^WrongIssuer/);
    assert.match(
      await given(edge.certPem, lowerExpired, upper),
      /^CertificateExpired: .*the intermediate lower in tls\.crt expired at .*successor/,
    );
  });

  it('looks again when the certificate expires', async () => {
    await good();
    clock.advance(31 * day);
    assert.match(await outcome(mtls), /^CertificateExpired/);
  });

  it('is looked at again when one of its Secrets changes, and no other', () => {
    const isAsked = (name: string, of: Mtls, namespace = 'prod') =>
      servicesWith({ name, namespace }, storeOf(service(of)), deps.config).length === 1;
    for (const name of ['their-ca', 'their-cert']) {
      assert.ok(isAsked(name, mtls));
      assert.ok(!isAsked(name, mtls, 'test'));
      assert.ok(!isAsked(name, { ...mtls, enabled: false }));
    }
    assert.ok(isAsked('frp-api-external-tls', { enabled: true, mode: 'external' }));
  });
});

describe('mode external', () => {
  const mtls: Mtls = { enabled: true, mode: 'external', certRotation: { beforeExpiry: '10d' } };
  const stored = (): Certificate | undefined => api.objects.get(certificatePath);

  it('says that cert-manager is missing where the cluster does not know its kind', async () => {
    api.intercept = ({ path }) => (path.startsWith('/apis/cert-manager.io') ? failure(404, 'NotFound', 'not found') : undefined);
    assert.match(await outcome(mtls), /^CertManagerMissing: .*install cert-manager, or set spec\.security\.mtls\.mode to auto/);
    api.intercept = () => undefined;
    assert.match(await outcome(mtls), /^Issuing/);
  });

  it('creates a Certificate of cert-manager that the service owns, and waits for its Secret', async () => {
    assert.match(await outcome(mtls), /^Issuing: Certificate prod\/frp-api has not been issued yet by ClusterIssuer frp-ca-issuer/);
    assert.deepEqual(stored()?.spec, {
      secretName: 'frp-api-external-tls',
      secretTemplate: { labels: { 'frp.io/use': 'true' } },
      commonName: 'frpc-prod-api',
      duration: '720h0m0s',
      renewBefore: '240h0m0s',
      privateKey: { rotationPolicy: 'Always' },
      usages: ['client auth'],
      issuerRef: { name: 'frp-ca-issuer', kind: 'ClusterIssuer', group: 'cert-manager.io' },
    });
    assert.equal(stored()?.metadata.ownerReferences?.[0]?.uid, 'u1');
    assert.equal(certificateFor(service({ enabled: true, mode: 'external' }), deps.config.certificates).spec?.renewBefore, '168h0m0s');
  });

  it('is ready with the Secret that cert-manager writes, and writes nothing more', async () => {
    await outcome(mtls);
    give('frp-api-external-tls', await pair(), true, { 'cert-manager.io/certificate-name': 'frp-api' });
    api.requests.length = 0;
    assert.equal(await outcome(mtls), 'ready');
    assert.deepEqual(
      api.requests.filter(({ method }) => method !== 'GET'),
      [],
    );
  });

  it('puts a changed Certificate right', async () => {
    await outcome(mtls);
    api.put(certificatePath, { ...stored(), spec: { ...stored()?.spec, commonName: 'other' } } as KubeObject);
    await outcome(mtls);
    assert.equal(stored()?.spec?.commonName, 'frpc-prod-api');
  });

  describe('when the service leaves it', () => {
    const left = (status: object, mode: Mtls = { enabled: true, mode: 'auto' }): DistributedService => {
      const { metadata, ...rest } = service(mode);
      return { ...rest, metadata: { ...metadata, generation: 2 }, status: status };
    };
    const requestsFor = () => api.requests.filter(({ path }) => path === certificatePath);

    for (const [name, mode] of [
      ['for mode auto', { enabled: true, mode: 'auto' }],
      ['for mode manual', { enabled: true, mode: 'manual' }],
      ['for no mode', { enabled: false, mode: 'external' }],
    ] as [string, Mtls][])
      it(`${name}, its Certificate goes`, async () => {
        await outcome(mtls);
        await ensureIdentity(deps, left({ observedGeneration: 1 }, mode));
        assert.equal(stored(), undefined);
      });

    it('the Certificate of another service is left alone', async () => {
      const theirCertificate = { metadata: { name: 'frp-api', namespace: 'prod', uid: 'c9' }, spec: {} };
      api.put(certificatePath, theirCertificate);
      await ensureIdentity(deps, left({ observedGeneration: 1 }));
      assert.ok(stored());
    });

    it('the deletion of its Certificate is retried until it succeeds, and no further request is made', async () => {
      await outcome(mtls);
      api.intercept = ({ method, path }) =>
        method === 'DELETE' && path === certificatePath ? failure(500, 'InternalError', 'etcd') : undefined;
      await assert.rejects(ensureIdentity(deps, left({ observedGeneration: 1 })), /etcd/);
      api.intercept = () => undefined;
      await ensureIdentity(deps, left({ observedGeneration: 1 }));
      assert.equal(stored(), undefined);
      api.requests.length = 0;
      await ensureIdentity(deps, left({ observedGeneration: 2 }));
      await ensureIdentity(deps, service({ enabled: true }));
      assert.deepEqual(requestsFor(), []);
    });
  });

  it('leaves a Certificate and a Secret of others alone', async () => {
    give('frp-api-external-tls', await pair(), false);
    assert.match(await outcome(mtls), /^NameTaken: Secret prod\/frp-api-external-tls/);
    assert.equal(stored(), undefined);
    api.remove(secretPath('frp-api-external-tls'));
    api.put(certificatePath, { metadata: { name: 'frp-api', namespace: 'prod' }, spec: {} } as KubeObject);
    assert.match(await outcome(mtls), /^NameTaken: Certificate prod\/frp-api/);
    assert.deepEqual(stored()?.spec, {});
  });
});

describe('a service whose certificate is not to be renewed', () => {
  const mtls: Mtls = { enabled: true, certRotation: { enabled: false } };
  const tls = () => api.objects.get(secretPath('frp-api-tls')) as Secret;
  const fingerprintOf = (secret: Secret) => inspectCertificate(text(secret, 'tls.crt')).sha256;

  it('keeps it to its end, then says what to do, and gets another when the Secret is deleted', async () => {
    assert.equal(await outcome(mtls), 'ready');
    const first = fingerprintOf(tls());
    clock.advance(29 * day);
    const { outcome: kept, renewAt } = await ensureIdentity(deps, service(mtls));
    assert.deepEqual([kept.ready, renewAt, fingerprintOf(tls())], [true, start + 30 * day, first]);
    clock.advance(2 * day);
    assert.match(await outcome(mtls), /^CertificateExpired: Secret prod\/frp-api-tls: .*set it to true, or delete the Secret/);
    api.remove(secretPath('frp-api-tls'));
    deps.secrets.delete(tls() ?? { metadata: { name: 'frp-api-tls', namespace: 'prod' } });
    assert.equal(await outcome(mtls), 'ready');
    assert.notEqual(fingerprintOf(tls()), first);
  });

  it('keeps it through a rotation of the authority, and takes the new bundle', async () => {
    await outcome(mtls);
    const first = fingerprintOf(tls());
    const next = await createAuthority({ lifetimeMs: 3650 * day, now: start });
    const both = { ...next, bundlePem: authority.certPem + next.certPem };
    deps.authority = () => both;
    assert.equal(await outcome(mtls), 'ready');
    assert.deepEqual([fingerprintOf(tls()), text(tls(), 'ca.crt')], [first, both.bundlePem]);
  });
});

describe('an frp server that was there before', () => {
  const groupSecret = (): Record<string, string> => deps.secrets.get('prod', 'frp-api-group')?.data ?? {};
  const administrator = (name: string, data: Record<string, string>) =>
    deps.userSecrets.set({
      metadata: { name, namespace: 'frp-system', labels: { 'frp.io/use': 'true' } },
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
    });
  const plain: Mtls = { enabled: false };
  beforeEach(() => {
    deps.config = configSchema.parse({ frps: { auth: { tokenSecret: 'club' }, caSecret: 'club-ca' } });
  });

  it('is joined with its token and its authority, which come in the Secret of the group; a change of them follows', async () => {
    administrator('club', { token: 'one\n' });
    administrator('club-ca', { 'ca.crt': theirs.certPem });
    assert.equal(await outcome(plain), 'ready');
    const { key, ...more } = groupSecret();
    assert.ok(key);
    assert.deepEqual(more, { 'frps.token': base64('one'), 'frps-ca.crt': base64(theirs.certPem) });
    administrator('club', { token: 'two' });
    assert.equal(await outcome(plain), 'ready');
    assert.deepEqual(groupSecret(), { ...more, key, 'frps.token': base64('two') });
    assert.deepEqual(servicesWith({ name: 'club', namespace: 'frp-system' }, storeOf(service(plain)), deps.config).length, 1);
  });

  it('has a condition that names the Secret, the key of the configuration and the remedy, where one is missing or wrong', async () => {
    assert.equal(
      await outcome(plain),
      'SecretMissing: Secret frp-system/club (frps.auth.tokenSecret) is not there with the label frp.io/use: "true"; ' +
        'create it, or allow its use with: kubectl -n frp-system label secret club frp.io/use=true',
    );
    administrator('club', { password: 'x' });
    assert.match(await outcome(plain), /^SecretMissing: .*key token is absent or empty; put there frps' auth\.token$/);
    administrator('club', { token: 'x' });
    administrator('club-ca', { 'ca.crt': 'a letter' });
    assert.match(await outcome(plain), /^Unreadable: Secret frp-system\/club-ca \(frps\.caSecret\): key ca\.crt: /);
  });

  it('gives nothing to a service that goes through the gateway', async () => {
    administrator('club', { token: 'one' });
    administrator('club-ca', { 'ca.crt': theirs.certPem });
    assert.equal(await outcome(plain), 'ready');
    deps.config = configSchema.parse({ frps: { auth: { tokenSecret: 'club' } }, gateway: { addresses: ['gw'] } });
    assert.equal(await outcome(plain), 'ready');
    assert.deepEqual(Object.keys(groupSecret()), ['key']);
  });
});

describe('a proxy with user and password', () => {
  const secretOf = (data: Record<string, string>): Secret => ({
    metadata: { name: 'way-out', namespace: 'frp-system', labels: { 'frp.io/use': 'true' } },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
  });
  const proxyOf = () => {
    const { data = {} } = api.objects.get(secretPath('frp-api-group')) as Secret;
    return data.proxy && Buffer.from(data.proxy, 'base64').toString();
  };

  it('is in the Secret of each service that the gateway has, and follows its own Secret', async () => {
    const gateway = { addresses: ['gw.example.com'], proxyURL: 'http://proxy:3128', proxySecret: 'way-out' };
    deps.config = configSchema.parse({ gateway });
    assert.match(
      await outcome({ enabled: false }),
      /^ProxyFailed: Secret frp-system\/way-out \(gateway\.proxySecret\) is not there with the label frp\.io\/use: "true"; create it/,
    );
    deps.userSecrets.set(secretOf({ user: 'me:you', password: 'secret' }));
    assert.match(await outcome({ enabled: false }), /^ProxyFailed: [^]*no colon in user$/);
    deps.userSecrets.set(secretOf({ user: 'me', password: 'a/b' }));
    assert.equal(await outcome({ enabled: false }), 'ready');
    assert.equal(proxyOf(), 'http://me:a%2Fb@proxy:3128');
    const { key } = (api.objects.get(secretPath('frp-api-group')) as Secret).data!;
    deps.userSecrets.set(secretOf({ user: 'me', password: 'next' }));
    assert.equal(await outcome({ enabled: false }), 'ready');
    assert.equal(proxyOf(), 'http://me:next@proxy:3128');
    assert.equal((api.objects.get(secretPath('frp-api-group')) as Secret).data!.key, key, 'the key of the group stays');
    deps.config = configSchema.parse({ gateway: { ...gateway, proxySecret: undefined } });
    assert.equal(await outcome({ enabled: false }), 'ready');
    assert.equal(proxyOf(), undefined);
  });
});
