/**
 * A connector's way from names to traffic: the controller that resolves them, frpc with the configuration that it writes,
 * and a real gateway. The app is at several addresses of loopback, and tells at which one it was asked.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { Connectors } from '../../src/controller/connectors/connectors.ts';
import type { ConfigMap } from '../../src/kube/types.ts';
import { logTo } from '../../src/log.ts';
import { service } from '../support/services.ts';
import type { TokenOptions } from '../unit/gateway/agent-tokens.ts';
import { ApiServer } from '../unit/kube/api-server.ts';
import { Gateway, type Sidecar } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const records: Record<string, string[]> = {
  'users-a.example.com': ['127.0.0.2', '127.0.0.3'],
  'users-b.example.com': ['127.0.0.4'],
};
const pod = { namespace: 'shop', name: 'frp-users-connector-1', uid: '3f2a6c1e-0000-4000-8000-000000000001' };
const connectorLabels = {
  'app.kubernetes.io/managed-by': 'frp-k8s',
  'app.kubernetes.io/component': 'connector',
  'frp.io/service': 'users',
};

describe('endpoints that are given by name', { timeout: 175_000 }, () => {
  let gateway: Gateway;
  let connectors: Connectors;
  let connector: Sidecar;
  let app: Server;
  /** requests that wait for their answer */
  const held: ServerResponse[] = [];

  const weighted = (a: number, b: number) => {
    const { port } = app.address() as AddressInfo;
    return service('users', {
      backends: {
        endpoints: [
          { host: 'users-a.example.com', port, weight: a },
          { host: 'users-b.example.com', port, weight: b },
        ],
      },
      loadBalancing: { algorithm: 'weighted', healthCheck: { type: 'http', path: '/', interval: '1s' } },
    });
  };
  const backend = (name: string) => `${name}.example.com:${(app.address() as AddressInfo).port}`;

  /** What a cluster's controller has written for the connector's frpc. */
  const written = (api = gateway.api): string | undefined => {
    const map: ConfigMap | undefined = api.objects.get('/api/v1/namespaces/shop/configmaps/frp-users-connector');
    return map?.data?.['frpc.json'];
  };
  const reconciled = (subject: ReturnType<typeof service>, addresses: number, by = connectors, api = gateway.api) =>
    eventually(`${addresses} addresses are known`, async () => {
      await by.reconcile({ ...subject, metadata: { ...subject.metadata, uid: 'uid-users' } });
      return written(api)?.match(/"localIP"/g)?.length === addresses;
    });
  /** frpc with that, as a Pod of the connector runs it. */
  const runs = (text: string, { name, uid }: typeof pod, token: TokenOptions = {}): Promise<Sidecar> => {
    const { proxies } = JSON.parse(text.replaceAll('{{ .Envs.POD_NAME }}', name).replaceAll('{{ .Envs.POD_UID }}', uid)) as {
      proxies: object[];
    };
    return gateway.sidecar({ namespace: 'shop', name, uid }, 'users', 0, { client: { proxies }, token });
  };

  const shares = async (count: number): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (let index = 0; index < count; index++) {
      const { status, body } = await gateway.request('users.example.com');
      assert.equal(status, 200, body);
      found[body] = (found[body] ?? 0) + 1;
    }
    return found;
  };
  /** Parts of 127.0.0.2 and the addresses after it, each within 5 points, over 1,000 requests. */
  const areShared = async (...wanted: number[]): Promise<void> => {
    const isNear = (found: Record<string, number>, of: number) =>
      wanted.every((part, index) => Math.abs((found[`127.0.0.${index + 2}`] ?? 0) / of - part) <= 0.05);
    await eventually(`shares of ${wanted.join(', ')}`, async () => isNear(await shares(100), 100), 60_000);
    const found = await shares(1000);
    assert.ok(isNear(found, 1000), JSON.stringify(found));
  };
  const metrics = async () => (await gateway.get('/metrics', gateway.ports.operations)).body;
  const registrations = async (): Promise<unknown> => {
    const { proxies } = JSON.parse((await gateway.get('/api/proxy/tcp', gateway.ports.frpsApi)).body) as {
      proxies: { name: string; lastStartTime: string; conf: { remotePort: number } }[];
    };
    return proxies.map(({ name, lastStartTime, conf }) => [name, lastStartTime, conf.remotePort]).sort();
  };

  before(async () => {
    app = createServer((incoming, response) => {
      if (incoming.url === '/held') held.push(response);
      else response.end(incoming.socket.localAddress);
    }).listen(0, '0.0.0.0');
    await once(app, 'listening');
    gateway = await Gateway.start();
    connectors = new Connectors({
      client: gateway.api.client,
      config: configSchema.parse({ gateway: { addresses: ['127.0.0.1'] }, connectors: { allowAddresses: ['127.0.0.0/8'] } }),
      log: logTo({ write: () => {} }),
      resolve: async (name) => records[name] ?? [],
    });
    gateway.putService(weighted(70, 30));
    await reconciled(weighted(70, 30), 3);
    gateway.putPod(pod, true, { labels: connectorLabels });
    connector = await runs(written()!, pod);
  });
  after(async () => {
    await connectors?.close();
    await gateway?.close();
    app.close();
    app.closeAllConnections();
  });

  it('share requests by their weights, however many addresses a name has', async () => {
    await areShared(0.35, 0.35, 0.3);
  });

  it('take a change of weight while they serve: nothing is written, and nothing registered anew', async () => {
    const state = async () => [await registrations(), written(), /^frp_gateway_reloads_total .*$/m.exec(await metrics())?.[0]];
    const before = await state();
    await reconciled(weighted(20, 80), 3);
    gateway.putService(weighted(20, 80));
    await areShared(0.1, 0.1, 0.8);
    assert.deepEqual(await state(), before);
    assert.equal(connector.log().match(/start proxy success/g)?.length, 3);
  });

  it('are known again to an agent that has just started', async () => {
    await gateway.stopAgent();
    gateway.putService(weighted(60, 40));
    await gateway.startAgent();
    await areShared(0.3, 0.3, 0.4);
  });

  it('have their weights through a connector in another cluster too, where names may lead elsewhere', async () => {
    const issuer = 'https://edge.example.com';
    const connector = { ...pod, name: 'frp-users-connector-2', uid: pod.uid.replace(/1$/, '2') };
    gateway.joins(
      'edge',
      { namespaces: ['shop'] },
      { kind: 'keys', key: 'tokens', value: { issuer, keys: gateway.signer.keys.keys as never } },
      { kind: 'pod', key: connector.uid, value: { namespace: connector.namespace, name: connector.name, isReady: true, ports: {} } },
    );
    await gateway.stopAgent();
    await gateway.startAgent();
    const edge = await ApiServer.start();
    const settings = { gateway: { addresses: ['127.0.0.1'] }, connectors: { allowAddresses: ['127.0.0.0/8'] } };
    const spoke = new Connectors({
      client: edge.client,
      config: configSchema.parse(settings),
      log: logTo({ write: () => {} }),
      resolve: async (name) => (name === 'users-a.example.com' ? ['127.0.0.5'] : []),
    });
    try {
      await reconciled(weighted(1, 1), 1, spoke, edge);
      await runs(written(edge)!, connector, { issuer });
      await areShared(0.2, 0.2, 0.4, 0.2);
    } finally {
      await spoke.close();
      edge.close();
      await gateway.kill('frpc frp-users-connector-2');
    }
    await areShared(0.3, 0.3, 0.4);
  });

  it('are counted by the name that the user gave', async () => {
    const of = (text: string, name: string, host: string) =>
      Number(
        new RegExp(
          `^frp_distributed_service_${name}\\{namespace="shop",name="users",backend="${backend(host)}",cluster=""\\} (.*)$`,
          'm',
        ).exec(text)?.[1],
      );
    const options = { host: '127.0.0.1', port: gateway.ports.http, path: '/held', headers: { host: 'users.example.com' }, agent: false };
    const answers = Array.from({ length: 20 }, async () => (await once(get(options), 'response'))[0] as IncomingMessage);
    await eventually('all of them are under way, of both addresses together', async () => {
      const text = await metrics();
      const [a, b] = ['users-a', 'users-b'].map((host) => of(text, 'active_connections', host)) as [number, number];
      return a + b === 20 && a > b;
    });
    for (const response of held) response.end();
    for (const answer of await Promise.all(answers)) assert.equal(answer.resume().statusCode, 200);
    const text = await metrics();
    for (const host of ['users-a', 'users-b']) assert.ok(of(text, 'requests_total', host) > 0, host);
  });
});
