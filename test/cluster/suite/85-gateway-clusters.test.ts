/**
 * A cluster that joins the gateway in this one. The other cluster is this test: it joins with a token as a controller does,
 * holds a link to each replica, and what its key signs is what an API server signs for a Pod.
 */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createAuthority, issue, type Authority } from '../../../certs/authority.ts';
import type { LinkIdentity } from '../../../src/link/held-link.ts';
import type { Item } from '../../../src/link/protocol.ts';
import { root, testNamespace } from '../support/cluster.ts';
import { counter, counts } from '../support/controller.ts';
import { gatewayInstalled, gatewayNamespace, gatewayReady, onlineAtBoth, replicaAddress, users } from '../support/gateway.ts';
import { handmade } from '../support/handmade.ts';
import { apply, gone, kubectl, rolledOut, scale, tryKubectl, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { eventually, run } from '../support/run.ts';
import { killAtOnce, processesOf } from '../support/processes.ts';
import { requests, servedBy } from '../support/traffic.ts';
import { Signer, type TokenOptions } from '../../unit/gateway/agent-tokens.ts';
import { joinAs, startCluster, type TestCluster } from '../../unit/link/joined.ts';

/** Where services are; the other cluster has a grant for the first of them. */
const [granted, other] = ['clusters-shop', 'clusters-bank'];
/** Where the Pods of the other cluster are, for want of one: the gateway learns of them by the link alone. */
const edge = 'clusters-edge';
const issuer = 'https://edge.example.com';
const hour = 3_600_000;
const hostOf = (namespace: string): string => `web.${namespace}.example.com`;
/** As an administrator of the gateway's cluster types it, with the lab's KUBECONFIG. */
const gateway = (...args: string[]) => run('node', [join(root, 'src/main.ts'), 'gateway', ...args]);

suite('a cluster that joins the gateway in this one', () => {
  let signer: Signer;
  let authority: Authority;
  let identity: LinkIdentity;
  /** one to each replica */
  let links: TestCluster[] = [];
  const tell = (item: Item): void => {
    for (const { end } of links) end.outbox.set(item);
  };

  /** A Pod of the other cluster, which has a certificate of that one and the token that it signs for a Pod in `namespace`. */
  const foreign = async (name: string, namespace: string, by: Signer, options: TokenOptions = {}): Promise<Manifest[]> => {
    const uid = crypto.randomUUID();
    tell({ kind: 'pod', key: uid, value: { namespace, name, isReady: true, ip: '192.0.2.1', ports: { web: 8080 } } });
    const token = await by.token({ namespace, name, uid }, { issuer, ...options });
    const certificate = await issue(authority, { commonName: name, usages: ['clientAuth'], lifetimeMs: hour, now: Date.now() });
    const files = { 'tls.crt': certificate.certPem, 'tls.key': certificate.keyPem, 'ca.crt': identity.authorityPem, token };
    return [
      { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: edge }, stringData: files },
      handmade({
        namespace: edge,
        name,
        proxyName: `${namespace}.web.00000000.${name}.${uid}`,
        certificates: name,
        token: { secret: { name, items: [{ key: 'token', path: 'token' }] } },
        replicas: [0, 1],
      }),
    ];
  };
  const isTold = (name: string, reason: RegExp): Promise<void> =>
    eventually(`${name} is told`, async () => {
      const { stdout } = await tryKubectl('-n', edge, 'logs', name, '-c', 'handmade-0', '--tail=10');
      assert.match(stdout, reason);
    });

  const isServedByOwn = async (namespace: string): Promise<void> => {
    const [only] = await servedBy(hostOf(namespace), 1, users);
    assert.match(only!, /^web-/);
  };

  before(async () => {
    await gatewayInstalled();
    await Promise.all([granted, other, edge].map((name) => testNamespace(name)));
    await apply(...[granted, other].map((namespace) => httpService(namespace, 'web', hostOf(namespace))));
    await apply(...[granted, other].map((namespace) => deployment({ namespace, name: 'web', frp: { group: 'web' } })));
    for (const namespace of [granted, other]) {
      await rolledOut(namespace, 'web');
      await onlineAtBoth(namespace, 'web', 1);
    }
    signer = await Signer.create('edge-1');
    authority = await createAuthority({ lifetimeMs: 24 * hour, now: Date.now() });
  });
  after(async () => {
    await Promise.all(links.map((link) => link.close()));
    await gateway('clusters', 'remove', 'edge');
  });

  test('joins with a token of the administrator, at whatever replica, and has a link to each', async () => {
    const dialled = await Promise.all([0, 1].map(async (ordinal) => `${await replicaAddress(ordinal)}:7000`));
    // The test is no Pod, and dials the replicas by their addresses.
    const addresses = dialled.flatMap((address) => ['--address', address]);
    const made = await gateway('token', 'create', '--cluster', 'edge', '--namespaces', granted, ...addresses);
    assert.equal(made.code, 0, made.stderr);
    identity = await joinAs(made.stdout.trim());
    await assert.rejects(joinAs(made.stdout.trim()), { reason: 'TokenUsed' });
    assert.deepEqual([identity.cluster, identity.isReplicated], ['edge', true]);
    links = dialled.map((address) => startCluster({ ...identity, addresses: [address] }));
    tell({ kind: 'authority', key: 'clients', value: { bundle: authority.bundlePem } });
    tell({ kind: 'keys', key: 'tokens', value: { issuer, keys: signer.keys.keys as never } });
    await eventually('both links are up', async () => assert.ok(links.every(({ link }) => link.state.isUp)));
    await eventually('the administrator sees it', async () =>
      assert.match((await gateway('clusters')).stdout, /^edge +up .* namespaces clusters-shop; /m),
    );
  });

  test('has Pods that take their share of the traffic of a namespace that it has a grant for', async () => {
    await apply(...(await foreign('edge-0', granted, signer)));
    await onlineAtBoth(granted, 'web', 2);
    assert.ok((await servedBy(hostOf(granted), 2, users)).includes('edge-0'));
    const shares = await requests(hostOf(granted), 100, '/', users);
    assert.ok(shares.get('edge-0')! >= 30, `edge-0 had ${shares.get('edge-0')} of 100`);
  });

  test('has them counted in the status here, though the controller does not see its Pods', async () => {
    await counts(granted, 'web', 2, 2);
    await scale(granted, 'web', 0);
    await counts(granted, 'web', 1, 1);
    assert.deepEqual(await servedBy(hostOf(granted), 1, users), ['edge-0']);
    await scale(granted, 'web', 1);
    await counts(granted, 'web', 2, 2);
  });

  test('has none in any other namespace: the reason is in their log, in the audit log and in a metric', async () => {
    const refusals = async () =>
      (await counter('frp-gateway-0', 'frp_gateway_refusals_total', { namespace: gatewayNamespace, port: 8081 })).get(
        '{reason="NamespaceNotTrusted"}',
      ) ?? 0;
    const before = await refusals();
    await apply(...(await foreign('edge-1', other, signer)));
    await isTold('edge-1', /NamespaceNotTrusted: cluster edge has no grant for namespace clusters-bank at this gateway/);
    assert.ok((await refusals()) > before);
    const audited = (await kubectl('-n', gatewayNamespace, 'logs', 'frp-gateway-0', '-c', 'agent'))
      .split('\n')
      .filter((line) => line.includes('NamespaceNotTrusted'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const { event, op, cluster, namespace, pod } = audited[0] ?? {};
    assert.deepEqual(
      { event, op, cluster, namespace, pod },
      { event: 'refusal', op: 'Login', cluster: 'edge', namespace: other, pod: 'edge-1' },
    );
    await isServedByOwn(other);
  });

  test('has none by a token that another key has signed, or of another issuer', async () => {
    await apply(
      ...(await foreign('forged', granted, await Signer.create('edge-1'))),
      ...(await foreign('unknown', granted, signer, { issuer: 'https://elsewhere.example.com' })),
    );
    await isTold('forged', /TokenInvalid: the token cannot be verified/);
    await isTold('unknown', /UnknownIssuer: the token's issuer "https:\/\/elsewhere\.example\.com" is that of no cluster/);
    await onlineAtBoth(granted, 'web', 2);
  });

  test('goes on serving while its links are cut, also by a replica that has restarted', async () => {
    await Promise.all(links.map((link) => link.close()));
    try {
      await killAtOnce(() => processesOf('frp-gateway-0', /^node .* gateway --config/));
      await gatewayReady();
      await onlineAtBoth(granted, 'web', 2);
      assert.ok((await servedBy(hostOf(granted), 2, users)).includes('edge-0'));
    } finally {
      links = links.map(({ identity: of, end }) => startCluster(of, { end }));
    }
    await eventually('both links are up again', async () => assert.ok(links.every(({ link }) => link.state.isUp)));
  });

  test('has nothing left when its Pods end, and when the administrator removes it', async () => {
    await apply(...(await foreign('edge-2', granted, signer)));
    await onlineAtBoth(granted, 'web', 3);
    await kubectl('-n', edge, 'delete', 'pod', 'edge-0', '--wait=false');
    await gone(edge, 'pod', 'edge-0');
    await onlineAtBoth(granted, 'web', 2);
    const removed = await gateway('clusters', 'remove', 'edge');
    assert.equal(removed.code, 0, removed.stderr);
    await onlineAtBoth(granted, 'web', 1);
    await isServedByOwn(granted);
    await eventually('its links are told', async () => {
      for (const { link } of links) assert.match(link.state.isUp ? 'up' : link.state.reason, /^ClusterRemoved$/);
    });
    assert.equal((await gateway('clusters')).stdout, '');
  });
});
