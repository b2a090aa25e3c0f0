/**
 * The services of manifests/samples (R2, and R1.29) through the gateway, as they are written.
 * A name like user-service-1.internal is here the Service user-service-1 of namespace `internal`. The sample postgres-proxy has
 * a suite of its own, with PostgreSQL: 83.
 */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority } from '../../../certs/authority.ts';
import { ask, podsThatAnswer, type Answer } from '../support/ask.ts';
import { certificatesReadyBecomes, clientPair } from '../support/certificates.ts';
import { testNamespace } from '../support/cluster.ts';
import { counts } from '../support/controller.ts';
import { gatewayInstalled, gatewayNamespace, replicaAddress, users, usersAddress } from '../support/gateway.ts';
import { grpcCall, grpcCalls, grpcServer } from '../support/grpc.ts';
import { handmade } from '../support/handmade.ts';
import { createIssuer, type Issuer, type Token } from '../support/issuer.ts';
import { apply, get, items, kubectl, rolledOut, tryApply, tryKubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService, pod, script } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { allowedSecret, runningIn, sample, serviceOf } from '../support/samples.ts';
import { withGateway } from '../support/settings.ts';
import { requests, servedBy, server, status } from '../support/traffic.ts';

const moving = 'gateway-moving';
const attacker = 'gateway-attacker';

const withLabels = (object: Manifest, labels: Record<string, string>): Manifest => {
  const { spec } = object as Json;
  Object.assign((spec.template ?? object).metadata.labels as object, labels);
  return object;
};
const ollamaPods = (): Manifest =>
  withLabels(deployment({ namespace: 'ai-services', name: 'ollama', replicas: 3, port: 11434 }), { tier: 'inference' });
/** What <name>.internal stands for: a Pod behind a headless Service. */
const endpoint = (name: string): Manifest[] => [
  pod({ namespace: 'internal', name, container: script(grpcServer()) }),
  serviceOf('internal', name, 9090, { clusterIP: 'None' }),
];
const grpcUsers = (): Manifest =>
  deployment({
    namespace: 'microservices',
    name: 'grpc-users',
    replicas: 6,
    container: script('setInterval(() => {}, 1e6); process.on("SIGTERM", () => process.exit(0));'),
  });

/** A Pod like this one would be injected now. */
const injects = (example: Manifest, expected: RegExp = /"frpc"/): Promise<void> =>
  eventually(`a sidecar for ${example.metadata.name}`, async () => {
    const { code, stdout, stderr } = await tryApply([example], '--dry-run=server', '-o', 'json');
    assert.equal(code, 0, stderr);
    assert.match(JSON.stringify(JSON.parse(stdout).spec), expected);
  });

async function userServiceAsSample(): Promise<Manifest[]> {
  const names = ['user-service-1', 'user-service-2'];
  await apply(...names.flatMap(endpoint));
  await kubectl('-n', 'internal', 'wait', '--for=condition=Ready', ...names.map((name) => `pod/${name}`), '--timeout=60s');
  const authority = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
  return [
    ...sample('user-service'),
    allowedSecret('microservices', 'internal-ca', { 'ca.crt': authority.certPem }),
    allowedSecret('microservices', 'user-service-cert', await clientPair(authority)),
  ];
}

