/** The gateway: frps as a pure tunnel, HAProxy above it, and the same DistributedService by either way. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../support/ask.ts';
import { root, system, testNamespace, usingImage } from '../support/cluster.ts';
import { conditionOf, counts, eventsIn, frpsProxies, statusOf } from '../support/controller.ts';
import { answerAt, gamePod, leadsTo, serviceOf } from '../support/game.ts';
import { gatewayInstalled, membersApi, replicaAddress, users, usersAddress } from '../support/gateway.ts';
import { apply, get, items, kubectl, rolledOut, type Json } from '../support/kubectl.ts';
import { startLongAnswers } from '../support/long-answers.ts';
import { eachServes, groups, mailPod, podOf, sidecarsOf, user } from '../support/mail-pod.ts';
import { deployment, httpService, pod, service } from '../support/objects.ts';
import { killAtOnce, processesOf } from '../support/processes.ts';
import { restartedBy } from '../support/restarts.ts';
import { eventually } from '../support/run.ts';
import { requests, servedBy } from '../support/traffic.ts';

const ns = 'gateway';
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

suite('the gateway', () => {
  let longAnswers: () => Promise<void>;

  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    longAnswers = await startLongAnswers(ns, await usersAddress());
  });

  test('one annotated Pod answers a request through HAProxy and its tunnel', async () => {
    await apply(
      httpService(ns, 'hello', 'hello.gateway.example.com'),
      deployment({ namespace: ns, name: 'hello', frp: { group: 'hello' } }),
    );
    await rolledOut(ns, 'hello');
    const [only] = await servedBy('hello.gateway.example.com', 1, users);
    assert.match(only!, /^hello-/);
  });

  test('replicas share the requests', async () => {
    await apply(deployment({ namespace: ns, name: 'hello', frp: { group: 'hello' }, replicas: 3 }));
    await rolledOut(ns, 'hello');
    await servedBy('hello.gateway.example.com', 3, users);
    const shares = await requests('hello.gateway.example.com', 300, '/', users);
    for (const [pod, count] of shares) assert.ok(count > 60, `${pod}: ${count} of 300`);
  });

  test('a service that is deleted and made again under its name serves the same Pods, which never dial again for it', async () => {
    const host = 'hello.gateway.example.com';
    const before = await servedBy(host, 3, users);
    await kubectl('-n', ns, 'delete', 'distributedservice', 'hello', '--timeout=60s');
    await apply(httpService(ns, 'hello', host));
    assert.deepEqual(await servedBy(host, 3, users), before);
    for (const name of before) {
      const log = await kubectl('-n', ns, 'logs', name, '-c', 'frpc');
      assert.equal(log.match(/login to server success/g)?.length, 1, `${name} never had to dial again`);
    }
  });

  test('nine ports of a mail Pod are one frpc for each replica, and a group that is deleted and refused leaves the others as they are', async (t) => {
    await mailPod(ns, 21_100);
    assert.deepEqual(await sidecarsOf(ns), ['frpc', 'frpc-1']);
    const addresses = [await replicaAddress(0), await replicaAddress(1)];
    for (const address of addresses) await eachServes(address, 21_100);
    for (const name of groups) {
      await kubectl('-n', ns, 'wait', '--for=condition=BackendsAvailable', `distributedservice/${name}`, '--timeout=60s');
      assert.deepEqual(
        ((await statusOf(ns, name)).endpoints as { name: string; healthy: boolean }[]).map((endpoint) => [endpoint.name, endpoint.healthy]),
        [[podOf(ns), true]],
      );
    }
    const connected = () => Promise.all(addresses.map((address) => user(t, address, 21_100 + groups.indexOf('imap'))));
    const before = await connected();
    // Its certificate is the one that the sidecars show.
    const [deleted, ...others] = groups as [string, ...string[]];
    await kubectl('-n', ns, 'delete', 'distributedservice', deleted, '--timeout=60s');
    const stay = async (connections: (() => Promise<void>)[]) => {
      for (const isConnected of connections) await isConnected();
    };
    await stay(before);
    for (const address of addresses) await eachServes(address, 21_100, others);
    // Until the certificate is revoked, and after that.
    for (const end = Date.now() + (process.env.FRPK8S_LONG ? 240_000 : 0); Date.now() < end; await sleep(2000)) await stay(before);
    await stay(before);

    // Another start asks for what is deleted, again and again.
    const pod = podOf(ns);
    await restartedBy(() => killAtOnce(() => processesOf(pod, /frpc -c/)), { namespace: ns, pod, name: 'frpc' });
    for (const address of addresses) await eachServes(address, 21_100, others);
    const after = await connected();
    await eventually('it is refused twice', async () => {
      const log = await kubectl('-n', ns, 'logs', pod, '-c', 'frpc');
      assert.ok(log.match(new RegExp(`UnknownService: there is no DistributedService ${ns}/${deleted}`, 'g'))!.length > 1);
      assert.equal(log.match(/login to server success/g)?.length, 1);
    });
    await stay(after);
  });

  test('a game has its tcp ports at the gateway, one of them any, which its status names, and its udp ports at the plain frp server', async () => {
    const at = { play: 21_110, query: 21_111, rcon: 21_112, map: 0 };
    await gamePod(ns, at, { gateway: false });
    const tcp = serviceOf('tcp');
    const picked = await eventually('the port is picked', async () => {
      const { ports } = (await statusOf(ns, tcp)) as { ports?: { name: string; port: number }[] };
      assert.deepEqual(
        ports?.map(({ name, port }) => [name, port >= 30_000 && port <= 32_767]),
        [['map', true]],
      );
      return ports[0]!.port;
    });
    const addresses = [await replicaAddress(0), await replicaAddress(1)];
    const [frps] = await items(system, 'pod', '-l', 'app=frp-server');
    await Promise.all([
      ...addresses.flatMap((address) => [leadsTo('tcp', 'rcon', address, at.rcon), leadsTo('tcp', 'map', address, picked)]),
      ...(['play', 'query'] as const).map((name) => leadsTo('udp', name, frps.status.podIP as string, at[name])),
    ]);
    for (const name of ['udp', 'tcp'] as const) await counts(ns, serviceOf(name), 1, 1);
    // The port stays, whatever else is written.
    const move = { spec: { expose: { ports: [{ name: 'map', port: 0, backendPort: 2459 }] } } };
    await kubectl('-n', ns, 'patch', 'distributedservice', tcp, '--type=merge', '-p', JSON.stringify(move));
    await eventually('the other port is closed', () => assert.rejects(answerAt('tcp', addresses[0]!, at.rcon)));
    for (const address of addresses) await leadsTo('tcp', 'map', address, picked);
    assert.deepEqual((await statusOf(ns, tcp)).ports, [{ name: 'map', port: picked }]);
  });

  test('a Pod with the readiness gate is ready when requests reach it, and not before', async () => {
    const host = 'gated.gateway.example.com';
    const healthCheck = { type: 'http', path: '/health', interval: '2s', timeout: '1s' };
    const backends = { discovery: { mode: 'auto' } };
    const env = [
      { name: 'PORT', value: '8080' },
      { name: 'HEALTHY', value: 'false' },
    ];
    await apply(service(ns, 'gated', { serviceType: 'http', backends, expose: { domain: host }, loadBalancing: { healthCheck } }));
    const frp = { group: 'gated', 'readiness-gate': 'true' };
    await apply(pod({ namespace: ns, name: 'gated', frp, container: { env, readinessProbe: undefined } }));
    const condition = async (type: string): Promise<Json> => conditionOf((await get(ns, 'pod', 'gated')).status, type);
    await kubectl('-n', ns, 'wait', '--for=condition=ContainersReady', 'pod/gated', '--timeout=60s');
    for (const ordinal of [0, 1])
      await eventually(`a member of replica ${ordinal} without traffic`, async () =>
        assert.deepEqual(
          (await frpsProxies(ns, 'gated', membersApi(ordinal))).map(({ status }) => status),
          ['offline'],
        ),
      );
    assert.equal((await condition('Ready')).reason, 'ReadinessGatesNotReady');
    const { podIP } = (await get(ns, 'pod', 'gated')).status as { podIP: string };
    await ask(podIP, { host, path: '/health?ok=true', method: 'POST' }, 8080);
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/gated', '--timeout=90s');
    assert.equal((await condition('frp.io/registered')).reason, 'Registered');
    assert.deepEqual(await servedBy(host, 1, users), ['gated']);
  });

  test('a health check that fails is named: in the condition, the endpoints, an Event and by kubectl describe', async () => {
    const host = 'sick.gateway.example.com';
    const healthCheck = { type: 'http', path: '/health', interval: '2s', timeout: '1s', failureThreshold: 1 };
    const spec = {
      serviceType: 'http',
      backends: { discovery: { mode: 'auto' } },
      expose: { domain: host },
      loadBalancing: { healthCheck },
    };
    await apply(service(ns, 'sick', spec));
    // Without a readiness probe the Pod stays ready: the gateway alone finds out.
    await apply(deployment({ namespace: ns, name: 'sick', frp: { group: 'sick' }, container: { readinessProbe: undefined } }));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'distributedservice/sick', '--timeout=90s');
    const warnings = async (): Promise<string[]> =>
      (await eventsIn(ns))
        .filter(({ involvedObject, type }) => involvedObject.name === 'sick' && type === 'Warning')
        .map(({ message }) => String(message));
    assert.deepEqual(await warnings(), [], 'a normal start warns of nothing');
    const [{ metadata, status: podStatus }] = (await items(ns, 'pod', '-l', 'app=sick')) as [Json];
    await ask(podStatus.podIP as string, { host, path: '/health?ok=false', method: 'POST' }, 8080);
    await eventually('the reason', async () => {
      const status = await statusOf(ns, 'sick');
      const [endpoint] = status.endpoints as Json[];
      assert.deepEqual([endpoint?.name, endpoint?.healthy, endpoint?.reason], [metadata.name, false, 'GET /health answered 503']);
      assert.match(
        conditionOf(status, 'Ready').message as string,
        new RegExp(`1 unhealthy: ${metadata.name} .*: GET /health answered 503; mend`),
      );
    });
    await eventually('the Event', async () =>
      assert.deepEqual(await warnings(), [`Backend ${metadata.name} unhealthy: GET /health answered 503`]),
    );
    assert.match(await kubectl('-n', ns, 'describe', 'distributedservice', 'sick'), /Reason: +GET \/health answered 503/);
    await ask(podStatus.podIP as string, { host, path: '/health?ok=true', method: 'POST' }, 8080);
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'distributedservice/sick', '--timeout=60s');
  });

  test('a health check that never succeeded, and a container that does not start, are named too', async () => {
    const healthCheck = { type: 'http', path: '/status?code=404', interval: '2s', timeout: '1s' };
    const spec = (name: string) => ({
      serviceType: 'http',
      backends: { discovery: { mode: 'auto' } },
      expose: { domain: `${name}.gateway.example.com` },
      loadBalancing: { healthCheck },
    });
    await apply(service(ns, 'wrong', spec('wrong')), service(ns, 'absent', spec('absent')));
    await apply(pod({ namespace: ns, name: 'wrong', frp: { group: 'wrong' } }));
    await apply(
      pod({ namespace: ns, name: 'absent', frp: { group: 'absent' }, container: { image: 'nowhere/app:1', imagePullPolicy: 'Never' } }),
    );
    const said = async (name: string) => conditionOf(await statusOf(ns, name), 'BackendsAvailable')?.message as string;
    await eventually('the status of the answer', async () =>
      assert.match(await said('wrong'), /wrong .*: GET \/status\?code=404 answered 404; /),
    );
    await eventually('what the kubelet says', async () =>
      assert.match(await said('absent'), /absent.*: container app: ErrImageNeverPull: .*; see: kubectl -n gateway describe pod absent/),
    );
    await kubectl('-n', ns, 'delete', 'pod', 'wrong', 'absent', '--wait=false');
  });

  test('a service that moves to the plain frp server serves at the gateway until its Pods restart, and says how', async () => {
    const move = (gateway: boolean) =>
      kubectl('-n', ns, 'patch', 'distributedservice', 'hello', '--type=merge', '-p', JSON.stringify({ spec: { gateway } }));
    const host = 'hello.gateway.example.com';
    await move(false);
    await eventually('the state', async () => {
      const status = await statusOf(ns, 'hello');
      assert.deepEqual([status.state, status.activeBackends], ['Updating', 3]);
      const message = conditionOf(status, 'Ready').message as string;
      assert.match(
        message,
        /3 Pods are still configured for the gateway; restart its Pods: kubectl -n gateway rollout restart deployment\/hello$/,
      );
    });
    await servedBy(host, 3, users);
    await kubectl('-n', ns, 'rollout', 'restart', 'deployment/hello');
    await rolledOut(ns, 'hello');
    await servedBy(host, 3);
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'distributedservice/hello', '--timeout=60s');
    await move(true);
    await eventually('the state', async () => {
      const status = await statusOf(ns, 'hello');
      assert.deepEqual([status.state, status.activeBackends], ['Updating', 3]);
      assert.match(conditionOf(status, 'Ready').message as string, /3 Pods are still configured for the plain frp server; /);
    });
    await servedBy(host, 3);
    await kubectl('-n', ns, 'rollout', 'restart', 'deployment/hello');
    await rolledOut(ns, 'hello');
    await servedBy(host, 3, users);
    await kubectl('-n', ns, 'wait', '--for=jsonpath={.status.state}=Running', 'distributedservice/hello', '--timeout=90s');
  });

  test('an answer of a model that begins late and takes long comes whole, and the model is asked for it once', () => longAnswers());

  test('applying what is applied already changes nothing', async () => {
    for (const manifests of ['manifests/gateway', 'manifests/frps']) {
      const folder = usingImage(manifests);
      const versions = async (): Promise<string[]> =>
        (JSON.parse(await kubectl('get', '-k', folder, '-o', 'json')) as { items: Json[] }).items.map(
          ({ kind, metadata }) =>
            `${kind} ${metadata.name} ${metadata.uid} ${metadata.generation ?? ''} ${metadata.annotations[lastApplied] as string}`,
        );
      const before = await versions();
      const said = (await kubectl('apply', '-k', folder)).trim().split('\n');
      assert.deepEqual(await versions(), before);
      // Of a budget's selector kubectl sends the whole each time, because its patch strategy is to replace it.
      assert.deepEqual(
        said.filter((line) => !/ unchanged$/.test(line) && !/^poddisruptionbudget\.policy\/.* configured$/.test(line)),
        [],
      );
    }
  });

  test('the samples for what is around it are taken by the API server', async () => {
    const said = await kubectl('apply', '--dry-run=server', '-f', join(root, 'manifests/gateway/samples'));
    assert.match(said, /ingress\.networking\.k8s\.io\/frp-gateway created/);
  });
});
