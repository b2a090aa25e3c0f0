/** Who has joined, in files of one machine and in Secrets that two replicas of a gateway in a cluster share. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { KubeLinkStore } from '../../../src/gateway/links/kube-link-store.ts';
import { LinkSecrets } from '../../../src/gateway/links/link-secrets.ts';
import { FileLinkStore, type ClusterRecord, type LinkStore } from '../../../src/gateway/links/link-store.ts';
import { digestOfSecret } from '../../../src/link/token.ts';
import { base64 } from '../../../src/kube/authority-secret.ts';
import type { Secret } from '../../../src/kube/types.ts';
import { ApiServer, failure } from '../kube/api-server.ts';
import { quiet } from './joined.ts';
import { until } from '../../support/until.ts';

const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-stores-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
const newFile = () => join(directory, `${++files}`);

/** What is asked is in the end this; a refusal on the way is not. */
const comesTo = <T>(asked: () => Promise<T>, wanted: T) =>
  until(async () => isDeepStrictEqual(await asked().catch(() => 'refused'), wanted));

const tokenOf = (id: string) => ({ id, digest: digestOfSecret('x'), cluster: 'home', grant: {}, expires: Date.now() + 900_000 });
const cluster: ClusterRecord = { name: 'home', id: 'abcdefgh01', grant: { hosts: ['*.example.com'] }, joined: 5, certificateExpires: 9 };

/** @returns as many replicas as are asked for, of one gateway in a cluster */
async function replicas(t: TestContext, count: number) {
  const api = await ApiServer.start();
  t.after(() => api.close());
  const stores: KubeLinkStore[] = [];
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const secrets = new LinkSecrets({ client: api.client, namespace: 'frp-gateway' });
    await secrets.follow(newFile(), quiet);
    t.after(() => secrets.close());
    stores.push(new KubeLinkStore(secrets, `frp-gateway-${ordinal}`));
  }
  return { api, stores: stores as [KubeLinkStore, KubeLinkStore] };
}

const kinds: [string, (t: TestContext) => Promise<[LinkStore, LinkStore]>][] = [
  [
    'in files',
    async () => {
      const path = newFile();
      return [new FileLinkStore(path), new FileLinkStore(path)];
    },
  ],
  ['in Secrets', async (t) => (await replicas(t, 2)).stores],
];

for (const [kind, open] of kinds)
  describe(`who has joined, ${kind}`, () => {
    it('is let in by a token once, however many use it at once, and by one that was given back again', async (t) => {
      const [one, other] = await open(t);
      await one.addToken(tokenOf('token-01'));
      assert.deepEqual(await other.token('token-01').then((found) => [found?.token.cluster, found?.isUsed]), ['home', false]);
      const used = await Promise.all([one, other, one, other].map((store) => store.useToken('token-01')));
      assert.deepEqual(used.filter((isFirst) => isFirst).length, 1);
      for (const store of [one, other]) await comesTo(async () => (await store.token('token-01'))?.isUsed, true);
      await one.giveTokenBack('token-01');
      assert.equal(await other.useToken('token-01'), true);
    });

    it('is not let in by a token that nobody made, or whose name is no token’s', async (t) => {
      const [one] = await open(t);
      for (const id of ['token-09', '../clusters/home', '', 'x'.repeat(100)]) {
        assert.equal(await one.token(id), undefined);
        assert.equal(await one.useToken(id), false);
      }
    });

    it('is known to all by its joining, and by no earlier one', async (t) => {
      const [one, other] = await open(t);
      await one.putCluster(cluster);
      assert.deepEqual(await other.clusterOf(cluster.id), cluster);
      await other.putCluster({ ...cluster, id: 'ijklmnop02' });
      await comesTo(() => one.clusterOf(cluster.id), undefined);
      assert.equal((await one.clusterOf('ijklmnop02'))?.name, 'home');
      assert.deepEqual([...(await one.clusters()).keys()], ['home']);
    });

    it('comes in the order of joining', async (t) => {
      const [one] = await open(t);
      for (const [name, joined] of [
        ['c', 3],
        ['a', 9],
        ['b', 1],
      ] as const)
        await one.putCluster({ ...cluster, name, joined });
      assert.deepEqual([...(await one.clusters()).keys()], ['b', 'c', 'a']);
    });

    it('stays away when it was removed, whatever was under way: a renewal, or what was seen of it', async (t) => {
      const [one, other] = await open(t);
      await one.putCluster(cluster);
      assert.equal(await other.renewed({ ...cluster, certificateExpires: 10 }), true);
      await comesTo(async () => (await one.clusters()).get('home')?.certificateExpires, 10);
      assert.equal(await other.renewed({ ...cluster, id: 'qrstuvwx03' }), false);
      assert.equal(await one.removeCluster('home'), true);
      assert.equal(await one.removeCluster('home'), false);
      assert.equal(await one.removeCluster('../../x'), false);
      assert.equal(await other.renewed({ ...cluster, certificateExpires: 11 }), false);
      if (kind === 'in Secrets') await other.saw('home', { isLinked: true, at: 1, services: 1, backends: 1 });
      await comesTo(async () => (await other.clusters()).size, 0);
      assert.equal(await one.clusterOf(cluster.id), undefined);
    });
  });

