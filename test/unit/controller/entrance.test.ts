import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { Entrance } from '../../../src/controller/backends/entrance.ts';
import type { ClusterService } from '../../../src/kube/types.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';

let api: ApiServer;
let entrance: Entrance | undefined;
let server: Server;
let changes: number;
beforeEach(async () => {
  api = await ApiServer.start();
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  changes = 0;
});
afterEach(async () => {
  await entrance?.close();
  server.close();
  api.close();
});

const portOf = () => (server.address() as AddressInfo).port;

async function start(gateway: object): Promise<Entrance> {
  entrance = new Entrance({
    client: api.client,
    config: configSchema.parse({ gateway }),
    log: pino({ level: 'silent' }),
    changed: () => changes++,
  });
  entrance.followGateway(true);
  await entrance.known();
  return entrance;
}

const users = (more: Pick<ClusterService, 'spec' | 'status'>) =>
  api.put('/api/v1/namespaces/frp-gateway/services/frp-gateway-users', {
    metadata: { name: 'frp-gateway-users', namespace: 'frp-gateway' },
    ...more,
  });

describe('the entrance for users', () => {
  const tcp = [{ kind: 'tcp', port: 5432 }] as const;

  it('is another Service of the namespace that leads to the same Pods, and publishes the port', async () => {
    users({ spec: { selector: { app: 'frp-gateway' }, ports: [{ port: 80 }] } });
    const found = await start({ addresses: ['127.0.0.1'] });
    const other = (selector: Record<string, string>) =>
      api.put('/api/v1/namespaces/frp-gateway/services/mine', {
        metadata: { name: 'mine', namespace: 'frp-gateway' },
        spec: { selector, ports: [{ port: 5432 }] },
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } },
      } as ClusterService);
    other({ app: 'other' });
    assert.equal(found.problemOf(tcp, true, true)?.reason, 'PortNotPublished');
    other({ app: 'frp-gateway' });
    await until(() => found.problemOf(tcp, true, true) === undefined);
    assert.equal(found.addressOf(true), '192.0.2.7');
  });

  it('is said of the values of the chart where Helm made the Service', async () => {
    api.put('/api/v1/namespaces/frp-gateway/services/frp-gateway-users', {
      metadata: { name: 'frp-gateway-users', namespace: 'frp-gateway', labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
      spec: { ports: [{ port: 80 }] },
    } as ClusterService);
    const found = await start({ addresses: ['127.0.0.1'] });
    assert.match(
      found.problemOf(tcp, true, true)?.message ?? '',
      /add it to gateway\.service\.ports of the chart's values, or now: kubectl/,
    );
  });

  it('is missing where the Service for users does not publish the port, with the command that adds it', async () => {
    users({ spec: { ports: [{ port: 80 }] } });
    const found = await start({ addresses: ['127.0.0.1'] });
    const problem = found.problemOf(tcp, true, true);
    assert.deepEqual([problem?.reason, problem?.isPartial], ['PortNotPublished', false]);
    assert.match(
      problem?.message ?? '',
      /TCP port 5432 is not among the ports of Service frp-gateway\/frp-gateway-users.*kubectl -n frp-gateway patch service/,
    );
    const named = found.problemOf(tcp, true, true, true);
    assert.equal(named?.isPartial, true, 'the cluster has another way');
    assert.equal(found.problemOf([{ kind: 'http', host: 'a.example.com', path: '/' }], true, true), undefined);
    users({ spec: { ports: [{ port: 80 }, { port: 5432 }] } });
    await until(() => found.problemOf(tcp, true, true) === undefined);
  });

  it('is missing for each of several ports that the Service does not publish, with one command for all', async () => {
    users({ spec: { ports: [{ port: 80 }, { port: 5432 }] } });
    const found = await start({ addresses: ['127.0.0.1'] });
    const message = found.problemOf([...tcp, { kind: 'tcp', port: 25 }, { kind: 'tcp', port: 587 }], true, true)?.message ?? '';
    assert.match(message, /^TCP ports 25, 587 are not among the ports of Service/);
    const patch = JSON.parse(/-p '(.*)'$/.exec(message)![1]!) as { value: { port: number } }[];
    assert.deepEqual(
      patch.map(({ value }) => value.port),
      [25, 587],
    );
  });

  it('is not judged where there is no such Service, or the configuration says that users come by another way', async () => {
    assert.equal((await start({ addresses: ['127.0.0.1'] })).problemOf(tcp, true, true), undefined);
    await entrance!.close();
    users({ spec: { ports: [] } });
    assert.equal((await start({ addresses: ['127.0.0.1'], usersService: '' })).problemOf(tcp, true, true), undefined);
  });

  it('has the address of the configuration, else of the load balancer, else the name in the cluster', async () => {
    users({ spec: { ports: [] } });
    const found = await start({ addresses: ['127.0.0.1'] });
    assert.equal(found.addressOf(true), 'frp-gateway-users.frp-gateway.svc');
    users({ spec: { ports: [] }, status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } } });
    await until(() => found.addressOf(true) === '203.0.113.9');
    assert.ok(changes > 0);
    await found.close();
    assert.equal((await start({ addresses: ['127.0.0.1'], publicAddress: 'apps.example.com' })).addressOf(true), 'apps.example.com');
  });
});

describe('the addresses of the gateway', () => {
  it('are told when they do not answer or do not resolve three times in a row, and until they do', async () => {
    const address = `127.0.0.1:${portOf()}`;
    server.close();
    await once(server, 'close');
    const found = await start({ addresses: [address] });
    for (let look = 0; look < 2; look++) await found.look();
    assert.equal(found.problemOf([], true, false), undefined);
    await found.look();
    const problem = found.problemOf([], true, false);
    assert.deepEqual([problem?.reason, problem?.isPartial], ['AddressUnreachable', false]);
    assert.match(problem?.message ?? '', new RegExp(`${address} does not answer \\(ECONNREFUSED\\); correct gateway\\.addresses`));
    // Somebody is online there, so there is a way that is not seen from here.
    assert.equal(found.problemOf([], true, true)?.isPartial, true);
    const [host = '', port] = address.split(':');
    server = createServer().listen(Number(port), host);
    await once(server, 'listening');
    await found.look();
    assert.equal(found.problemOf([], true, false), undefined);
  });

  it('are partly good where one of them answers', async () => {
    const found = await start({ addresses: [`127.0.0.1:${portOf()}`, 'nowhere.invalid:7000'] });
    for (let look = 0; look < 3; look++) await found.look();
    const problem = found.problemOf([], true, false);
    assert.equal(problem?.isPartial, true);
    assert.match(problem.message, /nowhere\.invalid:7000 does not (resolve|answer) \(/);
  });
});
