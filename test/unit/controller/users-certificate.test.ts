/** Certificates for users that cert-manager makes: what the controller asks it for, what it says, and what the gateway is told. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { Certificate, Challenge, KubeObject, Secret } from '../../../src/kube/types.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { ApiServer, failure } from '../kube/api-server.ts';

const config = configSchema.parse({
  gateway: { addresses: ['127.0.0.1'] },
  certificates: { usersIssuers: [{ name: 'listed', namespaces: ['shop'] }] },
});
const root = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices';
const certificatePath = '/apis/cert-manager.io/v1/namespaces/shop/certificates/frp-web-https';
const host = 'web.example.com';
type Tls = NonNullable<NonNullable<DistributedServiceSpec['expose']>['tls']>;

let api: ApiServer;
let controller: RunningController;
let isInstalled: boolean;
/** paths that were asked for while there was no cert-manager */
let asked: string[];

beforeEach(async () => {
  isInstalled = true;
  asked = [];
  api = await ApiServer.start();
  api.intercept = ({ path }) => {
    const found = /^\/apis\/((?:acme\.)?cert-manager\.io)\/v1(\/.*)?$/.exec(path);
    if (!found) return undefined;
    if (!isInstalled) {
      asked.push(path);
      return failure(404, 'NotFound', 'the server could not find the requested resource');
    }
    const name = found[1] === 'cert-manager.io' ? 'certificates' : 'challenges';
    return found[2] === undefined ? { status: 200, body: { resources: [{ name }] } } : undefined;
  };
});
afterEach(async () => {
  await controller.close();
  api.close();
});

function start(): void {
  const log = pino({ level: 'silent' });
  controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [] });
}
function put(tls: Tls, more: Partial<DistributedServiceSpec> = {}): void {
  const known = api.objects.get(`${root}/web`)?.metadata;
  api.put(`${root}/web`, {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { ...known, name: 'web', namespace: 'shop', generation: (known?.generation ?? 0) + 1 },
    spec: { serviceType: 'http', backends: { discovery: {} }, expose: { domain: host, tls }, ...more },
  } as DistributedService);
}
const said = (): string => {
  const service = api.objects.get(`${root}/web`) as DistributedService | undefined;
  const found = service?.status?.conditions?.find(({ type }) => type === 'CertificatesReady');
  return `${found?.reason}: ${found?.message}`;
};
const isReady = (): string | undefined =>
  (api.objects.get(`${root}/web`) as DistributedService).status?.conditions?.find(({ type }) => type === 'Ready')?.status;
const made = (): Certificate | undefined => api.objects.get(certificatePath);
const copy = (original: string, kind: string): Secret | undefined => {
  const hash = createHash('sha256').update(`shop/${original}/${kind}`).digest('hex').slice(0, 12);
  return api.objects.get(`/api/v1/namespaces/frp-gateway/secrets/frp-gw-${hash}`);
};
async function until(isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !isSo(); await wait(5)) assert.ok(Date.now() < end, `never: ${isSo.toString()}; ${said()}`);
}
const saysThat = (expected: RegExp): Promise<void> => until(() => expected.test(said()));
function challenge(name: string, spec: Challenge['spec'], status: Challenge['status'] = {}): void {
  const path = `/apis/acme.cert-manager.io/v1/namespaces/shop/challenges/${name}`;
  api.put(path, { metadata: { name, namespace: 'shop' }, spec, status } as KubeObject);
}