suite('the samples through the gateway', () => {
  let address = '';
  let issuer: Issuer;
  let restore = async () => {};
  after(() => restore());

  before(async () => {
    await gatewayInstalled();
    // The issuer of this suite has no certificate that the gateway knows.
    restore = await withGateway({ allowHttpIssuers: true }, {});
    await Promise.all([
      testNamespace('ai-services', { 'frp.io/injection': 'enabled' }),
      ...['microservices', 'internal', 'web', 'apis', moving, attacker].map((name) => testNamespace(name)),
    ]);
    issuer = await createIssuer('web', 'webapp');
    await apply(
      ...['ollama-cluster', 'webapp-frontend', 'api-gateway'].flatMap(sample),
      ...(await userServiceAsSample()),
      allowedSecret('ai-services', 'ollama-api-keys', { team: 'key-of-team' }),
      allowedSecret('web', 'oauth2-config', { issuer: issuer.url, audience: 'webapp' }),
      ...issuer.objects,
      httpService(moving, 'moving', 'moving.example.com'),
      httpService(attacker, 'own', 'attacker.example.com'),
    );
    await injects(withLabels(pod({ namespace: 'ai-services', name: 'ollama', port: 11434 }), { tier: 'inference' }));
    await apply(
      ollamaPods(),
      deployment({ namespace: 'web', name: 'webapp', replicas: 2, port: 3000, frp: { group: 'webapp-frontend' } }),
      deployment({ namespace: 'apis', name: 'auth', frp: { group: 'auth-service' } }),
      deployment({ namespace: 'apis', name: 'users', port: 8081, frp: { group: 'user-service' } }),
      deployment({ namespace: moving, name: 'moving', replicas: 2, frp: { group: 'moving' } }),
      grpcUsers(),
    );
    address = await usersAddress();
  });

  const ollama = (headers: Record<string, string>, path = '/v1/chat') => ({ host: 'llm.example.com', path, headers });
  const key = (value: string) => ({ 'x-api-key': value });

  test('ollama: without a key, and with a wrong one, the answer is 401 and says why', async () => {
    await rolledOut('ai-services', 'ollama');
    await eventually('the service with its keys', async () => assert.equal((await ask(address, ollama(key('key-of-team')))).status, 200));
    const without = await ask(address, ollama({}));
    assert.equal(without.status, 401);
    assert.match(without.body, /needs an API key.*X-API-Key/);
    const wrong = await ask(address, ollama(key('wrong')));
    assert.equal(wrong.status, 401);
    assert.match(wrong.body, /not known/);
  });

  test('ollama: all replicas answer to the key, in either header', async () => {
    for (const headers of [key('key-of-team'), { authorization: 'Bearer key-of-team' }])
      await eventually('answers of three Pods', async () => assert.equal((await podsThatAnswer(address, 30, ollama(headers))).size, 3));
    await counts('ai-services', 'ollama-cluster', 3, 3);
  });

  test('ollama: the path counts by whole segments', async () => {
    const statuses = [];
    for (const path of ['/v1', '/v1/chat', '/v1x', '/']) statuses.push((await ask(address, ollama(key('key-of-team'), path))).status);
    assert.deepEqual(statuses, [200, 200, 404, 404]);
  });

  test('ollama: keys and algorithm change in less than 2 s, and no Pod is restarted', async (t) => {
    const before = await runningIn('ai-services', gatewayNamespace);
    const added: number[] = [];
    const switched: number[] = [];
    for (const round of ['one', 'two', 'three']) {
      const data = JSON.stringify({ stringData: { [round]: `key-${round}` } });
      added.push(
        await millisecondsUntil(
          () => kubectl('-n', 'ai-services', 'patch', 'secret', 'ollama-api-keys', '--type=merge', '-p', data),
          async () => (await answersOfBoth(ollama(key(`key-${round}`)))).every(({ status }) => status === 200),
        ),
      );
      for (const algorithm of ['ip-hash', 'least-conn'])
        switched.push(
          await millisecondsUntil(
            () => setAlgorithm(algorithm),
            async () => (await podsThatAnswer(address, 12, ollama(key('key-of-team')))).size > 1 === (algorithm === 'least-conn'),
          ),
        );
    }
    t.diagnostic(`keys: ${added.join(', ')} ms; algorithm: ${switched.join(', ')} ms`);
    // The middle one: what else this machine does at the moment may hold one of them up.
    for (const times of [added, switched]) assert.ok(median(times) < 2000, `${times.join(', ')} ms`);
    assert.deepEqual(await runningIn('ai-services', gatewayNamespace), before);
  });

  const setAlgorithm = (algorithm: string): Promise<string> => {
    const change = JSON.stringify({ spec: { loadBalancing: { algorithm } } });
    return kubectl('-n', 'ai-services', 'patch', 'distributedservice', 'ollama-cluster', '--type=merge', '-p', change);
  };
  const answersOfBoth = async (asked: Parameters<typeof ask>[1]): Promise<Answer[]> =>
    Promise.all([0, 1].map(async (ordinal) => ask(await replicaOf(ordinal), asked, 8080)));

  test('ollama: pool, idle time and health check are as the sample says', async () => {
    const [ollamaPod] = (await items('ai-services', 'pod', '-l', 'app=ollama')) as [Json];
    assert.match(JSON.stringify(ollamaPod), /poolCount\W+10\b/);
    const section = await backendOf('ai-services/ollama-cluster');
    assert.match(section, /\/api\/health/);
    assert.match(section, /inter 30000ms|inter 30s/);
    assert.match(section, /timeout check 10000ms|timeout check 10s/);
    assert.match(section, /timeout server 300000ms/);
  });

  test('user-service: calls come to both members with mTLS by hand, and a client stays with one', async () => {
    await certificatesReadyBecomes('microservices', 'user-service', /^CertificatesProvisioned/);
    await rolledOut('microservices', 'grpc-users');
    await counts('microservices', 'user-service', 2, 2);
    // Active is what one replica has: the one that is asked here must have both, and have looked at them once.
    await eventually('both members in replica 0', async () =>
      assert.equal([...(await backendOf('microservices/user-service')).matchAll(/^ +server s-/gm)].length, 2),
    );
    await sleep(3000);
    const url = `http://${await replicaAddress(0)}:9090`;
    const clients = await items('microservices', 'pod', '-l', 'app=grpc-users');
    const members: string[] = [];
    for (const { metadata } of clients) {
      const call = () =>
        eventually('an answer', () => grpcCall({ namespace: 'microservices', name: metadata.name as string }, url, 'users.example.com'));
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
    const [client] = await items('microservices', 'pod', '-l', 'app=grpc-users');
    const user = { namespace: 'microservices', name: client.metadata.name as string };
    const url = `http://${await replicaAddress(0)}:9090`;
    const partOfFirst = async (calls: number): Promise<number> => {
      const answers = await grpcCalls(user, url, 'users.example.com', calls);
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
    const before = [await runningIn('microservices'), await connectorConfig(), await registeredAt(0)];
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
    assert.deepEqual([await runningIn('microservices'), await connectorConfig(), await registeredAt(0)], before);
  });

  const webapp = async (path: string, token?: Token, method = 'GET'): Promise<Answer> => {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${await issuer.sign(token)}` } : {};
    return ask(address, { host: 'app.example.com', path, method, headers });
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
    const headers = { authorization: `Bearer ${await issuer.sign(user)}` };
    const shares = await eventually('answers of both Pods', async () => {
      const found = await podsThatAnswer(await usersAddress(), 40, { host: 'app.example.com', path: '/frontend/api/x', headers });
      assert.equal(found.size, 2);
      return found;
    });
    for (const [name, count] of shares) assert.ok(count >= 12, `${name}: ${count} of 40`);
  });

  test('api-gateway: paths lead to their groups, and what is left is shared 30 to 70', async () => {
    await Promise.all([rolledOut('apis', 'auth'), rolledOut('apis', 'users')]);
    const at = (path: string) => podsThatAnswer(address, 10, { host: 'api.example.com', path });
    const only = (path: string, group: string) =>
      eventually(`${path} by ${group}`, async () => {
        const names = [...(await at(path)).keys()];
        assert.equal(names.length, 1);
        assert.match(names[0]!, new RegExp(`^${group}-`));
      });
    for (const path of ['/auth', '/auth/login']) await only(path, 'auth');
    for (const path of ['/users', '/users/7']) await only(path, 'users');
    const total = 3000;
    const shares = await requests('api.example.com', total, '/authentic', users);
    const ofAuth = [...shares].find(([name]) => name.startsWith('auth-'))?.[1] ?? 0;
    assert.ok(Math.abs(ofAuth / total - 0.3) < 0.05, `auth-service had ${ofAuth} of ${total}`);
    assert.equal(shares.size, 2);
  });

  test('a service moves to the plain frp server and back by one field and a restart of its Pods', async () => {
    const host = 'moving.example.com';
    const example = pod({ namespace: moving, name: 'example', frp: { group: 'moving' } });
    await rolledOut(moving, 'moving');
    await servedBy(host, 2, users);
    const move = async (gateway: boolean | undefined, to: RegExp): Promise<void> => {
      const service = httpService(moving, 'moving', host) as Manifest & { spec: Json };
      await apply({ ...service, spec: { ...service.spec, gateway } });
      await injects(example, to);
      await kubectl('-n', moving, 'rollout', 'restart', 'deployment/moving');
      await rolledOut(moving, 'moving');
    };
    await move(false, /FRP_GROUP_KEY/);
    await servedBy(host, 2, server);
    await eventually('nothing at the gateway', async () => assert.equal(await status(host, '/', users), 404));
    await move(undefined, /"frpc-1"/);
    await servedBy(host, 2, users);
    await eventually('nothing at the plain server', async () => assert.equal(await status(host, '/', server), 404));
  });

  test('a handmade client in a Pod of another namespace is refused, and the reason is in its log', async () => {
    await certificatesReadyBecomes(attacker, 'own', /^CertificatesProvisioned/);
    const victims = await servedBy('moving.example.com', 2, users);
    const name = `${moving}.moving.00000000.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}`;
    const intruder = { namespace: attacker, proxyName: name, certificates: 'frp-own-tls' };
    await apply(
      // A member of a group of its own: what it has of rights and certificates is genuine.
      handmade({ ...intruder, name: 'member', frp: { group: 'own' } }),
      handmade({ ...intruder, name: 'stranger' }),
    );
    const says = (podName: string, reason: RegExp) =>
      eventually(`${podName} is told`, async () => {
        const { stdout } = await tryKubectl('-n', attacker, 'logs', podName, '-c', 'handmade-0');
        assert.match(stdout, reason);
        assert.doesNotMatch(stdout, /start proxy success/);
      });
    await says('member', /WrongName: the proxy name is not one of Pod gateway-attacker\/member/);
    await says('stranger', /PodGone: there is no Pod gateway-attacker\/stranger .*sidecar/);
    await servedBy('attacker.example.com', 1, users);
    assert.deepEqual(await servedBy('moving.example.com', 2, users), victims);
  });
});

const replicas: string[] = [];
const replicaOf = async (ordinal: number): Promise<string> => (replicas[ordinal] ??= await replicaAddress(ordinal));

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

/** Section of a service in the configuration of HAProxy. */
async function backendOf(key: string): Promise<string> {
  const text = await kubectl(
    '-n',
    gatewayNamespace,
    'exec',
    'frp-gateway-0',
    '-c',
    'haproxy',
    '--',
    'cat',
    '/run/frp-gateway/users/current/haproxy.cfg',
  );
  const section = text.split(/^(?=# )/m).find((part) => part.startsWith(`# ${key}\nbackend be-`));
  assert.ok(section, `no ${key} in the configuration`);
  return section;
}

/** Version of what the connector of user-service serves. */
const connectorConfig = async (): Promise<string> =>
  String((await get('microservices', 'configmap', 'frp-user-service-connector')).metadata.resourceVersion);

/** The proxies of user-service's connector at a replica's frps: when they came, and where they are. */
async function registeredAt(ordinal: number): Promise<unknown[]> {
  const asked = ['exec', `frp-gateway-${ordinal}`, '-c', 'agent', '--', 'node', '-e'];
  const source = `fetch('http://127.0.0.1:7500/api/proxy/tcp').then((answer) => answer.text()).then(console.log)`;
  const answer = JSON.parse(await kubectl('-n', gatewayNamespace, ...asked, source)) as {
    proxies: { name: string; lastStartTime: string; conf?: { remotePort: number } }[];
  };
  return answer.proxies
    .filter(({ name }) => name.startsWith('microservices.user-service.'))
    .map(({ name, lastStartTime, conf }) => [name, lastStartTime, conf?.remotePort])
    .sort();
}
