/** A cluster that has joined two gateways: the controller here, and both gateways' ends of its links, over real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { createAuthority } from '../../../certs/authority.ts';
import { run as joinCommand } from '../../../src/cli/join.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { KubeObject, Secret } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { inProcess } from '../../support/command.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';
import { startGateway, type TestGateway } from '../link/joined.ts';

const log = pino({ level: 'silent' });
const servicePath = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web';
const secretPath = (name: string) => `/api/v1/namespaces/frp-system/secrets/${name}`;
const names = ['a', 'b'] as const;
type Name = (typeof names)[number];

describe('a cluster that has joined two gateways', { timeout: 100_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'two-gateways-'));
  let api: ApiServer;
  let controller: RunningController;
  const registry = new Registry();
  const gateways = {} as Record<Name, TestGateway>;
  const addressOf = (name: Name) => `127.0.0.1:${gateways[name].port}`;
  const stored = () => api.objects.get(servicePath) as DistributedService | undefined;
  const condition = (type: string) => stored()?.status?.conditions?.find((each) => each.type === type);
  const message = (type: string) => condition(type)?.message ?? '';
  const link = (): Secret | undefined => api.objects.get(secretPath('frp-gateway-link'));
  const joinProblem = () => (api.objects.get(secretPath('frp-gateway-join')) as Secret).metadata.annotations?.['frp.io/join-problem'] ?? '';

  const bundle = () => text(api.objects.get('/api/v1/namespaces/shop/secrets/frp-web-tls') as Secret, 'ca.crt');
  /** As an administrator of the cluster types it. */
  const leave = (address: string) => inProcess(joinCommand, ['--leave', address]);

  async function start(more: object = {}): Promise<void> {
    await controller?.close();
    const config = configSchema.parse({ gateway: { addresses: names.map(addressOf), ...more } });
    registry.clear();
    controller = startController({ client: api.client, config, log, registry, outdated: () => [] });
  }
  async function join(name: Name, cluster = 'home'): Promise<void> {
    api.put(secretPath('frp-gateway-join'), {
      metadata: { name: 'frp-gateway-join', namespace: 'frp-system', labels: { 'app.kubernetes.io/managed-by': 'frp-k8s' } },
      data: { token: base64(await gateways[name].token(cluster)) },
    } as KubeObject);
  }
  const hasJoined = (name: Name) => gateways[name].sources.services.byKey('shop/web') !== undefined;
  const serves = (name: Name, ...pods: number[]) =>
    void gateways[name].statuses.splice(
      0,
      Infinity,
      ...pods.map((pod) => ({ name: `shop.web.01234567.web-${pod}.uid-${pod}`, status: 'online' as const, elsewhere: `home/web-${pod}` })),
    );
  /** The same gateway again, at the same port. */
  async function restart(name: Name): Promise<void> {
    const { directory, port, authority, statuses } = gateways[name];
    gateways[name] = await startGateway({ directory, port, authority });
    gateways[name].statuses.push(...statuses);
  }

  before(async () => {
    for (const name of names)
      gateways[name] = await startGateway({ authority: await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() }) });
    api = await ApiServer.start();
    writeFileSync(path.join(folder, 'kubeconfig'), api.kubeconfig);
    process.env.KUBECONFIG = path.join(folder, 'kubeconfig');
    api.absent.add('frp-gateway');
    const configuration = {
      auth: { method: 'oidc' },
      proxies: [{ name: 'shop.web.01234567.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 80 }],
    };
    for (const pod of [0, 1])
      api.put(`/api/v1/namespaces/shop/pods/web-${pod}`, {
        metadata: {
          name: `web-${pod}`,
          namespace: 'shop',
          uid: `uid-${pod}`,
          labels: { 'frp.io/sidecar': 'injected' },
          annotations: { 'frp.io/frpc.json': JSON.stringify(configuration) },
        },
        status: { phase: 'Running', podIP: `10.1.1.${pod + 1}`, conditions: [{ type: 'ContainersReady', status: 'True' }] },
      } as KubeObject);
    api.put(servicePath, service('web'));
  });
  after(async () => {
    await controller.close();
    await Promise.all(names.map((name) => gateways[name].close()));
    api.close();
    rmSync(folder, { recursive: true });
  });

  it('does not use the token of a second gateway up as long as sidecars do not dial that one', async () => {
    await start({ addresses: [addressOf('a')] });
    await join('a');
    await until(() => hasJoined('a') && !api.objects.has(secretPath('frp-gateway-join')));
    await join('b');
    await until(() => joinProblem().startsWith('configuration: '));
    assert.ok(joinProblem().includes(`lacks gateway.addresses: ["${addressOf('a')}", "${addressOf('b')}"];`), joinProblem());
    assert.equal((await gateways.b.store.clusters()).size, 0);
  });

  it('says of a gateway that sidecars dial, and that the cluster has not joined, what to do', async () => {
    api.remove(secretPath('frp-gateway-join'));
    await start();
    await until(() => condition('LinkReady')?.reason === 'NotJoined');
    assert.equal(condition('LinkReady')?.status, 'False');
    assert.ok(
      message('LinkReady').startsWith(
        `Sidecars dial ${addressOf('b')} of gateway.addresses, and this cluster has not joined that gateway: frp-k8s join TOKEN, or take it out of there; `,
      ),
      message('LinkReady'),
    );
  });

  it('tells both what it wants, and keeps for each what it is known by', async () => {
    await join('b');
    await until(() => hasJoined('a') && hasJoined('b'));
    assert.deepEqual(Object.keys(link()?.data ?? {}).sort(), names.map((name) => `${addressOf(name).replace(':', '_')}.json`).sort());
    for (const name of names)
      await until(() => gateways[name].sources.podOf({ cluster: 'home', namespace: 'shop', pod: 'web-1', uid: 'uid-1' }) !== undefined);
  });

  it('gives sidecars the authorities of both', async () => {
    await until(() => names.every((name) => bundle().includes(gateways[name].authority.bundlePem.trim())));
  });

  it('counts a backend that one of them serves, and says which has which', async () => {
    serves('a', 0, 1);
    serves('b', 0);
    await until(() => stored()?.status?.activeBackends === 2);
    await until(() => message('BackendsAvailable').includes('without'));
    assert.equal(
      message('BackendsAvailable'),
      `2 backends available (${[`${addressOf('a')}: 2`, `${addressOf('b')}: 1, without web-1`].sort().join('; ')})`,
    );
    assert.equal(stored()?.status?.state, 'Running');
    assert.deepEqual([condition('LinkReady')?.status, condition('LinkReady')?.reason], ['True', 'Linked']);
    const metrics = await registry.metrics();
    for (const name of names) assert.ok(metrics.includes(`frp_operator_gateway_link_up{gateway="${addressOf(name)}"} 1`), metrics);
  });

  it('a change at one of them is told though the sum stays', async () => {
    serves('b', 0, 1);
    await until(() => !message('BackendsAvailable').includes('without'));
    assert.equal(stored()?.status?.activeBackends, 2);
  });

  it('one that is lost takes nothing from the other, and LinkReady names it', async () => {
    await gateways.a.close();
    await until(() => condition('LinkReady')?.status === 'False');
    assert.match(
      message('LinkReady'),
      new RegExp(
        `^No link to gateway ${addressOf('a')} since \\S+Z: ${addressOf('a')}: .*; it is tried again until it is back; where the gateway is gone for good: frp-k8s join --leave ${addressOf('a')}; The gateway at ${addressOf('b')} has`,
      ),
    );
    await until(() => message('BackendsAvailable').includes('no link'));
    const said = message('BackendsAvailable');
    assert.ok(said.startsWith('2 backends available (') && said.includes(`${addressOf('b')}: 2`), said);
    assert.match(said, new RegExp(`${addressOf('a')}: not known, no link since \\S+Z`));
    assert.equal(stored()?.status?.state, 'Running');
    for (const type of ['Ready', 'NetworkReady', 'BackendsAvailable']) assert.equal(condition(type)?.status, 'True', type);
    assert.match(message('NetworkReady'), new RegExp(`No link to gateway ${addressOf('a')} since`));
    const metrics = await registry.metrics();
    assert.ok(metrics.includes(`frp_operator_gateway_link_up{gateway="${addressOf('a')}"} 0`), metrics);
    assert.ok(metrics.includes(`frp_operator_gateway_link_up{gateway="${addressOf('b')}"} 1`), metrics);
  });

  it('nothing is said of backends that only the lost one may have, and the service has not failed', async () => {
    serves('b');
    await until(() => condition('BackendsAvailable')?.status === 'Unknown');
    assert.equal(condition('BackendsAvailable')?.reason, 'LinkDown');
    assert.equal(stored()?.status?.state, 'Running');
    assert.ok(message('NetworkReady').includes(`gateway ${addressOf('b')} has none of the backends online`), message('NetworkReady'));
    serves('b', 0, 1);
    await until(() => condition('BackendsAvailable')?.status === 'True');
    await restart('a');
    await until(() => condition('LinkReady')?.status === 'True' && stored()?.status?.activeBackends === 2);
  });

  it('a service that one of them refuses is served by the other, and the message says why not by both', async () => {
    const record = (await gateways.b.store.clusters()).get('home')!;
    await gateways.b.store.putCluster({ ...record, grant: { namespaces: ['other'] } });
    await until(() => message('BackendsAvailable').includes('leaves the service out'));
    assert.equal(condition('ConfigurationValid')?.status, 'True');
    assert.equal(stored()?.status?.state, 'Running');
    await gateways.b.store.putCluster(record);
    await until(() => !message('BackendsAvailable').includes('leaves the service out'));
  });

  it('removed at one, it stays joined to the other, and the command of the message has nothing stay of the one', async () => {
    await gateways.a.store.removeCluster('home');
    await gateways.a.links.follow();
    await until(() => condition('LinkReady')?.reason === 'ClusterRemoved');
    assert.equal(stored()?.status?.state, 'Running');
    assert.ok(hasJoined('b'));
    assert.ok(message('LinkReady').includes(`; or leave it for good: frp-k8s join --leave ${addressOf('a')}; `), message('LinkReady'));
    const left = await leave(addressOf('a'));
    assert.equal(left.code, 0, left.stderr);
    assert.match(left.stdout, new RegExp(`^left the gateway at ${addressOf('a')}, which knows this cluster as home\n`));
    assert.deepEqual(Object.keys(link()?.data ?? {}), [`${addressOf('b').replace(':', '_')}.json`]);
    await until(() => !bundle().includes(gateways.a.authority.bundlePem.trim()));
    await until(async () => !(await registry.metrics()).includes(`gateway="${addressOf('a')}"`));
    // As long as the configuration has it, sidecars dial it.
    await until(() => condition('LinkReady')?.reason === 'NotJoined');
    await start({ addresses: [addressOf('b')] });
    await until(() => condition('LinkReady')?.status === 'True' && !message('LinkReady').includes(addressOf('a')));
    await start();
  });

  it('what is not joined cannot be left, and what is kept of the others stays', async () => {
    const refused = await leave('gw-c.example.com:7000');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`has joined no gateway at gw-c\\.example\\.com:7000; it has joined: ${addressOf('b')} `));
    assert.equal(Object.keys(link()?.data ?? {}).length, 1);
  });

  it('joined anew, there is one link to each, also where the gateway has begun anew with another authority', async () => {
    await join('a');
    await until(() => hasJoined('a'));
    await gateways.a.close();
    gateways.a = await startGateway({
      port: gateways.a.port,
      authority: await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() }),
    });
    await until(() => condition('LinkReady')?.status === 'False');
    await join('a');
    await until(() => hasJoined('a'));
    assert.equal(Object.keys(link()?.data ?? {}).length, 2);
    await until(() => condition('LinkReady')?.status === 'True');
  });

  it('what has been left over the last one is no Secret', async () => {
    for (const name of names) assert.equal((await leave(addressOf(name))).code, 0);
    assert.equal(link(), undefined);
    await until(() => condition('LinkReady') === undefined);
  });
});
