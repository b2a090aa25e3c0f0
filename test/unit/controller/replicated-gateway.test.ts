/** A cluster that joins a gateway in another cluster: its controller here, and the links of two replicas there, over real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { pino } from 'pino';
import { createAuthority } from '../../../certs/authority.ts';
import { splitBundle } from '../../../certs/inspect.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { startController, type RunningController } from '../../../src/controller/controller.ts';
import { kubeKeyOwners } from '../../../src/gateway/links/key-owners-stores.ts';
import { KubeLinkStore } from '../../../src/gateway/links/kube-link-store.ts';
import { openLinkHome, type LinkHome } from '../../../src/gateway/links/link-home.ts';
import { LinkSecrets } from '../../../src/gateway/links/link-secrets.ts';
import { base64, text } from '../../../src/kube/authority-secret.ts';
import type { KubeObject, Secret } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import { ApiServer, failure } from '../kube/api-server.ts';
import { formatToken, parseToken } from '../../../src/link/token.ts';
import { joinAs, quiet, startGateway, type TestGateway } from '../link/joined.ts';

const log = pino({ level: 'silent' });
const path = '/apis/frp.io/v1beta1/namespaces/shop/distributedservices/web';
const secretPath = (name: string) => `/api/v1/namespaces/frp-system/secrets/${name}`;
const newAuthority = () => createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-replicas-'));
after(() => rmSync(directory, { recursive: true }));

describe('a cluster that has joined a gateway with two replicas', { timeout: 100_000 }, () => {
  /** of the gateway, and of the cluster that joins */
  let hub: ApiServer;
  let api: ApiServer;
  let controller: RunningController;
  const closing: { close(): Promise<void> }[] = [];
  const replicas: TestGateway[] = [];
  const addresses: string[] = [];
  /** of the tunnels' certificate, which the gateway's installation replaces now and then */
  let ofTunnels = '';

  const stored = () => api.objects.get(path) as DistributedService | undefined;
  const condition = (type: string) => stored()?.status?.conditions?.find((each) => each.type === type);
  const link = (): { addresses: string[]; authorityPem: string } => {
    const secret: Secret | undefined = api.objects.get(secretPath('frp-gateway-link'));
    const [key] = Object.keys(secret?.data ?? {});
    return key === undefined ? { addresses: [], authorityPem: '' } : (JSON.parse(text(secret!, key)) as ReturnType<typeof link>);
  };
  const clientBundle = () => {
    const secret: Secret | undefined = api.objects.get('/api/v1/namespaces/shop/secrets/frp-web-tls');
    return secret ? text(secret, 'ca.crt') : '';
  };
  const serves = (replica: TestGateway, isJoined: boolean) => (replica.sources.services.byKey('shop/web') !== undefined) === isJoined;

  async function startReplica(ordinal: number): Promise<void> {
    const secrets = new LinkSecrets({ client: hub.client, namespace: 'frp-gateway' });
    await secrets.follow(join(directory, `${ordinal}.jsonl`), quiet);
    const { authority } = (await openLinkHome(secrets, { config: configSchema.parse({}), log: quiet }))!;
    const replica = await startGateway({
      store: new KubeLinkStore(secrets, `frp-gateway-${ordinal}`),
      owners: kubeKeyOwners(secrets),
      authority,
      addresses,
      isReplicated: true,
      authoritiesPem: () => ofTunnels,
      directory: join(directory, `${ordinal}`),
    });
    replicas.push(replica);
    closing.push(secrets, replica);
  }

  before(async () => {
    [hub, api] = [await ApiServer.start(), await ApiServer.start()];
    api.absent.add('frp-gateway');
    ofTunnels = (await newAuthority()).bundlePem;
    await Promise.all([startReplica(0), startReplica(1)]);
    api.put(path, service('web'));
    const config = configSchema.parse({ gateway: { addresses } });
    controller = startController({ client: api.client, config, log, registry: new Registry(), outdated: () => [] });
  });
  after(async () => {
    await controller.close();
    for (const each of closing.reverse()) await each.close();
    for (const server of [hub, api]) server.close();
  });

  it('joins with a token of any replica, and holds a link to each', async () => {
    const token = await replicas[0]!.token('branch');
    api.put(secretPath('frp-gateway-join'), {
      metadata: { name: 'frp-gateway-join', namespace: 'frp-system', labels: { 'app.kubernetes.io/managed-by': 'frp-k8s' } },
      data: { token: base64(token) },
    } as KubeObject);
    await until(() => replicas.every((replica) => serves(replica, true)));
    await until(() => condition('LinkReady')?.status === 'True');
    for (const address of addresses) assert.match(condition('LinkReady')?.message ?? '', new RegExp(address));
    const atAnother = formatToken({ ...parseToken(token), addresses: addresses.slice(1) });
    await assert.rejects(joinAs(atAnother), { reason: 'TokenUsed' });
  });

  it('gives its sidecars the authority of the gateway’s tunnels, and the next one as soon as the gateway has it', async () => {
    const has = (bundle: string) => splitBundle(bundle).every((each) => clientBundle().includes(each));
    await until(() => has(ofTunnels));
    const before = ofTunnels;
    ofTunnels = `${before}${(await newAuthority()).bundlePem}`;
    await until(() => has(ofTunnels));
    ofTunnels = (await newAuthority()).bundlePem;
    await until(() => has(ofTunnels) && !has(before));
    assert.ok(replicas.every((replica) => serves(replica, true)));
  });

  it('dials a replica that is added', async () => {
    await startReplica(2);
    await until(() => serves(replicas[2]!, true));
    assert.deepEqual(link().addresses, addresses);
  });

  it('has nothing left at any replica once it is removed at one of them', async () => {
    assert.equal(await replicas[1]!.store.removeCluster('branch'), true);
    await until(() => replicas.every((replica) => serves(replica, false)));
    await until(() => condition('LinkReady')?.reason === 'ClusterRemoved');
  });
});

