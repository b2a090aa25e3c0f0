/**
 * Members of another cluster, which the gateway knows by its issuer and keys alone. The other cluster is a key of this
 * test: what it signs is what an API server signs for a Pod.
 */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { testNamespace } from '../support/cluster.ts';
import { counter, counts } from '../support/controller.ts';
import { gatewayInstalled, gatewayNamespace, onlineAtBoth, users } from '../support/gateway.ts';
import { handmade } from '../support/handmade.ts';
import { apply, get, gone, kubectl, rolledOut, scale, tryKubectl, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { withGateway } from '../support/settings.ts';
import { requests, servedBy } from '../support/traffic.ts';
import { Signer, type TokenOptions } from '../../unit/gateway/agent-tokens.ts';

/** Where services are; the other cluster is trusted for the first of them. */
const [trusted, untrusted] = ['clusters-shop', 'clusters-bank'];
/** Where the Pods of the other cluster are, for want of one: the gateway learns nothing from it. */
const edge = 'clusters-edge';
const issuer = 'https://edge.example.com';
const hostOf = (namespace: string): string => `web.${namespace}.example.com`;

suite('members of another cluster', () => {
  let signer: Signer;
  let restore = async (): Promise<void> => undefined;

  /** A Pod of the other cluster, which has the token that it signs for one of that name in `namespace`. */
  const foreign = async (name: string, namespace: string, by: Signer, options: TokenOptions = {}): Promise<Manifest[]> => {
    const uid = crypto.randomUUID();
    const token = await by.token({ namespace, name, uid }, { issuer, ...options });
    const { data } = await get(namespace, 'secret', 'frp-web-tls');
    return [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name, namespace: edge },
        data: { ...data, token: Buffer.from(token).toString('base64') },
      },
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
    await Promise.all([trusted, untrusted, edge].map((name) => testNamespace(name)));
    signer = await Signer.create('edge-1');
    restore = await withGateway(
      { clusters: [{ name: 'edge', issuer, jwksFile: '/etc/frp-k8s/edge.json', namespaces: [trusted] }] },
      { 'edge.json': JSON.stringify(signer.keys) },
    );
    await apply(...[trusted, untrusted].map((namespace) => httpService(namespace, 'web', hostOf(namespace))));
    await apply(...[trusted, untrusted].map((namespace) => deployment({ namespace, name: 'web', frp: { group: 'web' } })));
    for (const namespace of [trusted, untrusted]) {
      await rolledOut(namespace, 'web');
      await onlineAtBoth(namespace, 'web', 1);
    }
  });
  after(() => restore());

  test('take their share of the traffic of a namespace that it is trusted for', async () => {
    await apply(...(await foreign('edge-0', trusted, signer)));
    await onlineAtBoth(trusted, 'web', 2);
    assert.ok((await servedBy(hostOf(trusted), 2, users)).includes('edge-0'));
    const shares = await requests(hostOf(trusted), 100, '/', users);
    assert.ok(shares.get('edge-0')! >= 30, `edge-0 had ${shares.get('edge-0')} of 100`);
  });

  test('are counted in the status, though the controller does not see their Pods', async () => {
    await counts(trusted, 'web', 2, 2);
    await scale(trusted, 'web', 0);
    await counts(trusted, 'web', 1, 1);
    assert.deepEqual(await servedBy(hostOf(trusted), 1, users), ['edge-0']);
    await scale(trusted, 'web', 1);
    await counts(trusted, 'web', 2, 2);
  });

  test('are refused in any other namespace, with the reason in their log, in the audit log and in a metric', async () => {
    const refusals = async () =>
      (await counter('frp-gateway-0', 'frp_gateway_refusals_total', { namespace: gatewayNamespace, port: 8081 })).get(
        '{reason="NamespaceNotTrusted"}',
      ) ?? 0;
    const before = await refusals();
    await apply(...(await foreign('edge-1', untrusted, signer)));
    await isTold(
      'edge-1',
      /NamespaceNotTrusted: cluster edge is not trusted for namespace clusters-bank \(configuration gateway\.clusters\)/,
    );
    assert.ok((await refusals()) > before);
    const audited = (await kubectl('-n', gatewayNamespace, 'logs', 'frp-gateway-0', '-c', 'agent'))
      .split('\n')
      .filter((line) => line.includes('NamespaceNotTrusted'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const { audit, op, cluster, namespace, pod } = audited[0] ?? {};
    assert.deepEqual(
      { audit, op, cluster, namespace, pod },
      { audit: true, op: 'Login', cluster: 'edge', namespace: untrusted, pod: 'edge-1' },
    );
    await isServedByOwn(untrusted);
  });

  test('are nobody with a token that another key has signed, or of another issuer', async () => {
    await apply(
      ...(await foreign('forged', trusted, await Signer.create('edge-1'))),
      ...(await foreign('unknown', trusted, signer, { issuer: 'https://elsewhere.example.com' })),
    );
    await isTold('forged', /TokenInvalid: the token cannot be verified/);
    await isTold('unknown', /UnknownIssuer: the token's issuer "https:\/\/elsewhere\.example\.com" is no cluster that this gateway trusts/);
    await onlineAtBoth(trusted, 'web', 2);
  });

  test('leave when their Pod ends, and are refused when the cluster is configured no more', async () => {
    await apply(...(await foreign('edge-2', trusted, signer)));
    await onlineAtBoth(trusted, 'web', 3);
    await kubectl('-n', edge, 'delete', 'pod', 'edge-0', '--wait=false');
    await gone(edge, 'pod', 'edge-0');
    await onlineAtBoth(trusted, 'web', 2);
    const undo = restore;
    restore = async () => undefined;
    await undo();
    await isTold('edge-2', /UnknownIssuer: the token's issuer "https:\/\/edge\.example\.com" is no cluster that this gateway trusts/);
    await onlineAtBoth(trusted, 'web', 1);
    await isServedByOwn(trusted);
  });
});
