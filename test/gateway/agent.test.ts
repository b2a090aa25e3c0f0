/** The agent between a real frps, real frpc processes and two real HAProxies. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../src/kube/types.ts';
import { base64 } from '../../src/kube/authority-secret.ts';
import { service } from '../support/services.ts';
import { Gateway, type Sidecar } from './agent-harness.ts';
import { eventually } from './eventually.ts';

const uid = (end: number) => `3f2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const pod = (end: number, namespace = 'shop') => ({ namespace, name: `web-${end}`, uid: uid(end) });
const name = (end: number) => `shop.web.0a1b2c3d.web-${end}.${uid(end)}`;
const web = service('web', { loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', path: '/', interval: '1s' } } });
const credentials = { authorization: `Basic ${Buffer.from('frp-k8s:status').toString('base64')}` };

let gateway: Gateway;

async function joins(end: number): Promise<Sidecar> {
  const { port } = await gateway.app(`app ${end}`);
  gateway.putPod(pod(end));
  return gateway.sidecar(pod(end), 'web', port);
}

/** Names of the apps that answer, once these and no others do. */
const serve = (...apps: number[]) =>
  eventually(`apps ${apps.join(', ')} answer`, async () => {
    const seen = new Set<string>();
    for (let index = 0; index < 4 * apps.length; index++) {
      const { status, body } = await gateway.request('web.example.com');
      if (status !== 200) return undefined;
      seen.add(body);
    }
    return [...seen].sort().join() === apps.map((end) => `app ${end}`).join();
  });

