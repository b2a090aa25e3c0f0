import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { createAuthority } from '../../../certs/authority.ts';
import { inspectCertificate, problemOf } from '../../../certs/inspect.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type ControllerDeps, type RunningController } from '../../../src/controller/controller.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { KubeObject, Lease, Secret } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { until } from '../../support/until.ts';
import { ApiServer, failure } from '../kube/api-server.ts';

const config = configSchema.parse({});
const root = '/apis/frp.io/v1beta1/namespaces/prod/distributedservices';
const secretPath = (name: string, namespace = 'prod') => `/api/v1/namespaces/${namespace}/secrets/${name}`;

let api: ApiServer;
let controllers: RunningController[] = [];
beforeEach(async () => {
  api = await ApiServer.start();
});
afterEach(async () => {
  await Promise.all(controllers.map((controller) => controller.close()));
  controllers = [];
  api.close();
});

function start(options: Partial<ControllerDeps> = {}): RunningController {
  const controller = startController({
    client: api.client,
    config,
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    outdated: () => [],
    ...options,
  });
  controllers.push(controller);
  return controller;
}

const service = (name = 'api', spec: Partial<DistributedService['spec']> = {}) => ({
  apiVersion: 'frp.io/v1beta1' as const,
  kind: 'DistributedService' as const,
  metadata: { name, namespace: 'prod', generation: 1 },
  spec: { serviceType: 'http' as const, backends: {}, ...spec },
});
const put = (name?: string, spec?: Partial<DistributedService['spec']>) =>
  api.put(`${root}/${name ?? 'api'}`, service(name, spec)) as DistributedService;
const stored = (name = 'api') => api.objects.get(`${root}/${name}`) as DistributedService | undefined;
const secret = (name: string, namespace?: string): Secret | undefined => api.objects.get(secretPath(name, namespace));
const condition = (type: string, name?: string) => stored(name)?.status?.conditions?.find((found) => found.type === type);
const isReady = (name?: string) => condition('CertificatesReady', name)?.status === 'True';
const writes = () => api.requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);

