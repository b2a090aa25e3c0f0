import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { UserError } from '../../../src/errors.ts';
import { loadAccess } from '../../../src/kube/access.ts';
import { isAlreadyExists, isConflict, isNotFound, KubeError } from '../../../src/kube/errors.ts';
import { secrets } from '../../../src/kube/types.ts';
import { ApiServer, failure } from './api-server.ts';

let api: ApiServer;
before(async () => {
  api = await ApiServer.start();
});
after(() => api.close());
beforeEach(() => {
  api.objects.clear();
  api.requests.length = 0;
  api.intercept = () => undefined;
  api.pageSize = Infinity;
});

const secret = (name: string) => ({ metadata: { name, namespace: 'prod' }, data: {} });
const path = (name: string) => `/api/v1/namespaces/prod/secrets/${name}`;

describe('a request to the API server', () => {
  it('shares connections with the others', async () => {
    const before = api.connections;
    for (let i = 0; i < 5; i++) await api.client.create(secrets, secret(`s${i}`), 'm');
    assert.ok(api.connections - before <= 1);
  });

  it('carries the credentials of the moment', async () => {
    api.put(path('a'), secret('a'));
    const { kubeConfig } = api.client.access;
    await api.client.get(secrets, 'prod', 'a');
    kubeConfig.users = [{ name: 'u', token: 'token-2' }];
    await api.client.get(secrets, 'prod', 'a');
    assert.deepEqual(
      api.requests.map(({ headers }) => headers.authorization),
      ['Bearer token-1', 'Bearer token-2'],
    );
  });

  it('reads a collection in pages, without what nobody reads', async () => {
    for (let i = 0; i < 7; i++) {
      api.put(path(`s${i}`), {
        metadata: {
          name: `s${i}`,
          namespace: 'prod',
          labels: { a: 'b' },
          managedFields: [{}],
          annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'kept' },
        },
      });
    }
    api.pageSize = 3;
    const { items } = await api.client.list(secrets, { namespace: 'prod', labelSelector: 'a=b' });
    assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), ['s0', 's1', 's2', 's3', 's4', 's5', 's6']);
    assert.deepEqual(items[0]?.metadata.annotations, { mine: 'kept' });
    assert.equal('managedFields' in items[0].metadata, false);
    assert.deepEqual(
      api.requests.map(({ query }) => [query.limit, query.continue, query.labelSelector]),
      [
        ['500', undefined, 'a=b'],
        ['500', '3', 'a=b'],
        ['500', '6', 'a=b'],
      ],
    );
  });

  it('applies by server-side apply, in the name of a manager, to the status when asked', async () => {
    api.put(path('a'), secret('a'));
    await api.client.apply(secrets, secret('a'), { fieldManager: 'frp', force: true, subresource: 'status' });
    const [request] = api.requests;
    assert.equal(request?.path, `${path('a')}/status`);
    assert.equal(request.headers['content-type'], 'application/apply-patch+yaml');
    assert.deepEqual(request.query, { fieldManager: 'frp', force: 'true' });
    assert.deepEqual(request.body, { ...secret('a'), apiVersion: 'v1', kind: 'Secret' });
  });

  it('deletes the object only with the uid that it was given', async () => {
    api.put(path('a'), secret('a'));
    await api.client.delete(secrets, 'prod', 'a', 'uid-9');
    assert.deepEqual((api.requests[0]?.body as { preconditions: unknown }).preconditions, { uid: 'uid-9' });
    assert.equal(api.objects.size, 0);
    // A body without its length would be read as the next request of the connection.
    await api.client.create(secrets, secret('b'), 'm');
  });

  it('can ask for the metadata alone', async () => {
    api.put(path('a'), secret('a'));
    await api.client.getMetadata(secrets, 'prod', 'a');
    assert.match(api.requests[0]?.headers.accept ?? '', /as=PartialObjectMetadata/);
  });
});

