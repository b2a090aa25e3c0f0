/** A Pod is known at the gateway by its UID, which a cluster's administrator may choose: it is of the cluster that told it first. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { clientUidPrefix } from '../../../src/model/names.ts';
import { heard } from './ends.ts';
import { joinAs, startCluster, startGateway, until, type TestCluster, type TestGateway } from './joined.ts';

const closing: { close(): Promise<void> }[] = [];
after(async () => {
  for (const each of closing.reverse()) await each.close();
});
const gatewayOf = async (...given: Parameters<typeof startGateway>): Promise<TestGateway> => {
  const gateway = await startGateway(...given);
  closing.push(gateway);
  return gateway;
};
const joined = async (gateway: TestGateway, name: string): Promise<TestCluster> => {
  const cluster = startCluster(await joinAs(await gateway.token(name)));
  closing.push(cluster);
  return cluster;
};
const pod = (uid: string, isReady = true) => ({
  kind: 'pod',
  key: uid,
  value: { namespace: 'prod', name: 'api-0', isReady, ports: { api: 8080 } },
});
const isOf = (gateway: TestGateway, cluster: string, uid: string): boolean =>
  gateway.sources.podOf({ cluster, namespace: 'prod', pod: 'api-0', uid }) !== undefined;
const refusalOf = (cluster: TestCluster, uid: string) => heard(cluster.end)[`refused pod ${uid}`];
const taken = async (cluster: TestCluster, uid: string): Promise<void> => {
  await until(() => refusalOf(cluster, uid) !== undefined, 'the refusal');
  assert.partialDeepStrictEqual(refusalOf(cluster, uid), { reason: 'PodTaken' });
};

test("no cluster has the Pod of another, also after a restart; once that one's is gone it may", async () => {
  let gateway = await startGateway();
  // The thief is the older one.
  const thief = await joined(gateway, 'thief');
  const owner = await joined(gateway, 'owner');
  owner.end.outbox.set(pod('uid-0'));
  await until(() => isOf(gateway, 'owner', 'uid-0'), 'the Pod');
  thief.end.outbox.set(pod('uid-0'));
  await taken(thief, 'uid-0');
  assert.doesNotMatch(JSON.stringify(heard(thief.end)), /owner/);
  assert.equal(isOf(gateway, 'thief', 'uid-0'), false);
  await gateway.close();
  const { directory, port } = gateway;
  gateway = await gatewayOf({ directory, port });
  assert.deepEqual([isOf(gateway, 'thief', 'uid-0'), isOf(gateway, 'owner', 'uid-0')], [false, true]);
  owner.end.outbox.set(pod('uid-0', false));
  thief.end.outbox.set(pod('uid-0', false));
  await taken(thief, 'uid-0');
  owner.end.outbox.delete({ kind: 'pod', key: 'uid-0' });
  await until(() => isOf(gateway, 'thief', 'uid-0'), 'the Pod of the other cluster');
  await until(() => refusalOf(thief, 'uid-0') === undefined, 'the end of the refusal');
  owner.end.outbox.set(pod('uid-0'));
  await taken(owner, 'uid-0');
  await gateway.store.removeCluster('thief');
  await gateway.links.follow();
  assert.deepEqual([isOf(gateway, 'thief', 'uid-0'), isOf(gateway, 'owner', 'uid-0')], [false, true]);
});

test("no cluster has a Pod in the form of the gateway's own clients", async () => {
  const gateway = await gatewayOf();
  const cluster = await joined(gateway, 'home');
  const uid = `${clientUidPrefix}0b8c2d4e`;
  cluster.end.outbox.set(pod(uid));
  await taken(cluster, uid);
  assert.equal(isOf(gateway, 'home', uid), false);
});
