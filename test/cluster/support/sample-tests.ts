/**
 * The services of manifests/samples (R2, and R1.29) through a gateway, as they are written, with every field that they set.
 * A name like user-service-1.internal is here the Service user-service-1 of namespace `internal`. The sample postgres-proxy has
 * a suite of its own, with PostgreSQL: 83.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, podsThatAnswer, type Answer, type Asked } from './ask.ts';
import { certificatesReadyBecomes } from './certificates.ts';
import { conditionOf, counts } from './controller.ts';
import { grpcCall, grpcCalls, type GrpcUser } from './grpc.ts';
import type { Issuer, Token } from './issuer.ts';
import { get, items, kubectl, rolledOut, type Json, type Manifest } from './kubectl.ts';
import { eventually } from './run.ts';
import { runningIn, sample } from './samples.ts';

/** A gateway that has the samples (sample-subjects.ts). */
export interface SamplesGateway {
  /** where users come by http */
  address: string;
  port: number;
  /** addresses of its replicas, where users come at port 8080 */
  replicas: readonly string[];
  /** of a replica */
  grpcUrl: string;
  /** six, each with an address of its own */
  grpcUsers: () => Promise<GrpcUser[]>;
  issuer: Issuer;
  /** of HAProxy for users, of a replica */
  config: () => Promise<string>;
  /** its processes: the same list later means that none was started anew */
  running: () => Promise<unknown>;
  /** of a replica's frps: GET /api/proxy/tcp */
  tcpProxies: () => Promise<string>;
}