describe('the authority of the links of a gateway in a cluster', () => {
  const config = configSchema.parse({ gateway: { addresses: ['gw-0.example.com', 'gw-1.example.com:7001'] } });
  async function open(api: ApiServer, file: string): Promise<LinkHome | undefined> {
    const secrets = new LinkSecrets({ client: api.client, namespace: 'frp-gateway' });
    await secrets.follow(join(directory, file), quiet);
    try {
      return await openLinkHome(secrets, { config, log: quiet });
    } finally {
      await secrets.close();
    }
  }

  it('is one, whichever replica starts first, and says where the gateway is', async (t) => {
    const api = await ApiServer.start();
    t.after(() => api.close());
    const homes = await Promise.all(['a', 'b', 'c'].map((file) => open(api, file)));
    assert.equal(new Set(homes.map((home) => home!.authority.certPem)).size, 1);
    assert.deepEqual(homes[0]!.addresses, ['gw-0.example.com:7000', 'gw-1.example.com:7001']);
  });

  it('is not made where the gateway may not, which keeps it from serving nobody', async (t) => {
    const api = await ApiServer.start();
    t.after(() => api.close());
    api.intercept = ({ method }) => (method === 'POST' ? failure(403, 'Forbidden', 'no right to create Secrets') : undefined);
    assert.equal(await open(api, 'd'), undefined);
  });

  it('is never made anew where it is damaged: clusters have joined with it', async (t) => {
    const api = await ApiServer.start();
    t.after(() => api.close());
    const at = '/api/v1/namespaces/frp-gateway/secrets/frp-gateway-links';
    const labels = { 'app.kubernetes.io/managed-by': 'frp-k8s', 'app.kubernetes.io/component': 'gateway-link' };
    const damaged = { metadata: { name: 'frp-gateway-links', namespace: 'frp-gateway', labels }, data: { 'tls.crt': base64('x') } };
    api.put(at, damaged);
    assert.equal(await open(api, 'e'), undefined);
    assert.deepEqual((api.objects.get(at) as Secret).data, damaged.data);
  });
});
