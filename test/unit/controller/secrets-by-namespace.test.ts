import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { until } from '../../support/until.ts';
import { ApiServer, failure, type Request } from '../kube/api-server.ts';

const config = configSchema.parse({ controller: { secrets: 'namespaces' }, gateway: { addresses: ['127.0.0.1'] } });
const servicePath = (namespace: string) => `/apis/frp.io/v1beta1/namespaces/${namespace}/distributedservices/api`;
const secretPath = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/secrets/${name}`;

let api: ApiServer;
let controllers: RunningController[] = [];
/** namespaces with a RoleBinding */
let allowed: Set<string>;
beforeEach(async () => {
  api = await ApiServer.start();
  allowed = new Set(['frp-system', 'frp-gateway']);
  // As RBAC does: a request for Secrets is let in by the namespace in its path.
  api.intercept = ({ path }: Request) => {
    const [, namespace] = /^\/api\/v1(?:\/namespaces\/([^/]+))?\/secrets(\/|$)/.exec(path) ?? ['', 'frp-system'];
    if (namespace !== undefined && allowed.has(namespace)) return undefined;
    return failure(403, 'Forbidden', `secrets is forbidden in ${namespace ?? 'the cluster'}`);
  };
});
afterEach(async () => {
  await Promise.all(controllers.map((controller) => controller.close()));
  controllers = [];
  api.close();
});

function start(more: { election?: { identity: string; onLost: () => void } } = {}): RunningController {
  const log = pino({ level: 'silent' });
  const controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [], ...more });
  controllers.push(controller);
  return controller;
}

const put = (namespace: string, spec: Partial<DistributedService['spec']> = {}, metadata: object = {}) =>
  api.put(servicePath(namespace), {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { name: 'api', namespace, generation: 1, ...metadata },
    spec: { serviceType: 'http', backends: { discovery: {} }, expose: { domain: `${namespace}.example.com` }, ...spec },
  } as DistributedService);
const stored = (namespace: string) => api.objects.get(servicePath(namespace)) as DistributedService | undefined;
const certificates = (namespace: string) => stored(namespace)?.status?.conditions?.find(({ type }) => type === 'CertificatesReady');
const isReady = (namespace: string) => certificates(namespace)?.status === 'True';
const isForbidden = (namespace: string) => certificates(namespace)?.reason === 'SecretsForbidden';
const hasSecret = (namespace: string, name: string) => api.objects.has(secretPath(namespace, name));

describe('with the Secrets of namespaces that an administrator has allowed', { timeout: 60_000 }, () => {
  it('a service elsewhere says what is missing and the command for it, and gets its certificate once that is done', async () => {
    allowed.add('open');
    put('open');
    put('closed');
    const controller = start({ election: { identity: 'first', onLost: () => {} } });
    await until(() => isReady('open') && isForbidden('closed'));
    assert.equal(controller.problem(), undefined);
    assert.equal(certificates('closed')!.status, 'False');
    assert.match(
      certificates('closed')!.message!,
      /kubectl -n closed create rolebinding frp-k8s-secrets --clusterrole=frp-k8s-secrets --serviceaccount=frp-system:frp-controller$/,
    );
    assert.ok(!hasSecret('closed', 'frp-api-tls'));
    allowed.add('closed');
    await until(() => isReady('closed'));
    assert.ok(hasSecret('closed', 'frp-api-tls'));
  });

  it('Secrets are asked for in namespaces that have services, and in no other, and never of the whole cluster', async () => {
    allowed.add('open').add('empty');
    put('open');
    start();
    await until(() => isReady('open'));
    const asked = new Set(api.requests.filter(({ path }) => path.endsWith('/secrets')).map(({ path }) => path));
    assert.deepEqual(
      [...asked].sort(),
      ['frp-gateway', 'frp-system', 'open'].map((namespace) => `/api/v1/namespaces/${namespace}/secrets`),
    );
    const lists = () =>
      api.requests.filter(({ path, query }) => path === '/api/v1/namespaces/open/secrets' && query.limit !== undefined).length;
    assert.equal(lists(), 2);
    api.remove(servicePath('open'));
    for (const name of ['frp-api-tls', 'frp-api-group']) api.remove(secretPath('open', name));
    put('open');
    await until(() => isReady('open'));
    assert.equal(lists(), 4);
  });

  it('a RoleBinding that is taken away is said, and tunnels keep what they have', async () => {
    allowed.add('open');
    put('open');
    start();
    await until(() => isReady('open'));
    const before = api.objects.get(secretPath('open', 'frp-api-tls'));
    allowed.delete('open');
    api.endWatches('end');
    await until(() => isForbidden('open'));
    assert.deepEqual(api.objects.get(secretPath('open', 'frp-api-tls')), before);
    allowed.add('open');
    await until(() => isReady('open'));
  });

  it('copies for the gateway stay while their originals may not be read', async () => {
    allowed.add('open');
    const keys = { metadata: { name: 'keys', namespace: 'open', labels: { 'frp.io/use': 'true' } }, data: { alice: 'czNjcmV0' } };
    api.put(secretPath('open', 'keys'), keys);
    put('open', { security: { authentication: { type: 'apikey', tokenSecret: 'keys' } } });
    const copies = () => [...api.objects.keys()].filter((path) => /\/frp-gateway\/secrets\/frp-gw-[0-9a-f]{12}$/.test(path));
    const first = start();
    await until(() => copies().length === 1 && isReady('open'));
    await first.close();
    allowed.delete('open');
    start();
    await until(() => isForbidden('open'));
    // A copy that nothing refers to goes at the same look.
    put('open', { security: { authentication: { type: 'apikey', tokenSecret: 'keys' } } }, { generation: 2 });
    await until(() => stored('open')?.status?.observedGeneration === 2);
    assert.equal(copies().length, 1);
    allowed.add('open');
    await until(() => isReady('open'));
    assert.equal(copies().length, 1);
  });

  it('a service may go from a namespace whose Secrets may not be read', async () => {
    put('closed');
    start();
    await until(() => isForbidden('closed'));
    assert.deepEqual(stored('closed')?.metadata.finalizers, ['frp.io/cleanup']);
    put('closed', {}, { ...stored('closed')!.metadata, deletionTimestamp: new Date().toISOString() });
    await until(() => stored('closed')?.metadata.finalizers?.length === 0);
  });

  it('a service is not judged before the Secrets of its namespace are known', async () => {
    allowed.add('open');
    put('open');
    const first = start();
    await until(() => isReady('open'));
    await first.close();
    const rights = api.intercept;
    let hold = true;
    api.intercept = (request) =>
      hold && request.path === '/api/v1/namespaces/open/secrets' ? failure(500, 'InternalError', 'later') : rights(request);
    api.requests.length = 0;
    const second = start();
    await until(() => second.isLeading() && api.requests.some(({ path }) => path === '/api/v1/namespaces/open/secrets'));
    put('open', {}, { ...stored('open')!.metadata, generation: 2 });
    put('frp-system');
    await until(() => isReady('frp-system'));
    assert.equal(stored('open')?.status, undefined);
    hold = false;
    await until(() => stored('open')?.status?.observedGeneration === 2 && isReady('open'));
    assert.ok(!api.requests.some(({ method, path }) => method === 'POST' && path === '/api/v1/namespaces/open/secrets'));
  });
});
