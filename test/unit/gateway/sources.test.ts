import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PodIndex } from '../../../src/gateway/sources/pod-index.ts';
import { Copies } from '../../../src/gateway/sources/secret-copies.ts';
import type { HomeSource, Source, SourceEvents } from '../../../src/gateway/sources/source.ts';
import { Sources } from '../../../src/gateway/sources/sources.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { KubeObject, Secret } from '../../../src/kube/types.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import { service } from '../../support/services.ts';

const nobody: SourceEvents = { changed: () => {}, tunnelChanged: () => {} };

function source(cluster: string, { pods = true, events = nobody } = {}): Source & { copies: Copies } {
  const keys = {
    set: { keys: [{ kty: 'EC', kid: `key of ${cluster}` }] },
    problem: undefined,
    resolve: () => Promise.reject(new Error('none')),
  };
  return {
    cluster,
    services: new ServiceStore(),
    pods: pods ? new PodIndex(events.changed) : undefined,
    copies: new Copies(events.changed),
    revoked: new Map([['frp-revoked', { metadata: { name: cluster }, data: {} }]]),
    tokens: { issuer: () => 'https://kubernetes.default.svc', keys, trusts: () => true },
    synced: Promise.resolve(),
    isCurrent: () => true,
    problem: () => undefined,
    close: () => Promise.resolve(),
  };
}
const home = (): HomeSource => ({ ...source(''), cluster: '', server: undefined, api: undefined });
const versioned = (name: string, cluster: string, resourceVersion = '5') => {
  const one = service(name);
  return { ...one, metadata: { ...one.metadata, resourceVersion, labels: { cluster } } };
};
const decided = (all: Sources, name: string) => all.services.get('shop', name)?.metadata.labels?.cluster;
const tls = (pem: string): Secret => ({
  metadata: { name: 'copy', annotations: { 'frp.io/copy-of': 'shop/cert', 'frp.io/copy-kind': 'tls' } },
  data: { 'tls.crt': base64(pem), 'tls.key': base64('key') },
});

describe('several sources', () => {
  it('have a service of the same namespace and name once, as the home or else the source that was there first says', () => {
    const all = new Sources(home);
    const [a, b] = [source('a'), source('b')];
    all.add(a);
    all.add(b);
    b.services.set(versioned('web', 'b'));
    assert.equal(decided(all, 'web'), 'b');
    a.services.set(versioned('web', 'a'));
    assert.equal(decided(all, 'web'), 'a');
    assert.equal(all.decidingCluster('shop/web'), 'a');
    all.home.services.set(versioned('web', ''));
    assert.equal(decided(all, 'web'), '');
    all.home.services.delete('shop', 'web');
    a.services.delete('shop', 'web');
    assert.equal(decided(all, 'web'), 'b');
    b.services.delete('shop', 'web');
    assert.equal(all.services.size, 0);
  });

  it('tell of every change of what users get, and of none that changes nothing for them', () => {
    const all = new Sources(home);
    const [a, b] = [source('a'), source('b')];
    all.add(a);
    all.add(b);
    a.services.set(versioned('web', 'a'));
    let told = 0;
    all.services.subscribe(() => told++);
    b.services.set(versioned('web', 'b', '4'));
    assert.equal(told, 0);
    // Versions of different clusters say nothing about each other: these two are the same text.
    b.services.set(versioned('web', 'b'));
    all.remove('a');
    assert.deepEqual([told, decided(all, 'web')], [1, 'b']);
  });

  it('do not mix up their Secrets: a service has those of the source that decides it', () => {
    const all = new Sources(home);
    const [a, b] = [source('a'), source('b')];
    all.add(a);
    all.add(b);
    a.copies.set(tls('of a'));
    b.copies.set(tls('of b'));
    b.services.set(versioned('web', 'b'));
    assert.match(all.copiesOf(all.services.get('shop', 'web')!).certificate('shop/cert')!, /^of b/);
    a.services.set(versioned('web', 'a'));
    assert.match(all.copiesOf(all.services.get('shop', 'web')!).certificate('shop/cert')!, /^of a/);
  });

  it('do not mix up their Pods, whatever UIDs they name', () => {
    const all = new Sources(home);
    const [a, files] = [source('a'), source('files', { pods: false })];
    all.add(a);
    all.add(files);
    const pod = { metadata: { namespace: 'shop', name: 'web-1', uid: 'u' }, status: {} } as KubeObject;
    a.pods!.sink().set(pod);
    const of = (cluster: string) => all.podOf({ cluster, namespace: 'shop', pod: 'web-1', uid: 'u' });
    assert.deepEqual([typeof of('a'), of(''), of('files'), of('never joined')], ['object', undefined, 'unknown', undefined]);
  });

  it('leave nothing behind when one is removed', () => {
    const all = new Sources(home);
    const told = { changed: 0, tunnelChanged: 0 };
    all.subscribe({ changed: () => told.changed++, tunnelChanged: () => told.tunnelChanged++ });
    const a = source('a', { events: all });
    all.add(a);
    a.services.set(versioned('web', 'a'));
    assert.equal(all.keys().keys.length, 2);
    assert.equal(all.revoked().length, 2);
    assert.ok(all.remove('a'));
    assert.deepEqual([all.keys().keys.length, all.revoked().length, all.services.size, all.has('a')], [1, 1, 0, false]);
    assert.deepEqual(told, { changed: 2, tunnelChanged: 2 });
    a.services.set(versioned('late', 'a'));
    assert.equal(all.services.size, 0, 'what comes later changes nothing');
    assert.throws(() => all.add(source('')), /there is a source named "" already/);
    assert.equal(all.remove(''), false, 'the home stays');
  });
});