/** Requests one after the other while something happens. @returns those that failed */
async function failuresDuring(work: () => Promise<unknown>): Promise<{ count: number; failures: string[] }> {
  const failures: string[] = [];
  let isOver = false;
  let count = 0;
  const load = (async () => {
    while (!isOver) {
      count++;
      const { status, body } = await gateway.request('web.example.com').catch((error: Error) => ({ status: 0, body: error.message }));
      if (status !== 200) failures.push(`${status} ${body}`);
      await sleep(5);
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await load;
  }
  return { count, failures };
}

interface Statuses {
  proxies: { name: string; status: string }[];
}
const statuses = async () => (JSON.parse((await gateway.status('/api/proxy/tcp', credentials)).body) as Statuses).proxies;
const metric = async (start: string) => {
  const { body } = await gateway.get('/metrics', gateway.ports.operations);
  return Number(
    body
      .split('\n')
      .find((line) => line.startsWith(start))
      ?.split(' ')
      .at(-1) ?? 0,
  );
};

describe('the gateway', { timeout: 175_000 }, () => {
  before(async () => {
    gateway = await Gateway.start();
    gateway.putService(web);
  });
  after(() => gateway?.close());

  it('answers a request through HAProxy, frps, frpc and the app', async () => {
    await joins(1);
    await serve(1);
  });

  it('spreads requests over Pods that join, without a failed request', async () => {
    const { count, failures } = await failuresDuring(async () => {
      await joins(2);
      await joins(3);
      await serve(1, 2, 3);
    });
    assert.deepEqual(failures, []);
    assert.ok(count > 10);
  });

  it('tells the controller which members serve, and nobody without the password', async () => {
    // Whoever asks within a second of another has the same answer of HAProxy's.
    const expected = [1, 2, 3].map((end) => ({ name: name(end), status: 'online' }));
    await eventually('all are told to serve', async () => isDeepStrictEqual(await statuses(), expected), 5_000);
    assert.equal((await gateway.status('/api/proxy/tcp')).status, 401);
  });

  it('takes a Pod out at once when it is being deleted or not ready, and in again, without a failed request', async () => {
    const { failures } = await failuresDuring(async () => {
      gateway.putPod(pod(3), true, { deletionTimestamp: new Date().toISOString() });
      gateway.putPod(pod(2), false);
      await serve(1);
      gateway.putPod(pod(3));
      gateway.putPod(pod(2));
      await serve(1, 2, 3);
    });
    assert.deepEqual(failures, []);
  });

  it('loses no request when a sidecar is killed', async () => {
    const { failures } = await failuresDuring(async () => {
      await gateway.kill('frpc web-3');
      await eventually('the member is gone', async () => (await statuses()).every((proxy) => proxy.name !== name(3)));
      await serve(1, 2);
    });
    assert.deepEqual(failures, []);
  });

  it('goes on without its agent, and the next agent knows every member', async () => {
    const { failures } = await failuresDuring(async () => {
      await gateway.stopAgent();
      await sleep(300);
      await gateway.startAgent();
      await serve(1, 2);
      // A member that goes after the restart is noticed as before.
      await joins(4);
      await serve(1, 2, 4);
      await gateway.kill('frpc web-2');
      await serve(1, 4);
    });
    assert.deepEqual(failures, []);
    assert.equal(await metric('frp_gateway_reloads_total'), 0);
  });

  it('has the same members again after frps has crashed', async () => {
    await gateway.kill('frps');
    await eventually('nobody is taken for a member', async () => (await statuses()).length === 0);
    await gateway.startFrps();
    await serve(1, 4);
    assert.equal((await statuses()).length, 2);
  });

  it('has the same state again after either HAProxy has crashed', async () => {
    await gateway.kill('users');
    const waiting = gateway.request('web.example.com');
    await eventually('the fallback listener takes a user', async () => (await metric('frp_gateway_fallback_connections_total')) > 0);
    gateway.startUsers();
    assert.equal((await waiting).status, 200);
    await serve(1, 4);
    await gateway.kill('tunnel');
    gateway.startTunnel();
    await serve(1, 4);
    await joins(5);
    await serve(1, 4, 5);
  });

  it('takes a change of the service without a new session of any sidecar', async () => {
    gateway.putService({ ...web, spec: { ...web.spec, expose: { type: 'domain', domain: 'new.example.com' } } });
    await eventually('the new host answers', async () => (await gateway.request('new.example.com')).status === 200);
    assert.equal((await gateway.request('web.example.com')).status, 404);
    gateway.putService(web);
    await serve(1, 4, 5);
  });

  it('counts requests by backend, from HAProxy, and times a sample of them', async () => {
    const before = await metric('frp_distributed_service_requests_total{namespace="shop",name="web",backend="web-5",cluster=""}');
    for (let index = 0; index < 300; index++) await gateway.request('web.example.com');
    await eventually('the requests are counted', async () => {
      const now = await metric('frp_distributed_service_requests_total{namespace="shop",name="web",backend="web-5",cluster=""}');
      return now - before >= 100 && now - before < 130;
    });
    const { body } = await gateway.get('/metrics', gateway.ports.operations);
    for (const line of [
      /frp_distributed_service_request_duration_seconds_bucket\{le="300",namespace="shop",name="web",backend="web-[145]",cluster=""\} [1-9]/,
      /frp_distributed_service_time_to_first_byte_seconds_count\{namespace="shop",name="web",backend="web-[145]",cluster=""\} [1-9]/,
      /frp_distributed_service_bytes_total\{namespace="shop",name="web",backend="web-5",cluster="",direction="out"\} [1-9]/,
      /frp_distributed_service_backend_responses_total\{namespace="shop",name="web",backend="web-5",cluster="",code="2xx"\} [1-9]/,
      /frp_distributed_service_responses_total\{namespace="shop",name="web",code="2xx"\} [1-9]/,
      /frp_distributed_service_backend_up\{namespace="shop",name="web",backend="web-5",cluster=""\} 1/,
    ])
      assert.match(body, line);
    assert.match(body, /frp_gateway_certificate_expiry_timestamp_seconds\{certificate="server"\} 1[0-9]{9}/);
  });

  describe('turns away', () => {
    /** Starts a sidecar that must not get in, and waits until it has been told why. */
    async function isRefused(reason: string, start: () => Promise<Sidecar>): Promise<void> {
      const before = await metric(`frp_gateway_refusals_total{reason="${reason}"}`);
      const sidecar = await start();
      await eventually(`the sidecar is told ${reason}`, () => sidecar.log().includes(`${reason}: `));
      assert.ok((await metric(`frp_gateway_refusals_total{reason="${reason}"}`)) > before);
      assert.ok(gateway.lines.some((line) => line.event === 'refusal' && line.reason === reason));
      sidecar.process.kill('SIGKILL');
    }
    const bad = async (end: number, options: Parameters<Gateway['sidecar']>[3], who = pod(end)) => {
      gateway.putPod(who);
      return gateway.sidecar(who, 'web', 9, options);
    };

    it('a token of another audience, an expired one, one of a deleted Pod, of an unknown issuer and none', async () => {
      await isRefused('WrongAudience', () => bad(20, { token: { audience: 'https://kubernetes.default.svc' } }));
      await isRefused('TokenExpired', () => bad(21, { token: { expiresIn: -3600 } }));
      await isRefused('PodGone', () => gateway.sidecar(pod(22), 'web', 9));
      // What frpc sends then is a digest of its shared secret (frp pkg/auth/token.go).
      await isRefused('TokenInvalid', () => bad(23, { client: { auth: { method: 'token', token: '' } } }));
      await isRefused('UnknownIssuer', () => bad(24, { token: { issuer: 'https://evil.example' } }));
    });

    it("a Pod with another namespace's group, another Pod's name, or a type that would open a port for users", async () => {
      await isRefused('WrongName', () => bad(30, { proxy: { name: `shop.web.0a1b2c3d.web-30.${uid(30)}` } }, pod(30, 'bank')));
      await isRefused('WrongName', () => bad(31, { proxy: { name: name(1) } }));
      await isRefused('WrongName', () => bad(32, { client: { user: 'bank' } }));
      await isRefused('WrongType', () => bad(33, { proxy: { type: 'http', customDomains: ['web.example.com'] } }));
      await isRefused('Grouped', () => bad(34, { proxy: { loadBalancer: { group: 'shop/web', groupKey: 'x' } } }));
      await isRefused('UnknownService', () => bad(35, { proxy: { name: `shop.other.0a1b2c3d.web-35.${uid(35)}` } }));
    });

    it('metadata and a port that a client claims for itself', async () => {
      const { port } = await gateway.app('app 6');
      gateway.putPod(pod(6));
      await gateway.sidecar(pod(6), 'web', port, {
        proxy: { remotePort: 10_123 },
        client: { metadatas: { session: 'forged', namespace: 'bank' } },
      });
      await serve(1, 4, 5, 6);
      const { proxies } = JSON.parse((await gateway.get('/api/proxy/tcp', gateway.ports.frpsApi)).body) as {
        proxies: { name: string; user: string; conf?: { remotePort: number } }[];
      };
      const found = proxies.find((proxy) => proxy.name === name(6));
      assert.equal(found?.user, `shop/web-6/${uid(6)}/`);
      assert.notEqual(found?.conf?.remotePort, 10_123);
      await gateway.kill('frpc web-6');
    });

    it('who has no client certificate, and one whose certificate is revoked at once, while the others stay', async () => {
      const without = await bad(40, { client: { transport: { tls: { enable: true, serverName: '127.0.0.1' } } } });
      await eventually('it is refused', () => /connect to server error/.test(without.log()));
      without.process.kill('SIGKILL');
      const { fingerprint256 } = new X509Certificate(readFileSync(join(gateway.directory, uid(5), 'tls.crt')));
      const revoked = fingerprint256.replaceAll(':', '').toLowerCase();
      gateway.api.put('/api/v1/namespaces/frp-system/configmaps/frp-revoked', {
        metadata: { name: 'frp-revoked', namespace: 'frp-system' },
        data: { [revoked]: '2030-01-01T00:00:00Z' },
      } as KubeObject);
      await eventually('it is listed', () => readFileSync(join(gateway.directory, 'tunnel/current/revoked.acl'), 'utf8').includes(revoked));
      await gateway.kill('frpc web-5');
      const again = gateway.run('frpc again', process.env.FRPC!, ['-c', join(gateway.directory, uid(5), 'frpc.json')]);
      await eventually('it is refused', () => /connect to server error/.test(gateway.output('frpc again')));
      again.kill('SIGKILL');
      await serve(1, 4);
    });
  });

  it('lets clients in by the keys that the controller has copied, and nobody where there are none', async () => {
    const protectedBy = {
      ...web,
      spec: { ...web.spec, security: { authentication: { type: 'apikey' as const, tokenSecret: 'clients' } } },
    };
    gateway.putService(protectedBy);
    await eventually('nobody may', async () => (await gateway.request('web.example.com')).status === 503);
    const digest = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'; // of "secret"
    const metadata = {
      name: 'frp-gw-0123456789ab',
      namespace: 'frp-gateway',
      labels: { 'frp.io/gateway-copy': 'true' },
      annotations: { 'frp.io/copy-of': 'shop/clients', 'frp.io/copy-kind': 'credentials' },
    };
    const data = { 'clients.json': base64(JSON.stringify({ [digest]: 'alice' })) };
    gateway.api.put('/api/v1/namespaces/frp-gateway/secrets/frp-gw-0123456789ab', { metadata, data } as KubeObject);
    await eventually('alice may', async () => (await gateway.request('web.example.com', '/', { 'x-api-key': 'secret' })).status === 200);
    assert.equal((await gateway.request('web.example.com')).status, 401);
    assert.equal((await gateway.request('web.example.com', '/', { 'x-api-key': 'wrong' })).status, 401);
    gateway.putService(web);
    await serve(1, 4);
  });

  it('stays Ready while the certificate of the tunnels is not there: they go on with the one of before', async () => {
    const path = '/api/v1/namespaces/frp-system/secrets/frp-gateway-tls';
    const secret = gateway.api.objects.get(path)!;
    gateway.api.remove(path);
    await eventually('the agent has seen it', () => gateway.lines.some(({ msg }) => /frp-gateway-tls is not there/.test(String(msg))));
    assert.equal((await gateway.get('/readyz', gateway.ports.operations)).status, 200);
    gateway.api.put(path, secret);
    await serve(1, 4);
  });

  it('takes users elsewhere when it is told to end, and goes on serving', async () => {
    gateway.agent!.drain();
    assert.equal((await gateway.get('/readyz', gateway.ports.operations)).status, 503);
    await serve(1, 4);
  });
});
