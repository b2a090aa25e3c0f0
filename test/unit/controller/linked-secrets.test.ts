/** What the gateway elsewhere is told of Secrets that the controller cannot read yet, or may not: nothing is taken from it. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../../src/kube/types.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { ApiServer, failure, type Request } from '../kube/api-server.ts';
import { startGateway, type TestGateway } from '../link/joined.ts';

const config = configSchema.parse({
  controller: { secrets: 'namespaces' },
  gateway: { addresses: ['gw.example.com'] },
});
const namespaces = ['open', 'slow', 'closed'];
const well = '/.well-known/openid-configuration';
const keys = [
  { kty: 'EC', crv: 'P-256', kid: 'k', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' },
];

let api: ApiServer;
let gateway: TestGateway;
let controller: RunningController;
/** HTTP status by namespace in place of its Secrets, and by path */
const broken = new Map<string, 403 | 500>();

const putKeys = (namespace: string, user: string) =>
  api.put(`/api/v1/namespaces/${namespace}/secrets/keys`, {
    metadata: { name: 'keys', namespace, labels: { 'frp.io/use': 'true' } },
    data: { [user]: base64(`a-secret-of-${user}`) },
  } as KubeObject);
const start = () => {
  const log = pino({ level: 'silent' });
  controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [] });
};
const source = () => gateway.sources.all.find(({ cluster }) => cluster === 'home');
/** the only user whom the gateway knows of a namespace's service */
const userIn = (namespace: string) => {
  const clients = source()?.copies.value('credentials', `${namespace}/keys`, 'clients.json');
  return clients === undefined ? undefined : Object.values(JSON.parse(clients) as Record<string, string>)[0];
};
const users = () => namespaces.map(userIn);

before(async () => {
  gateway = await startGateway();
  api = await ApiServer.start();
  api.absent.add('frp-gateway');
  api.intercept = ({ path }: Request) => {
    const [, namespace = ''] = /^\/api\/v1\/namespaces\/([^/]+)\/secrets(\/|$)/.exec(path) ?? [];
    const status = broken.get(namespace) ?? broken.get(path);
    if (status !== undefined) return failure(status, status === 403 ? 'Forbidden' : 'InternalError', 'not now');
    if (path === well) return { status: 200, body: { issuer: 'https://home' } };
    return path === '/openid/v1/jwks' ? { status: 200, body: { keys } } : undefined;
  };
  for (const namespace of namespaces) {
    putKeys(namespace, 'alice');
    const spec = { security: { authentication: { type: 'apikey', tokenSecret: 'keys' } } } as const;
    const web = service('web', spec);
    api.put(`/apis/frp.io/v1beta1/namespaces/${namespace}/distributedservices/web`, { ...web, metadata: { ...web.metadata, namespace } });
  }
  api.put('/api/v1/namespaces/frp-system/secrets/frp-gateway-join', {
    metadata: { name: 'frp-gateway-join', namespace: 'frp-system', labels: { 'app.kubernetes.io/managed-by': 'frp-k8s' } },
    data: { token: base64(await gateway.token()) },
  } as KubeObject);
  api.put('/api/v1/namespaces/frp-system/configmaps/frp-revoked', {
    metadata: { name: 'frp-revoked', namespace: 'frp-system' },
    data: { ['a'.repeat(64)]: 'lost' },
  } as unknown as KubeObject);
  start();
  await until(() => users().every((user) => user === 'alice') && source()?.revoked.size === 1);
});
afterEach(() => broken.clear());
after(async () => {
  await controller.close();
  await gateway.close();
  api.close();
});

/** A controller that starts anew while something is broken, and what changed while none was there. */
async function restartWith(change: () => void): Promise<void> {
  await controller.close();
  change();
  start();
}

test('a namespace whose Secrets are not listed yet, or may not be, loses nothing at the gateway and holds up no other', async () => {
  await restartWith(() => {
    broken.set('slow', 500).set('closed', 403);
    for (const namespace of namespaces) putKeys(namespace, 'bob');
    putKeys('open', 'carol');
    api.remove('/api/v1/namespaces/open/secrets/keys');
    putKeys('open', 'carol');
  });
  await until(() => userIn('open') === 'carol');
  assert.deepEqual(users(), ['carol', 'alice', 'alice']);
  broken.clear();
  await until(() => userIn('slow') === 'bob' && userIn('closed') === 'bob');
});

test('a Secret that went while its namespace could not be listed goes at the gateway once it can', async () => {
  await restartWith(() => {
    broken.set('slow', 500);
    api.remove('/api/v1/namespaces/slow/secrets/keys');
    putKeys('open', 'dave');
  });
  await until(() => userIn('open') === 'dave');
  assert.equal(userIn('slow'), 'bob');
  broken.clear();
  await until(() => userIn('slow') === undefined);
  assert.deepEqual([userIn('open'), userIn('closed')], ['dave', 'bob']);
});

test('what is revoked, and the keys of tokens, stay at the gateway while the API server does not say them', async () => {
  await restartWith(() => {
    broken.set('/api/v1/namespaces/frp-system/configmaps/frp-revoked', 500).set(well, 500);
    putKeys('open', 'erin');
  });
  await until(() => userIn('open') === 'erin');
  assert.deepEqual([source()?.revoked.size, source()?.tokens.issuer()], [1, 'https://home']);
});
