/** A Pod of several groups in one tunnel, through a real gateway: a group that is refused or deleted leaves the others as they are. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { KubeObject } from '../../src/kube/types.ts';
import { revokedText } from '../../src/model/revocation.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const pod = { namespace: 'shop', name: 'app-1', uid: '5c2a6c1e-0000-4000-8000-000000000001' };
const serviceAt = (name: string) => `/apis/frp.io/v1beta1/namespaces/shop/distributedservices/${name}`;

describe('a Pod of several groups behind the gateway', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let open: ServerResponse | undefined;
  let answer: IncomingMessage;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway?.close());

  const answers = (name: string, status: number) =>
    eventually(`${name} answers ${status}`, async () => (await gateway.request(`${name}.example.com`)).status === status);
  /** What the app says now comes through the connection of before. */
  async function isConnected(): Promise<void> {
    const said = once(answer, 'data');
    open!.write('still');
    assert.equal(String((await said)[0]), 'still');
  }
  const revoke = (data: Record<string, string>) =>
    gateway.api.put('/api/v1/namespaces/frp-system/configmaps/frp-revoked', {
      metadata: { name: 'frp-revoked', namespace: 'frp-system' },
      data,
    } as KubeObject);
  const isListed = (hash: string) =>
    eventually('it is listed', () => readFileSync(join(gateway.directory, 'tunnel/current/revoked.acl'), 'utf8').includes(hash));

  it('is served by all of them but the one that is refused', async () => {
    const port = await gateway.listen(
      createServer((incoming, to) => {
        if (incoming.url !== '/stream') return void to.end('app');
        open = to;
        to.write('begun');
      }),
    );
    for (const name of ['web', 'admin']) gateway.putService(service(name));
    gateway.putPod(pod);
    const proxies = ['web', 'admin', 'nobody'].map((name) => ({
      name: `shop.${name}.0a1b2c3d.${pod.name}.${pod.uid}`,
      type: 'tcp',
      localIP: '127.0.0.1',
      localPort: port,
    }));
    // Its certificate is that of web.
    const { log } = await gateway.sidecar(pod, 'web', port, { client: { proxies } });
    await answers('web', 200);
    await answers('admin', 200);
    await eventually('it is refused', () => /UnknownService: there is no DistributedService shop\/nobody/.test(log()));
    const call = request({
      host: '127.0.0.1',
      port: gateway.ports.http,
      path: '/stream',
      headers: { host: 'admin.example.com' },
      agent: false,
    });
    call.on('error', () => {}).end();
    [answer] = (await once(call, 'response')) as [IncomingMessage];
    answer.on('error', () => {});
    await once(answer, 'data');
    await isConnected();
  });

  it('keeps the connections of the others when the one is deleted whose certificate it shows, and its certificate is revoked', async () => {
    gateway.api.remove(serviceAt('web'));
    await answers('web', 404);
    await isConnected();
    const { fingerprint256 } = new X509Certificate(readFileSync(join(gateway.directory, pod.uid, 'tls.crt')));
    const hash = fingerprint256.replaceAll(':', '').toLowerCase();
    const now = Date.now();
    const text = revokedText({ end: now + 3_600_000, namespace: 'shop', from: now });
    revoke({ [hash]: text });
    await isListed(hash);
    // By it nobody comes in any more.
    const again = gateway.run('frpc again', process.env.FRPC!, ['-c', join(gateway.directory, pod.uid, 'frpc.json')]);
    await eventually('it is refused', () => /connect to server error/.test(gateway.output('frpc again')));
    again.kill('SIGKILL');
    await isConnected();
    await answers('admin', 200);

    // With the last of its services the tunnel ends too.
    const ended = new Promise((resolve) => answer.once('close', resolve));
    gateway.api.remove(serviceAt('admin'));
    await answers('admin', 404);
    revoke({ [hash]: text, ['b'.repeat(64)]: text });
    await isListed('b'.repeat(64));
    await eventually('frpc has to connect anew', () =>
      /try to connect to server[^]*try to connect to server/.test(gateway.output(`frpc ${pod.name}`)),
    );
    await ended;
  });

  it('loses its tunnel where the certificate is listed by hand', async () => {
    const other = { ...pod, name: 'app-2', uid: '5c2a6c1e-0000-4000-8000-000000000002' };
    const { port } = await gateway.app('other');
    gateway.putService(service('other'));
    gateway.putPod(other);
    await gateway.sidecar(other, 'other', port);
    await answers('other', 200);
    const { fingerprint256 } = new X509Certificate(readFileSync(join(gateway.directory, other.uid, 'tls.crt')));
    revoke({ [fingerprint256.replaceAll(':', '').toLowerCase()]: '' });
    await answers('other', 503);
  });
});