describe('a refused request', () => {
  it('tells what was asked of which object, and why it was refused', async () => {
    await assert.rejects(api.client.get(secrets, 'prod', 'a'), (error: KubeError) => {
      assert.equal(error.message, `get Secret prod/a: "${path('a')}" not found (404 NotFound)`);
      assert.equal(error.code, 404);
      return isNotFound(error);
    });
    api.put(path('a'), secret('a'));
    await assert.rejects(api.client.create(secrets, secret('a'), 'm'), isAlreadyExists);
    const stale = { metadata: { ...secret('a').metadata, resourceVersion: '0' } };
    await assert.rejects(api.client.apply(secrets, stale, { fieldManager: 'm' }), isConflict);
  });

  it('by something that is no API server says what came', async () => {
    api.intercept = () => ({ status: 502, body: '<html>bad gateway' });
    await assert.rejects(api.client.list(secrets), /list secrets: <html>bad gateway \(502 Unknown\)/);
  });

  it('that met no server says so', async () => {
    api.intercept = () => 'hang up';
    await assert.rejects(api.client.get(secrets, 'prod', 'a'), { name: 'KubeError', code: 0, reason: 'Unreachable' });
  });

  it('with an answer that is no JSON is no success', async () => {
    api.intercept = () => ({ status: 200, body: 'hello' });
    await assert.rejects(api.client.get(secrets, 'prod', 'a'), /hello \(200 Unknown\)/);
  });

  it('of a page that has expired is told as such', async () => {
    api.intercept = () => failure(410, 'Expired', 'The provided continue parameter is too old');
    await assert.rejects(api.client.list(secrets), { code: 410, reason: 'Expired' });
  });
});

describe('access to a cluster', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'frp-k8s-kube-'));
  });
  after(() => rm(folder, { recursive: true }));

  const kubeconfig = `
apiVersion: v1
kind: Config
current-context: c
contexts: [{ name: c, context: { cluster: k, user: u, namespace: team } }]
clusters: [{ name: k, cluster: { server: "https://k.example.com" } }]
users: [{ name: u, user: { token: t } }]
`;

  it('is read from the file that KUBECONFIG names', async () => {
    await writeFile(join(folder, 'good'), kubeconfig);
    const access = loadAccess({ env: { KUBECONFIG: join(folder, 'good') }, home: folder });
    assert.equal(access.server, 'https://k.example.com');
    assert.equal(access.namespace, 'team');
  });

  it('is that of the file and the context that a command names, whatever the environment says', async () => {
    const file = join(folder, 'named');
    await writeFile(
      file,
      kubeconfig
        .replace('contexts: [', 'contexts: [{ name: d, context: { cluster: l, user: u, namespace: other } }, ')
        .replace('clusters: [', 'clusters: [{ name: l, cluster: { server: "https://l.example.com" } }, '),
    );
    const env = { KUBECONFIG: join(folder, 'missing') };
    assert.equal(loadAccess({ kubeconfig: file, env }).server, 'https://k.example.com');
    const { server, namespace } = loadAccess({ kubeconfig: file, context: 'd', env });
    assert.deepEqual([server, namespace], ['https://l.example.com', 'other']);
    assert.throws(() => loadAccess({ kubeconfig: file, context: 'e', env }), /the kubeconfig .*named has no context e/);
  });

  const missing: [name: string, content: string | undefined, message: RegExp][] = [
    ['that is not there', undefined, /kubeconfig .*missing cannot be read: ENOENT/],
    [
      'without a context',
      'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n',
      /has no current context; set one with: kubectl config use-context/,
    ],
    ['that is no YAML', '{', /cannot be read/],
  ];
  for (const [name, content, message] of missing) {
    it(`is refused with a kubeconfig ${name}`, async () => {
      const file = join(folder, content === undefined ? 'missing' : 'bad');
      if (content !== undefined) await writeFile(file, content);
      assert.throws(
        () => loadAccess({ env: { KUBECONFIG: file }, home: folder }),
        (error: Error) => error instanceof UserError && message.test(error.message),
      );
    });
  }

  it('is refused outside a cluster without a kubeconfig, with what to do', () => {
    assert.throws(
      () => loadAccess({ env: {}, home: folder }),
      /no access to a cluster: run it in a Pod with a service account, or set KUBECONFIG/,
    );
  });
});