describe('a service with expose.tls.issuerRef', () => {
  it('gets a Certificate of its own for its hosts, for servers alone, into a Secret that the controller may read', async () => {
    start();
    put({ issuerRef: { name: 'own' } });
    await until(() => made() !== undefined);
    const { metadata, spec } = made()!;
    const { uid } = api.objects.get(`${root}/web`)!.metadata;
    assert.deepEqual(
      metadata.ownerReferences?.map((owner) => owner.uid),
      [uid],
    );
    assert.deepEqual(spec, {
      secretName: 'frp-web-https',
      secretTemplate: { labels: { 'frp.io/use': 'true' } },
      dnsNames: [host],
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
      usages: ['digital signature', 'key encipherment', 'server auth'],
      issuerRef: { name: 'own', kind: 'Issuer', group: 'cert-manager.io' },
    });
  });

  it('is not Ready until the certificate is there, says what cert-manager says, and gives the gateway what it has written', async () => {
    start();
    put({ issuerRef: { name: 'own' } });
    await saysThat(/^Issuing: waiting for cert-manager: Issuer own has not issued the certificate for web\.example\.com yet/);
    assert.equal(isReady(), 'False');
    const status = {
      conditions: [{ type: 'Ready', status: 'False', reason: 'DoesNotExist', message: 'Issuing as Secret\u0000does not exist' }],
    };
    api.put(certificatePath, { ...made()!, status } as KubeObject);
    await saysThat(/DoesNotExist: Issuing as Secret does not exist; see: kubectl -n shop describe certificate frp-web-https$/);
    challenge('one', { type: 'HTTP-01', dnsName: host, token: 't', key: 't.k' }, { reason: "wrong status code '404'" });
    await saysThat(/Challenge one: wrong status code '404'/);

    const validity = { lifetimeMs: 90 * 86_400_000, now: Date.now() };
    const authority = await createAuthority(validity);
    const pair = await issue(authority, { commonName: host, dnsNames: [host], usages: ['serverAuth'], ...validity });
    api.put('/api/v1/namespaces/shop/secrets/frp-web-https', {
      metadata: {
        name: 'frp-web-https',
        namespace: 'shop',
        labels: { 'frp.io/use': 'true' },
        annotations: { 'cert-manager.io/certificate-name': 'frp-web-https' },
      },
      data: { 'tls.crt': base64(pair.certPem), 'tls.key': base64(pair.keyPem) },
    } as Secret);
    await saysThat(/^CertificatesProvisioned/);
    await until(() => copy('frp-web-https', 'tls') !== undefined);
    assert.equal(text(copy('frp-web-https', 'tls')!, 'tls.crt'), pair.certPem);
  });

  it('says that cert-manager is missing, and changes of the service ask the cluster no more', async () => {
    isInstalled = false;
    start();
    put({ issuerRef: { name: 'own' } });
    await saysThat(/^CertManagerMissing: waiting for cert-manager: .*install cert-manager, or set spec\.expose\.tls\.secretName/);
    for (let n = 0; n < 5; n++)
      put({ issuerRef: { name: 'own' } }, { loadBalancing: { algorithm: n % 2 ? 'random' : 'round-robin' } } as never);
    await wait(200);
    assert.deepEqual(asked.sort(), ['/apis/acme.cert-manager.io/v1', '/apis/cert-manager.io/v1']);
  });

  it('loses its Certificate with the field, and with the host', async () => {
    start();
    put({ issuerRef: { name: 'own' } });
    await until(() => made() !== undefined);
    put({});
    await until(() => made() === undefined);
    await saysThat(/^CertificatesProvisioned/);
  });

  it('gets none of an issuer that an administrator has not listed, nor of the one that opens tunnels, whatever was admitted', async () => {
    start();
    put({ issuerRef: { name: 'frp-ca-issuer', kind: 'ClusterIssuer' } });
    await saysThat(/^IssuerNotAllowed: .*issues the client certificates of tunnels/);
    put({ issuerRef: { name: 'company', kind: 'ClusterIssuer' } });
    await saysThat(/^IssuerNotAllowed: .*add it to certificates\.usersIssuers/);
    assert.equal(made(), undefined);
    put({ issuerRef: { name: 'listed', kind: 'ClusterIssuer' } });
    await until(() => made() !== undefined);
  });

  it('leaves a Certificate or Secret of its name alone that is somebody else’s', async () => {
    api.put(certificatePath, { metadata: { name: 'frp-web-https', namespace: 'shop' }, spec: { theirs: true } } as KubeObject);
    start();
    put({ issuerRef: { name: 'own' } });
    await saysThat(/^NameTaken: Certificate shop\/frp-web-https exists and was not made by frp-k8s/);
    assert.deepEqual(made()?.spec, { theirs: true });
  });
});

describe('challenges over http', () => {
  const answers = () => Object.keys(copy('web', 'challenges')?.data ?? {}).sort();

  it('are told to the gateway for hosts of services in their namespace, as long as they are open, and nothing else is', async () => {
    start();
    put({ secretName: 'mine' });
    challenge('good', { type: 'HTTP-01', dnsName: host, token: 'good', key: 'good.key' });
    await until(() => answers().length === 1);
    assert.equal(text(copy('web', 'challenges')!, 'good'), 'good.key');
    challenge('dns', { type: 'DNS-01', dnsName: host, token: 'dns', key: 'dns.key' });
    challenge('other', { type: 'HTTP-01', dnsName: 'other.example.com', token: 'other', key: 'other.key' });
    challenge('bad', { type: 'HTTP-01', dnsName: host, token: 'a b', key: 'bad.key' });
    challenge('worse', { type: 'HTTP-01', dnsName: host, token: 'worse', key: '%[env(PATH)]' });
    challenge('last', { type: 'HTTP-01', dnsName: host, token: 'last', key: 'last.key' });
    await until(() => answers().includes('last'));
    assert.deepEqual(answers(), ['good', 'last']);
    challenge('good', { type: 'HTTP-01', dnsName: host, token: 'good', key: 'good.key' }, { state: 'valid' });
    await until(() => answers().join() === 'last');
  });
});