describe('the controller', { timeout: 60_000 }, () => {
  it('gives a service its group key, then a client certificate of the shared authority, and says so', async () => {
    const { metadata } = put();
    start();
    await until(() => isReady());
    const group = secret('frp-api-group')!;
    const tls = secret('frp-api-tls')!;
    assert.match(text(group, 'key'), /^[A-Za-z0-9_-]{43}$/);
    const material = { certPem: text(tls, 'tls.crt'), keyPem: text(tls, 'tls.key') };
    const authority = text(secret('frp-ca', 'frp-system')!, 'tls.crt');
    assert.equal(
      problemOf(material, { now: Date.now(), usage: 'clientAuth', commonName: 'frpc-prod-api', signedBy: authority }),
      undefined,
    );
    assert.equal(text(tls, 'ca.crt'), authority);
    for (const made of [group, tls]) {
      assert.deepEqual(made.metadata.labels, { 'app.kubernetes.io/managed-by': 'frp-k8s', 'frp.io/service': 'api' });
      assert.equal(made.metadata.ownerReferences?.[0]?.uid, metadata.uid);
    }
    const names = api.requests.filter(({ method }) => method === 'POST').map(({ body }) => (body as KubeObject).metadata.name);
    assert.ok(names.indexOf('frp-api-group') < names.indexOf('frp-api-tls'));
    assert.equal(stored()?.status?.state, 'Provisioning');
  });

  it('gives the frp server its certificate', async () => {
    start();
    await until(() => secret('frp-server-tls', 'frp-system') !== undefined);
    const tls = secret('frp-server-tls', 'frp-system')!;
    const material = { certPem: text(tls, 'tls.crt'), keyPem: text(tls, 'tls.key') };
    const names = ['frp-server', 'frp-server.frp-system', 'frp-server.frp-system.svc', 'frp-server.frp-system.svc.cluster.local'];
    assert.equal(problemOf(material, { now: Date.now(), usage: 'serverAuth', names, signedBy: text(tls, 'ca.crt') }), undefined);
  });

  it('leaves the frp server its certificate when a gateway is added, because another one restarts it', async () => {
    const first = start();
    await until(() => secret('frp-server-tls', 'frp-system') !== undefined);
    const before = secret('frp-server-tls', 'frp-system')!;
    await first.close();
    start({ config: { ...config, gateway: { ...config.gateway, addresses: ['gw.example.com'] } } });
    await until(() => secret('frp-gateway-tls', 'frp-system') !== undefined);
    assert.deepEqual(secret('frp-server-tls', 'frp-system'), before);
  });

  it('writes finalizer, Secrets, status and Events of a service, and then no more, not even after a restart', async () => {
    put();
    const first = start();
    await until(() => isReady() && secret('frp-server-tls', 'frp-system') !== undefined);
    await first.close();
    assert.deepEqual(
      writes().filter((write) => write.includes('/prod/')),
      [
        `PATCH ${root}/api`,
        'POST /api/v1/namespaces/prod/secrets',
        'POST /api/v1/namespaces/prod/secrets',
        `PATCH ${root}/api/status`,
        ...Array<string>(3).fill('POST /api/v1/namespaces/prod/events'),
      ],
    );
    api.requests.length = 0;
    const second = start();
    await until(() => second.problem() === undefined);
    put('web');
    await until(() => isReady('web'));
    assert.deepEqual(
      writes().filter((write) => !write.includes('/web') && !write.includes('/events')),
      ['POST /api/v1/namespaces/prod/secrets', 'POST /api/v1/namespaces/prod/secrets'],
    );
  });

  it('leaves a Secret of somebody else alone, says NameTaken, and goes on when it is gone', async () => {
    const theirs = { metadata: { name: 'frp-api-tls', namespace: 'prod' }, data: { mine: 'eA==' } };
    const before = api.put(secretPath('frp-api-tls'), theirs);
    put();
    start();
    await until(() => condition('CertificatesReady')?.status === 'False');
    const { reason, message } = condition('CertificatesReady')!;
    assert.equal(reason, 'NameTaken');
    assert.match(message ?? '', /Secret prod\/frp-api-tls exists .* rename or delete it/);
    await until(() => stored()?.status?.state === 'Failed');
    assert.deepEqual(secret('frp-api-tls'), before);
    // It was never read: only whose it is.
    const reads = api.requests.filter(({ method, path }) => method === 'GET' && path === secretPath('frp-api-tls'));
    assert.ok(reads.length > 0 && reads.every(({ headers }) => headers.accept?.includes('PartialObjectMetadata')));
    api.remove(secretPath('frp-api-tls'));
    put('api', { expose: { domain: 'changed.example.com' } });
    await until(() => isReady());
  });

  it('mends what is deleted or damaged, and keeps the rest', async () => {
    put();
    start();
    await until(() => isReady());
    const key = text(secret('frp-api-group')!, 'key');
    api.remove(secretPath('frp-api-tls'));
    await until(() => secret('frp-api-tls') !== undefined);
    const first = secret('frp-api-tls')!;
    api.put(secretPath('frp-api-tls'), { ...first, data: { ...first.data, 'tls.key': base64('rubbish') } } as Secret);
    await until(() => text(secret('frp-api-tls')!, 'tls.key') !== 'rubbish');
    assert.notEqual(text(secret('frp-api-tls')!, 'tls.crt'), text(first, 'tls.crt'));
    assert.equal(text(secret('frp-api-group')!, 'key'), key);
  });

  it('gives every client a new certificate when the authority is another', async () => {
    put();
    start();
    await until(() => isReady() && secret('frp-server-tls', 'frp-system') !== undefined);
    const next = await createAuthority({ lifetimeMs: 3_600_000, now: Date.now() });
    const before = secret('frp-ca', 'frp-system')!;
    api.put(secretPath('frp-ca', 'frp-system'), {
      ...before,
      data: { 'tls.crt': base64(next.bundlePem), 'tls.key': base64(next.keyPem) },
    } as Secret);
    const follows = (name: string, namespace?: string) => text(secret(name, namespace)!, 'ca.crt') === next.bundlePem;
    await until(() => follows('frp-api-tls') && follows('frp-server-tls', 'frp-system'));
    const tls = secret('frp-api-tls')!;
    const material = { certPem: text(tls, 'tls.crt'), keyPem: text(tls, 'tls.key') };
    assert.equal(problemOf(material, { now: Date.now(), signedBy: next.certPem }), undefined);
  });

  it('writes the authority in use again when its Secret is deleted', async () => {
    put();
    start();
    await until(() => isReady());
    const { data } = secret('frp-ca', 'frp-system')!;
    api.remove(secretPath('frp-ca', 'frp-system'));
    await until(() => secret('frp-ca', 'frp-system') !== undefined);
    assert.deepEqual(secret('frp-ca', 'frp-system')?.data, data);
  });

  it('stores a service that needs the gateway with GatewayRequired, and its Secrets too', async () => {
    put('api', { security: { authentication: { type: 'apikey' } } });
    start();
    await until(() => condition('ConfigurationValid') !== undefined);
    const { status, reason, message } = condition('ConfigurationValid')!;
    assert.deepEqual([status, reason], ['False', 'GatewayRequired']);
    assert.match(message ?? '', /spec\.security\.authentication/);
    assert.ok(isReady());
    put('api');
    await until(() => condition('ConfigurationValid')?.status === 'True');
  });

  it('tries a refused write again until it succeeds', async () => {
    let refused = 0;
    api.intercept = ({ method, path }) =>
      method === 'POST' && path.endsWith('/prod/secrets') && refused++ < 2 ? failure(500, 'InternalError', 'etcd is away') : undefined;
    put();
    start();
    await until(() => isReady());
    assert.equal(refused, 4);
  });

  it('starts before the API server does, says what it waits for, and goes on', async () => {
    let down = true;
    api.intercept = () => (down ? 'hang up' : undefined);
    put();
    const controller = start();
    await until(() => controller.problem()?.includes('frp-ca') ?? false);
    down = false;
    await until(() => isReady());
    assert.equal(controller.problem(), undefined);
  });

  it('does not overwrite a damaged authority, and says what to do', async () => {
    api.put(secretPath('frp-ca', 'frp-system'), {
      metadata: { name: 'frp-ca', namespace: 'frp-system' },
      data: { 'tls.crt': 'eA==', 'tls.key': 'eA==' },
    } as Secret);
    const controller = start();
    await until(() => controller.problem()?.includes('usable') ?? false);
    assert.match(
      controller.problem() ?? '',
      /Secret frp-system\/frp-ca does not hold a usable certificate authority: .*; restore it from a backup, or delete it/,
    );
    assert.deepEqual(writes(), []);
  });

  it('cleans up after a service that is deleted, also when it was not there itself, and revokes its certificate', async () => {
    put();
    const first = start();
    await until(() => isReady());
    await first.close();
    assert.deepEqual(stored()?.metadata.finalizers, ['frp.io/cleanup']);
    const { sha256 } = inspectCertificate(text(secret('frp-api-tls')!, 'tls.crt'));
    const before = stored()!;
    api.put(`${root}/api`, { ...before, metadata: { ...before.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
    start();
    await until(() => stored()?.metadata.finalizers?.length === 0);
    assert.equal(stored()?.status?.state, 'Terminating');
    assert.deepEqual([secret('frp-api-tls'), secret('frp-api-group')], [undefined, undefined]);
    const revoked = api.objects.get('/api/v1/namespaces/frp-system/configmaps/frp-revoked') as
      { data?: Record<string, string> } | undefined;
    assert.deepEqual(Object.keys(revoked?.data ?? {}), [sha256]);
  });

  it('lets a service go whose installation is being deleted, where nothing can be created any more', async () => {
    put();
    const first = start();
    await until(() => isReady());
    await first.close();
    api.intercept = ({ method, path }) =>
      method === 'POST' && path.endsWith('/configmaps')
        ? failure(403, 'Forbidden', 'unable to create new content in namespace frp-system because it is being terminated')
        : undefined;
    const before = stored()!;
    api.put(`${root}/api`, { ...before, metadata: { ...before.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
    start();
    await until(() => stored()?.metadata.finalizers?.length === 0);
  });

  it('lets one replica write, and the other take over where it stopped', async () => {
    const times = { durationMs: 30_000, deadlineMs: 20_000, retryMs: 50 };
    const elected = (identity: string) => start({ election: { identity, ...times, onLost: () => undefined } });
    put();
    const first = elected('a');
    await until(() => isReady() && first.isLeading());
    const second = elected('b');
    await until(() => second.problem() === undefined);
    assert.equal(second.isLeading(), false);
    api.requests.length = 0;
    await first.close();
    await until(() => second.isLeading());
    put('web');
    await until(() => isReady('web'));
    const lease = api.objects.get('/apis/coordination.k8s.io/v1/namespaces/frp-system/leases/frp-controller') as Lease;
    assert.deepEqual([lease.spec?.holderIdentity, lease.spec?.leaseTransitions], ['b', 1]);
    assert.deepEqual(
      writes().filter((write) => /distributedservices\/api/.test(write)),
      [],
    );
  });

  it('tells of services at the replica that leads alone, so that a sum over all replicas is true', async () => {
    const registries = [new Registry(), new Registry()] as const;
    const election = (identity: string) => ({ identity, durationMs: 30_000, deadlineMs: 20_000, retryMs: 50, onLost: () => undefined });
    put();
    put('web');
    const first = start({ registry: registries[0], election: election('a'), outdated: () => ['api'] });
    await until(() => isReady() && isReady('web') && first.isLeading());
    const second = start({ registry: registries[1], election: election('b'), outdated: () => ['api'] });
    await until(() => second.problem() === undefined);
    const servicesToldBy = async (registry: Registry) =>
      (await registry.metrics()).split('\n').filter((line) => /^frp_(operator_managed_services|distributed_service_)/.test(line));
    const sumOfStates = (lines: readonly string[]) =>
      lines.filter((line) => line.startsWith('frp_operator_managed_services')).reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
    assert.equal(sumOfStates(await servicesToldBy(registries[0])), 2);
    assert.deepEqual(await servicesToldBy(registries[1]), []);
    await first.close();
    await until(() => second.isLeading());
    assert.deepEqual(await servicesToldBy(registries[0]), []);
    assert.equal(sumOfStates(await servicesToldBy(registries[1])), 2);
  });

  it('gives the host to the older of two services, and to the other when that one is gone', async () => {
    const expose = { domain: 'api.example.com' };
    api.put(`${root}/old`, {
      ...service('old', { expose }),
      metadata: { ...service('old').metadata, creationTimestamp: '2030-01-01T00:00:00Z' },
    });
    api.put(`${root}/new`, {
      ...service('new', { expose }),
      metadata: { ...service('new').metadata, creationTimestamp: '2030-01-02T00:00:00Z' },
    });
    start();
    await until(() => condition('ConfigurationValid', 'new')?.reason === 'HostConflict');
    await until(() => condition('ConfigurationValid', 'old')?.status === 'True');
    api.remove(`${root}/old`);
    await until(() => condition('ConfigurationValid', 'new')?.status === 'True');
  });

  it('makes nothing for a service that is being deleted', async () => {
    api.put(`${root}/gone`, { ...service('gone'), metadata: { ...service('gone').metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
    put();
    start();
    await until(() => isReady());
    assert.equal(secret('frp-gone-group'), undefined);
    assert.equal(stored('gone')?.status, undefined);
  });
});