export function sampleTests(gateway: () => SamplesGateway): void {
  const asks = (asked: Asked): Promise<Answer> => ask(gateway().address, asked, gateway().port);
  const pods = (count: number, asked: Asked): Promise<Map<string, number>> =>
    podsThatAnswer(gateway().address, count, asked, gateway().port);
  const running = async (namespace: string): Promise<unknown> => [await runningIn(namespace), await gateway().running()];
  const backend = async (key: string): Promise<string> => sectionOf(key, await gateway().config());
  const registered = async (): Promise<unknown> => connectorProxies(await gateway().tcpProxies());

  const ollama = (headers: Record<string, string>, path = '/v1/chat') => ({ host: 'llm.example.com', path, headers });
  const key = (value: string) => ({ 'x-api-key': value });

  test('ollama: without a key, and with a wrong one, the answer is 401 and says why', async () => {
    await rolledOut('ai-services', 'ollama');
    await eventually('the service with its keys', async () => assert.equal((await asks(ollama(key('key-of-team')))).status, 200));
    const without = await asks(ollama({}));
    assert.equal(without.status, 401);
    assert.match(without.body, /needs an API key.*X-API-Key/);
    const wrong = await asks(ollama(key('wrong')));
    assert.equal(wrong.status, 401);
    assert.match(wrong.body, /not known/);
  });

  test('ollama: all replicas answer to the key, in either header', async () => {
    for (const headers of [key('key-of-team'), { authorization: 'Bearer key-of-team' }])
      await eventually('answers of three Pods', async () => assert.equal((await pods(30, ollama(headers))).size, 3));
    await counts('ai-services', 'ollama-cluster', 3, 3);
  });

  test('ollama: the path counts by whole segments', async () => {
    const statuses = [];
    for (const path of ['/v1', '/v1/chat', '/v1x', '/']) statuses.push((await asks(ollama(key('key-of-team'), path))).status);
    assert.deepEqual(statuses, [200, 200, 404, 404]);
  });

  test('ollama: keys and algorithm change in less than 2 s, and no Pod is restarted', async (t) => {
    const before = await running('ai-services');
    const added: number[] = [];
    const switched: number[] = [];
    for (const round of ['one', 'two', 'three']) {
      const data = JSON.stringify({ stringData: { [round]: `key-${round}` } });
      added.push(
        await millisecondsUntil(
          () => kubectl('-n', 'ai-services', 'patch', 'secret', 'ollama-api-keys', '--type=merge', '-p', data),
          async () => (await answersOfAll(ollama(key(`key-${round}`)))).every(({ status }) => status === 200),
        ),
      );
      for (const algorithm of ['ip-hash', 'least-conn'])
        switched.push(
          await millisecondsUntil(
            () => setAlgorithm(algorithm),
            async () => (await pods(12, ollama(key('key-of-team')))).size > 1 === (algorithm === 'least-conn'),
          ),
        );
    }
    t.diagnostic(`keys: ${added.join(', ')} ms; algorithm: ${switched.join(', ')} ms`);
    // The middle one: what else this machine does at the moment may hold one of them up.
    for (const times of [added, switched]) assert.ok(median(times) < 2000, `${times.join(', ')} ms`);
    assert.deepEqual(await running('ai-services'), before);
  });

  const setAlgorithm = (algorithm: string): Promise<string> => {
    const change = JSON.stringify({ spec: { loadBalancing: { algorithm } } });
    return kubectl('-n', 'ai-services', 'patch', 'distributedservice', 'ollama-cluster', '--type=merge', '-p', change);
  };
  const answersOfAll = async (asked: Asked): Promise<Answer[]> =>
    Promise.all(gateway().replicas.map((replica) => ask(replica, asked, 8080)));

  test('ollama: pool, idle time and health check are as the sample says', async () => {
    const [ollamaPod] = (await items('ai-services', 'pod', '-l', 'app=ollama')) as [Json];
    assert.match(JSON.stringify(ollamaPod), /poolCount\W+10\b/);
    const section = await backend('ai-services/ollama-cluster');
    assert.match(section, /\/api\/health/);
    assert.match(section, /inter 30000ms|inter 30s/);
    assert.match(section, /timeout check 10000ms|timeout check 10s/);
    assert.match(section, /timeout server 300000ms/);
  });

  test('user-service: calls come to both members with mTLS by hand, and a client stays with one', async () => {
    await certificatesReadyBecomes('microservices', 'user-service', /^CertificatesProvisioned/);
    await counts('microservices', 'user-service', 2, 2);
    // Active is what one replica has: the one that is asked here must have both, and have looked at them once.
    await eventually('both members at the gateway', async () =>
      assert.equal([...(await backend('microservices/user-service')).matchAll(/^ +server s-/gm)].length, 2),
    );
    await sleep(3000);
    const members: string[] = [];
    for (const user of await gateway().grpcUsers()) {
      const call = () => eventually('an answer', () => grpcCall(user, gateway().grpcUrl, 'users.example.com'));
      const first = await call();
      assert.match(first, /^grpc-status 0 user-service-[12]$/m);
      assert.equal(await call(), first, 'the same client, another member');
      members.push(first.trim().at(-1)!);
    }
    const share = (member: string) => members.filter((each) => each === member).length;
    assert.ok(share('1') > 0 && share('2') > 0, `members of the six clients: ${members.join()}`);
  });

  test('user-service: without affinity the names have 2 and 1 parts of the calls, and new weights with no Pod or proxy anew', async () => {
    const patch = (change: Json) =>
      kubectl('-n', 'microservices', 'patch', 'distributedservice', 'user-service', '--type=merge', '-p', JSON.stringify({ spec: change }));
    const [user] = await gateway().grpcUsers();
    const partOfFirst = async (calls: number): Promise<number> => {
      const answers = await grpcCalls(user!, gateway().grpcUrl, 'users.example.com', calls);
      for (const answer of answers) assert.match(answer, /^grpc-status 0 user-service-[12]$/);
      return answers.filter((answer) => answer.endsWith('user-service-1')).length / calls;
    };
    const hasPart = (part: number) =>
      eventually(`${part} of 1,000 calls to user-service-1`, async () => {
        const found = await partOfFirst(1000);
        assert.ok(Math.abs(found - part) < 0.05, `${found}`);
      });
    await patch({ loadBalancing: { sessionAffinity: { enabled: false } } });
    await hasPart(2 / 3);
    const before = [await runningIn('microservices'), await connectorConfig(), await registered()];
    const [first, second] = (sample('user-service')[0] as Manifest & { spec: Json }).spec.backends.endpoints as Json[];
    await patch({
      backends: {
        endpoints: [
          { ...first, weight: 10 },
          { ...second, weight: 30 },
        ],
      },
    });
    await hasPart(1 / 4);
    assert.deepEqual([await runningIn('microservices'), await connectorConfig(), await registered()], before);
  });

  const webapp = async (path: string, token?: Token, method = 'GET'): Promise<Answer> => {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${await gateway().issuer.sign(token)}` } : {};
    return asks({ host: 'app.example.com', path, method, headers });
  };
  const user: Token = { roles: ['user'] };
  const admin: Token = { roles: ['admin'] };

  test('webapp-frontend: a token must be there, valid and for this audience', async () => {
    await rolledOut('web', 'webapp');
    await eventually('the keys of the issuer', async () => assert.equal((await webapp('/frontend/api/x', user)).status, 200));
    for (const [token, why] of [
      [undefined, /needs a token/],
      [{ ...user, seconds: -60 }, /expired/],
      [{ ...user, audience: 'another' }, /another audience/],
    ] as const) {
      const { status, body } = await webapp('/frontend/api/x', token);
      assert.equal(status, 401, body);
      assert.match(body, why);
    }
  });

  test('webapp-frontend: roles decide by path and method, however the path is written', async () => {
    const expected: [string, Token, number, string?][] = [
      ['/frontend/api/x', user, 200],
      ['/frontend/api/x', admin, 200],
      ['/frontend/api/x', user, 403, 'POST'],
      ['/frontend/admin/x', user, 403],
      ['/frontend/admin/x', admin, 200],
      ['/frontend/admin/x', admin, 200, 'DELETE'],
      ['/frontend/%61dmin/x', user, 403],
      ['/frontend//admin/x', user, 403],
      ['/frontend/./admin/x', user, 403],
      ['/frontend/api/../admin/x', user, 403],
      ['/frontend/else', { roles: [] }, 200],
      ['/frontendx', admin, 404],
    ];
    for (const [path, token, wanted, method = 'GET'] of expected) {
      const { status, body } = await webapp(path, token, method);
      assert.equal(status, wanted, `${method} ${path} as ${token.roles!.join()}: ${body}`);
    }
    assert.match((await webapp('/frontend/admin/x', user)).body, /needs one of the roles: admin/);
  });

  test('webapp-frontend: the Pods take turns', async () => {
    const headers = { authorization: `Bearer ${await gateway().issuer.sign(user)}` };
    const shares = await eventually('answers of both Pods', async () => {
      const found = await pods(40, { host: 'app.example.com', path: '/frontend/api/x', headers });
      assert.equal(found.size, 2);
      return found;
    });
    for (const [name, count] of shares) assert.ok(count >= 12, `${name}: ${count} of 40`);
  });

  test('api-gateway: paths lead to their groups, and what is left is shared 30 to 70', async () => {
    await Promise.all([rolledOut('apis', 'auth'), rolledOut('apis', 'users')]);
    // They have readiness gates, so both are in the traffic.
    for (const { status } of await items('apis', 'pod')) assert.equal(conditionOf(status, 'frp.io/registered')?.reason, 'Registered');
    for (const group of ['auth-service', 'user-service']) await counts('apis', group, 1, 1);
    const at = (path: string) => pods(10, { host: 'api.example.com', path });
    const only = (path: string, group: string) =>
      eventually(`${path} by ${group}`, async () => {
        const names = [...(await at(path)).keys()];
        assert.equal(names.length, 1);
        assert.match(names[0]!, new RegExp(`^${group}-`));
      });
    for (const path of ['/auth', '/auth/login']) await only(path, 'auth');
    for (const path of ['/users', '/users/7']) await only(path, 'users');
    const total = 3000;
    const lines = await Promise.all(Array.from({ length: 20 }, () => pods(total / 20, { host: 'api.example.com', path: '/authentic' })));
    const shares = lines.flatMap((line) => [...line]);
    const ofAuth = shares.reduce((sum, [name, times]) => sum + (name.startsWith('auth-') ? times : 0), 0);
    assert.ok(Math.abs(ofAuth / total - 0.3) < 0.05, `auth-service had ${ofAuth} of ${total}`);
    assert.equal(new Set(shares.map(([name]) => name)).size, 2);
  });
}

/** From the end of a change to the moment when it is seen. */
async function millisecondsUntil(change: () => Promise<unknown>, isSeen: () => Promise<boolean>): Promise<number> {
  await change();
  const started = Date.now();
  await eventually('the change', async () => {
    for (let attempt = 0; attempt < 40; attempt++, await sleep(50)) if (await isSeen()) return;
    throw new Error('not seen');
  });
  return Date.now() - started;
}

const median = (numbers: number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

/** Version of what the connector of user-service serves. */
const connectorConfig = async (): Promise<string> =>
  String((await get('microservices', 'configmap', 'frp-user-service-connector')).metadata.resourceVersion);

/** Section of a service in the configuration of HAProxy. */
function sectionOf(key: string, config: string): string {
  const section = config.split(/^(?=# )/m).find((part) => part.startsWith(`# ${key}\nbackend be-`));
  assert.ok(section, `no ${key} in the configuration`);
  return section;
}

/** The proxies of user-service's connector, as frps lists them: when they came, and where they are. */
function connectorProxies(answer: string): unknown[] {
  const { proxies } = JSON.parse(answer) as { proxies: { name: string; lastStartTime: string; conf?: { remotePort: number } }[] };
  return proxies
    .filter(({ name }) => name.startsWith('microservices.user-service.'))
    .map(({ name, lastStartTime, conf }) => [name, lastStartTime, conf?.remotePort])
    .sort();
}