describe('replicas of a gateway in a cluster', () => {
  it('say each what they have seen of a cluster, and write no more often than somebody needs to know', async (t) => {
    const { api, stores } = await replicas(t, 2);
    await stores[0].putCluster(cluster);
    const seen = { isLinked: true, at: 1000, services: 1, backends: 1 };
    await stores[0].saw('home', seen);
    await stores[1].saw('home', { ...seen, isLinked: false });
    const before = api.requests.length;
    for (let second = 1; second < 15; second++) await stores[0].saw('home', { ...seen, at: 1000 * (second + 1), services: second });
    assert.equal(api.requests.length, before);
    await stores[0].saw('home', { ...seen, at: 17_000, services: 7 });
    const said = async () => (await stores[1].seen('home')).map(({ isLinked, services }) => `${isLinked} ${services}`).sort();
    await comesTo(said, ['false 1', 'true 7']);
  });

  it('do not both let a cluster in by one token, however close they are, nor bring one back that another has removed', async (t) => {
    const { api, stores } = await replicas(t, 2);
    /** What the other replica does between this one's look and its write. */
    const meanwhile = (change: (path: string) => void) => {
      api.intercept = ({ method, path }) => {
        if (method !== 'PATCH') return undefined;
        api.intercept = () => undefined;
        change(path);
        return undefined;
      };
    };
    await stores[0].addToken(tokenOf('token-03'));
    meanwhile((path) => {
      const secret = api.objects.get(path) as Secret;
      api.put(path, { ...secret, data: { ...secret.data, used: 'MQ==' } } as Secret);
    });
    assert.equal(await stores[1].useToken('token-03'), false);
    await stores[0].putCluster(cluster);
    meanwhile((path) => api.remove(path));
    assert.equal(await stores[1].renewed({ ...cluster, certificateExpires: 10 }), false);
    await stores[0].putCluster({ ...cluster, id: 'ijklmnop02' });
    meanwhile((path) => {
      const secret = api.objects.get(path) as Secret;
      const data = { cluster: base64(JSON.stringify(cluster)) };
      api.put(path, { ...secret, data } as Secret);
    });
    assert.equal(await stores[1].renewed({ ...cluster, id: 'ijklmnop02', certificateExpires: 12 }), false);
  });

  it('ask the API server for few of the tokens that strangers make up, and refuse no cluster for good meanwhile', async (t) => {
    const { api, stores } = await replicas(t, 2);
    const asked = () => api.requests.filter(({ path }) => path.includes('/secrets/frp-join-token-')).length;
    let refused = 0;
    for (let i = 0; i < 200; i++)
      await stores[0].token(`made-up-${i}`).catch((error: { reason: string }) => void (refused += Number(error.reason === 'TooOften')));
    assert.ok(asked() < 20, `${asked()} requests`);
    assert.ok(refused > 150, `${refused} refusals`);
    await stores[1].addToken(tokenOf('token-02'));
    await comesTo(async () => (await stores[0].token('token-02'))?.isUsed, false);
  });

  it('go on with the clusters that had joined when they start again while the API server is away', async (t) => {
    const api = await ApiServer.start();
    t.after(() => api.close());
    const file = newFile();
    const open = async () => {
      const secrets = new LinkSecrets({ client: api.client, namespace: 'frp-gateway' });
      t.after(() => secrets.close());
      await secrets.follow(file, quiet);
      return { secrets, store: new KubeLinkStore(secrets, 'frp-gateway-0') };
    };
    const first = await open();
    await first.store.putCluster(cluster);
    await first.secrets.refresh();
    await first.secrets.close();
    api.intercept = () => failure(503, 'ServiceUnavailable', 'away');
    const second = await open();
    assert.deepEqual(await second.store.clusters(), new Map([['home', cluster]]));
    await assert.rejects(second.store.useToken('token-01'), /away/);
  });
});
