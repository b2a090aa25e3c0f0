import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { itemsOf, unread, valueOf } from '../../../src/diagnose/read.ts';
import { takeSnapshot } from '../../../src/diagnose/take.ts';
import { ApiServer } from '../kube/api-server.ts';

let server: ApiServer;
beforeEach(async () => void (server = await ApiServer.start()));
afterEach(() => server.close());

const pod = (name: string, more: object) =>
  server.put(`/api/v1/namespaces/shop/pods/${name}`, { metadata: { namespace: 'shop', name, ...more } });

describe('a Snapshot', () => {
  it('has the Pods with a sidecar or an annotation of ours, whatever page they are on, and no others', async () => {
    server.pageSize = 2;
    for (let index = 0; index < 5; index++) pod(`other-${index}`, {});
    pod('injected', { labels: { 'frp.io/sidecar': 'injected' } });
    pod('misspelled', { annotations: { 'frp-io/group': 'web' } });
    const { pods } = await takeSnapshot(server.client);
    assert.deepEqual(
      itemsOf(pods)
        .map(({ metadata }) => metadata.name)
        .sort(),
      ['injected', 'misspelled'],
    );
  });

  it('asks with GET alone, and keeps no private part of a Secret', async () => {
    server.put('/api/v1/namespaces/frp-system/secrets/frp-ca', {
      metadata: { namespace: 'frp-system', name: 'frp-ca' },
      data: { 'tls.crt': Buffer.from('public').toString('base64'), 'tls.key': Buffer.from('private').toString('base64') },
    } as never);
    const snapshot = await takeSnapshot(server.client);
    const kept = valueOf(snapshot.installation.secrets.get('frp-ca')!)!;
    assert.deepEqual(kept.keys, ['tls.crt', 'tls.key']);
    assert.deepEqual(kept.certificates, { 'tls.crt': 'public' });
    assert.ok(!JSON.stringify([...snapshot.installation.secrets]).includes(Buffer.from('private').toString('base64')));
    assert.deepEqual([...new Set(server.requests.map(({ method }) => method))], ['GET']);
  });

  it('says of each part by itself that a right is missing', async () => {
    server.intercept = ({ path }) =>
      path.endsWith('/pods') ? { status: 403, body: { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' } } : undefined;
    const { pods, services } = await takeSnapshot(server.client);
    assert.equal(unread(pods), 'this account may not list pods');
    assert.equal(unread(services), undefined);
  });
});
