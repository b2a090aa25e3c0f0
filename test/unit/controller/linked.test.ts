/** A cluster that joins a gateway elsewhere: the controller here, and the gateway's end of the link, over real sockets. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { Connectors } from '../../../src/controller/connectors/connectors.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import type { KubeObject, Secret } from '../../../src/kube/types.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';
import { joinAs, serviceItem, startCluster, startGateway, type TestGateway } from '../link/joined.ts';

const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'] } });
const run = promisify(execFile);
const log = pino({ level: 'silent' });
const path = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web';
const secretPath = (name: string) => `/api/v1/namespaces/frp-system/secrets/${name}`;
const keys = [
  { kty: 'EC', crv: 'P-256', kid: 'k', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' },
];

describe('the controller of a cluster that joins a gateway elsewhere', { timeout: 100_000 }, () => {
  let api: ApiServer;
  let gateway: TestGateway;
  let controller: RunningController;
  const stored = () => api.objects.get(path) as DistributedService | undefined;
  const condition = (type: string) => stored()?.status?.conditions?.find((each) => each.type === type);
  const putToken = (token: string) =>
    api.put(secretPath('frp-gateway-join'), {
      metadata: { name: 'frp-gateway-join', namespace: 'frp-system', labels: { 'app.kubernetes.io/managed-by': 'frp-k8s' } },
      data: { token: base64(token) },
    } as KubeObject);

  const folder = mkdtempSync(join(tmpdir(), 'join-'));
  /** `frp-k8s join TOKEN` as a person runs it. @returns what it says */
  const command = async (token: string) => {
    const main = new URL('../../../src/main.ts', import.meta.url).pathname;
    const env = { ...process.env, KUBECONFIG: join(folder, 'kubeconfig') };
    return (await run(process.execPath, [main, 'join', token, '--wait', '30s'], { env })).stdout;
  };

  before(async () => {
    gateway = await startGateway();
    api = await ApiServer.start();
    api.absent.add('frp-gateway');
    writeFileSync(join(folder, 'kubeconfig'), api.kubeconfig);
    api.intercept = ({ path: asked }) => {
      if (asked === '/.well-known/openid-configuration') return { status: 200, body: { issuer: 'https://home' } };
      return asked === '/openid/v1/jwks' ? { status: 200, body: { keys } } : undefined;
    };
    const configuration = {
      auth: { method: 'oidc' },
      proxies: [{ name: 'shop.web.01234567.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 80 }],
    };
    api.put('/api/v1/namespaces/shop/pods/web-0', {
      metadata: {
        name: 'web-0',
        namespace: 'shop',
        uid: 'uid-0',
        labels: { 'frp.io/sidecar': 'injected' },
        annotations: { 'frp.io/frpc.json': JSON.stringify(configuration), 'frp.io/weight': '3' },
      },
      status: { phase: 'Running', podIP: '10.1.1.1', conditions: [{ type: 'ContainersReady', status: 'True' }] },
    } as KubeObject);
    const labels = { 'app.kubernetes.io/managed-by': 'frp-k8s', 'app.kubernetes.io/component': 'connector' };
    api.put('/api/v1/namespaces/shop/pods/frp-web-connector-0', {
      metadata: { name: 'frp-web-connector-0', namespace: 'shop', uid: 'uid-connector', labels },
    });
    api.put('/api/v1/namespaces/shop/secrets/keys', {
      metadata: { name: 'keys', namespace: 'shop', labels: { 'frp.io/use': 'true' } },
      data: { alice: base64('a-secret-of-alice') },
    } as KubeObject);
    api.put(path, service('web', { security: { authentication: { type: 'apikey', tokenSecret: 'keys' } } }));
    const connectors = new Connectors({ client: api.client, config, log });
    controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [], connectors });
    await until(() => condition('NetworkReady')?.reason === 'NoGateway');
  });
  after(async () => {
    await controller.close();
    await gateway.close();
    api.close();
    rmSync(folder, { recursive: true });
  });

  it('tells who runs frp-k8s join why a token lets nobody in', async () => {
    const refused = { code: 1, stderr: /join: the gateway refuses: the token expired/ };
    await assert.rejects(command(await gateway.token('home', { ttlMs: -1000 })), refused);
    await assert.rejects(command('frp-join-1.half'), { code: 1, stderr: /join: this is no join token: a part of it is missing/ });
  });

  it('says in the Secret why a token lets nobody in', async () => {
    putToken(await gateway.token('home', { ttlMs: -1000 }));
    const problem = () => (api.objects.get(secretPath('frp-gateway-join')) as Secret).metadata.annotations?.['frp.io/join-problem'];
    await until(() => problem() !== undefined);
    assert.match(problem()!, /^final: the gateway refuses: the token expired/);
    assert.ok(!api.objects.has(secretPath('frp-gateway-link')));
  });

  it('joins with a token, which it deletes, and tells the gateway what it needs and no secret beyond', async () => {
    const said = await command(await gateway.token());
    assert.match(said, /^Secret frp-system\/frp-gateway-join has the token for the gateway at 127\.0\.0\.1:\d+\njoined; /);
    await until(() => gateway.sources.services.byKey('shop/web') !== undefined);
    await until(() => gateway.sources.podOf({ cluster: 'home', namespace: 'shop', pod: 'web-0', uid: 'uid-0' }) !== undefined);
    assert.ok(!api.objects.has(secretPath('frp-gateway-join')));
    const source = gateway.sources.all.find(({ cluster }) => cluster === 'home')!;
    assert.deepEqual(source.pods?.get('uid-0'), {
      namespace: 'shop',
      name: 'web-0',
      isReady: true,
      weight: 3,
      ip: '10.1.1.1',
      ports: { web: 80 },
    });
    assert.equal(source.pods?.get('uid-connector')?.name, 'frp-web-connector-0', 'connectors have tunnels too');
    await until(() => source.tokens.issuer() === 'https://home');
    await until(() => source.copies.get('credentials', 'shop/keys') !== undefined);
    assert.match(source.copies.value('credentials', 'shop/keys', 'clients.json')!, /^\{"[0-9a-f]{64}":"alice"\}$/);
    assert.ok(!JSON.stringify(source.copies.get('credentials', 'shop/keys')).includes(base64('a-secret-of-alice')));
    const authority = api.objects.get(secretPath('frp-ca')) as Secret;
    assert.deepEqual(
      source.copies.of('client-ca').map((copy) => text(copy, 'ca.crt')),
      [text(authority, 'tls.crt')],
    );
  });

  it("gives sidecars the gateway's authority beside its own", async () => {
    const bundle = () => text(api.objects.get('/api/v1/namespaces/shop/secrets/frp-web-tls') as Secret, 'ca.crt');
    await until(() => bundle().includes(gateway.authority.bundlePem.trim()));
    assert.ok(bundle().startsWith(text(api.objects.get(secretPath('frp-ca')) as Secret, 'tls.crt').trim()));
  });

  it('has the status from the gateway, as of one in the cluster', async () => {
    gateway.statuses.push({ name: 'shop.web.01234567.web-0.uid-0', status: 'online', elsewhere: 'home/web-0' });
    await until(() => stored()?.status?.activeBackends === 1);
    assert.equal(stored()?.status?.endpoints?.[0]?.healthy, true);
    assert.deepEqual([condition('LinkReady')?.status, condition('LinkReady')?.reason], ['True', 'Linked']);
    assert.equal(condition('NetworkReady')?.status, 'True');
    gateway.statuses[0] = { ...gateway.statuses[0]!, status: 'offline', reason: 'GET /health answered 503' };
    await until(() => stored()?.status?.endpoints?.[0]?.reason === 'GET /health answered 503');
  });

  it('says why the gateway turns a Pod away, in its status and by an Event', async () => {
    const before = gateway.statuses.splice(0);
    const reason = 'refused by the gateway, NoPort: the gateway has no free port';
    gateway.statuses.push({ name: 'shop.web.00000000.web-0.uid-0', status: 'offline', isRefused: true, elsewhere: 'home/web-0', reason });
    const events = () =>
      [...api.objects].flatMap(([at, object]) =>
        at.includes('/events/') ? [object as unknown as { reason: string; note?: string; message?: string }] : [],
      );
    await until(() => events().some((event) => event.reason === 'BackendRefused'));
    const [event] = events().filter((each) => each.reason === 'BackendRefused');
    assert.equal(event?.note ?? event?.message, `Backend web-0 ${reason}`);
    assert.equal(stored()?.status?.endpoints?.[0]?.reason, reason);
    gateway.statuses.splice(0, Infinity, ...before);
  });

  it('says that its Pods want more tunnels than they may have, as long as they do, and by an Event', async () => {
    const refusal = { service: 'shop/web', reason: 'TooManyTunnels' as const };
    gateway.refusedTunnels.push({ ...refusal, cluster: 'home', message: 'Pod shop/web-0 has 32 tunnels open' });
    gateway.refusedTunnels.push({ ...refusal, cluster: 'other', message: 'Pod shop/web-9 has 32 tunnels open' });
    await until(() => condition('TunnelsRefused')?.status === 'True');
    const { reason, message } = condition('TunnelsRefused')!;
    assert.deepEqual([reason, message], ['TooManyTunnels', 'The gateway refuses tunnels: Pod shop/web-0 has 32 tunnels open']);
    assert.notEqual(condition('ConfigurationValid')?.status, 'False');
    const isEvent = ([at, object]: [string, KubeObject]) =>
      at.includes('/events/') && (object as unknown as { reason: string }).reason === 'TooManyTunnels';
    await until(() => [...api.objects].some(isEvent));
    gateway.refusedTunnels.splice(0);
    await until(() => condition('TunnelsRefused') === undefined);
  });

  it('is not Ready while several backends, of whichever cluster, say that they are the primary', async () => {
    const databasePath = path.replace('/web', '/pg');
    const roles = { discovery: { mode: 'auto' as const }, readWrite: { writePort: 5432, readPort: 5433 } };
    const ready = () =>
      (api.objects.get(databasePath) as DistributedService | undefined)?.status?.conditions?.find(({ type }) => type === 'Ready');
    api.put(databasePath, service('pg', { serviceType: 'tcp', backends: roles }));
    gateway.statuses.push({ name: 'shop.pg.00000000.pg-0.uid-7', status: 'online', elsewhere: 'home/pg-0', isPrimary: true });
    gateway.pools.push({ service: 'shop/pg', up: 2 }, { service: 'shop/pg', pool: 'read', up: 0 }, { service: 'shop/other', up: 1 });
    // The Pods of this cluster are told of by its watch, so the backend is a Pod.
    api.put('/api/v1/namespaces/shop/pods/pg-0', {
      metadata: {
        name: 'pg-0',
        namespace: 'shop',
        uid: 'uid-7',
        labels: { 'frp.io/sidecar': 'injected' },
        annotations: {
          'frp.io/frpc.json': JSON.stringify({
            auth: { method: 'oidc' },
            proxies: [{ name: 'shop.pg.00000000.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 5432 }],
          }),
        },
      },
      status: { phase: 'Running', podIP: '10.1.1.7', conditions: [{ type: 'ContainersReady', status: 'True' }] },
    } as KubeObject);
    await until(() => ready()?.reason === 'SeveralPrimaries');
    assert.match(ready()?.message ?? '', /^1 backends available; 2 backends say that they are the primary/);
    gateway.pools[0] = { service: 'shop/pg', up: 1 };
    await until(() => ready()?.status === 'True');
    gateway.pools.splice(0);
    gateway.statuses.pop();
    api.remove(databasePath);
    api.remove('/api/v1/namespaces/shop/pods/pg-0');
  });

  it('names the fields that a cluster which joined before says otherwise, as long as it does', async () => {
    const other = startCluster(await joinAs(await gateway.token('first')));
    const records = await gateway.store.clusters();
    await gateway.store.putCluster({ ...records.get('first')!, joined: 1 });
    other.end.outbox.set(serviceItem('web', { namespace: 'shop' }));
    await until(() => gateway.sources.all.length === 3);
    // The order is that of joining, when the gateway starts.
    await gateway.close();
    const { directory, port, authority } = gateway;
    gateway = await startGateway({ directory, port, authority });
    await until(() => gateway.sources.decidingCluster('shop/web') === 'first');
    await until(() => condition('SpecDiffers')?.status === 'True');
    assert.match(
      condition('SpecDiffers')!.message!,
      /^Cluster first that joined the gateway before this one .* users get what it says of spec\.security; make them the same$/,
    );
    await other.close();
    await gateway.store.removeCluster('first');
    await until(() => condition('LinkReady')?.status === 'True' && condition('SpecDiffers') === undefined);
  });

  it('says since when there is no link and why, and goes on by itself when the gateway is back', async () => {
    await gateway.close();
    await until(() => condition('LinkReady')?.status === 'False' && /connection refused/.test(condition('LinkReady')!.message!));
    assert.match(
      condition('LinkReady')!.message!,
      /^No link to the gateway since .*Z: 127\.0\.0\.1:\d+: connection refused; it is tried again/,
    );
    await until(() => condition('NetworkReady')?.reason === 'LinkDown');
    const words = /^No link to the gateway since .*Z: 127\.0\.0\.1:\d+: connection refused\. The gateway goes on/;
    for (const type of ['NetworkReady', 'Ready']) assert.match(condition(type)!.message!, words);
    const { directory, port, authority } = gateway;
    gateway = await startGateway({ directory, port, authority });
    assert.ok(gateway.sources.services.byKey('shop/web'), 'served before the cluster is back');
    await until(() => condition('LinkReady')?.status === 'True');
  });
});
