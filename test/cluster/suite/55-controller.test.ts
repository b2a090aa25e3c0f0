/** The controller tells the truth about services, and ends them; whoever leads. */
import { readdirSync, readFileSync } from 'node:fs';
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { apply, get, gone, items, kubectl, rolledOut, scale, tryKubectl, type Json } from '../support/kubectl.ts';
import { deployment, httpService, type App } from '../support/objects.ts';
import { eventually, must } from '../support/run.ts';

const ns = 'controller';
/** Only a lab of our own has its processes on this machine and its packets in this network namespace. */
const foreign = process.env.FRPK8S_IMAGE === undefined ? false : 'needs the lab';
const kind = 'distributedservice';

/** Checked by frpc every two seconds, so that its verdict is the app's. */
const quick = (name: string) => {
  const service = httpService(ns, name, `${name}.controller.example.com`);
  const healthCheck = { type: 'http', path: '/health', interval: '2s', timeout: '1s', failureThreshold: 1 };
  return { ...service, spec: { ...(service.spec as object), loadBalancing: { healthCheck } } };
};
const app = (name: string, replicas: number): App => ({ namespace: ns, name, replicas, frp: { group: name } });

const conditionsOf = (status: Json): Json[] => (status?.conditions ?? []) as Json[];
const statusOf = async (name: string): Promise<Json> => (await get(ns, kind, name)).status ?? {};
const conditionOf = async (name: string, type: string): Promise<Json> =>
  conditionsOf(await statusOf(name)).find((condition) => condition.type === type);

/** The status says this within 5 s. @param counts active, total */
const says = (name: string, state: string, ...counts: [number, number]): Promise<void> =>
  eventually(
    `${name} is ${state} with ${counts.join(' of ')}`,
    async () => {
      const status = await statusOf(name);
      assert.deepEqual([status.state, status.activeBackends, status.totalBackends], [state, ...counts]);
    },
    5,
  );

/** What the app answers to its health check. */
async function setHealth(name: string, pods: Json[], ok: boolean): Promise<void> {
  for (const { status } of pods) {
    const url = `http://${status.podIP}:8080/health?ok=${ok}`;
    await kubectl('-n', 'frp-test-client', 'exec', 'client', '--', 'curl', '-sS', '-X', 'POST', url);
  }
  // What frps knows is the fact that the status must follow.
  const wanted = ok ? 'online' : 'offline';
  await eventually(`${name} ${wanted} on frps`, async () => {
    const proxies = await frpsProxies(name);
    const states = pods.map(({ metadata }) => proxies.find((proxy) => proxy.name.endsWith(`.${metadata.uid}`))?.status);
    assert.deepEqual(
      states,
      pods.map(() => wanted),
    );
  });
}

async function frpsProxies(name: string): Promise<{ name: string; status: string }[]> {
  const { data } = await get(system, 'secret', 'frp-server-api');
  const decoded = (key: string) => Buffer.from(data[key] as string, 'base64').toString();
  const text = await kubectl(
    '-n',
    'frp-test-client',
    'exec',
    'client',
    '--',
    'curl',
    '-f',
    '-sS',
    '-H',
    `Authorization: Basic ${Buffer.from(`${decoded('user')}:${decoded('password')}`).toString('base64')}`,
    'http://frp-server.frp-system.svc:7500/api/proxy/http',
  );
  const { proxies } = JSON.parse(text) as { proxies: { name: string; status: string }[] };
  return proxies.filter((proxy) => proxy.name.startsWith(`${ns}.${name}.`));
}

const eventsOf = async (name: string): Promise<Json[]> =>
  (await items(ns, 'events')).filter(({ involvedObject }) => involvedObject.kind === 'DistributedService' && involvedObject.name === name);
const leader = async (): Promise<string> => (await get(system, 'lease', 'frp-controller')).spec.holderIdentity as string;

/** Ends the Pod's program with no chance to let go of its Lease. In a lab of our own its processes are this machine's. */
async function killHard(pod: string): Promise<void> {
  if (foreign) return void (await kubectl('-n', system, 'delete', 'pod', pod, '--grace-period=0', '--force'));
  const isOfPod = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`HOSTNAME=${pod}`);
    } catch {
      return false; // it has just ended
    }
  };
  const found = readdirSync('/proc').filter((pid) => /^[0-9]+$/.test(pid) && isOfPod(pid));
  assert.equal(found.length, 1, `one process of ${pod}`);
  process.kill(Number(found[0]), 'SIGKILL');
}

suite('the controller', () => {
  before(async () => {
    await installed();
    await testNamespace(ns);
  });

  test('says what is so of 0, 1 and n backends, healthy or not', async () => {
    await apply(quick('life'));
    await says('life', 'Provisioning', 0, 0);
    assert.equal((await conditionOf('life', 'BackendsAvailable')).reason, 'NoBackendsFound');
    await apply(deployment(app('life', 1)));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', `${kind}/life`, '--timeout=90s');
    await says('life', 'Running', 1, 1);
    await scale(ns, 'life', 3);
    await rolledOut(ns, 'life');
    await eventually('three are online', async () =>
      assert.equal((await frpsProxies('life')).filter(({ status }) => status === 'online').length, 3),
    );
    await says('life', 'Running', 3, 3);
    const pods = await items(ns, 'pod', '-l', 'app=life');
    await setHealth('life', pods.slice(0, 1), false);
    await says('life', 'Degraded', 2, 3);
    await setHealth('life', pods.slice(1), false);
    await says('life', 'Failed', 0, 3);
    assert.equal((await conditionOf('life', 'Ready')).status, 'False');
    await setHealth('life', pods, true);
    await says('life', 'Running', 3, 3);
    await scale(ns, 'life', 0);
    await gone(ns, 'pod', '-l', 'app=life');
    await says('life', 'Degraded', 0, 0);
  });

  test('told it by Events, each once', async () => {
    await eventually('the Events', async () => {
      const told = (await eventsOf('life')).map(({ reason }) => reason as string);
      for (const reason of [
        'ServiceCreated',
        'CertificateIssued',
        'ConfigurationApplied',
        'BackendDiscovered',
        'HealthCheckPassed',
        'BackendUnhealthy',
      ])
        assert.ok(told.includes(reason), `${reason} is not among ${told.join(', ')}`);
      assert.equal(told.filter((reason) => reason === 'ServiceCreated').length, 1);
    });
  });

  test('kubectl get dsvc shows type, backends, state and readiness', async () => {
    const table = await kubectl('-n', ns, 'get', 'dsvc', 'life');
    assert.match(table, /^NAME +TYPE +BACKENDS +STATE +READY +AGE\nlife +http +0 +Degraded +False +/);
  });

  test('writes nothing while nothing changes', async () => {
    await apply(quick('steady'), deployment(app('steady', 2)));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', `${kind}/steady`, '--timeout=90s');
    await rolledOut(ns, 'steady');
    await says('steady', 'Running', 2, 2);
    const version = async () => (await get(ns, kind, 'steady')).metadata.resourceVersion as string;
    const first = await version();
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    assert.equal(await version(), first);
  });

  test('goes on when its leader is killed, and repeats nothing', async (t) => {
    const before = await leader();
    const pod = before.split('_')[0]!;
    const services = Array.from({ length: 20 }, (_, i) => httpService(ns, `many-${i}`, `many-${i}.controller.example.com`));
    const applied = apply(...services);
    const killed = Date.now();
    await killHard(pod);
    await applied;
    await eventually('another leader', async () => assert.notEqual(await leader(), before), 20);
    t.diagnostic(`another leads after ${Date.now() - killed} ms`);
    await eventually('all have their certificates', async () => {
      const all = await items(ns, kind);
      const without = all.filter(
        ({ status }) => !conditionsOf(status).some((found) => found.type === 'CertificatesReady' && found.status === 'True'),
      );
      assert.deepEqual(
        without.map(({ metadata }) => String(metadata.name)),
        [],
      );
    });
    for (const { metadata } of services) {
      const created = (await eventsOf(metadata.name!)).filter(
        ({ reason }) => reason === 'ServiceCreated' || reason === 'CertificateIssued',
      );
      assert.ok(created.length <= 2, `${metadata.name}: ${created.map(({ reason }) => String(reason)).join(', ')}`);
    }
    await rolledOut(system, 'frp-controller');
    await says('steady', 'Running', 2, 2);
  });

  test('tells the truth again after it was cut off the API server, and repeats nothing', { skip: foreign }, async () => {
    const once = ['ServiceCreated', 'CertificateIssued', 'ConfigurationApplied', 'BackendUnhealthy'];
    const told = async () => (await eventsOf('steady')).map(({ reason }) => String(reason)).filter((reason) => once.includes(reason));
    const before = await told();
    const rules = (await items(system, 'pod', '-l', 'app=frp-controller')).map(({ status }) => [
      'INPUT',
      '-s',
      String(status.podIP),
      '-p',
      'tcp',
      '--dport',
      '6443',
      '-j',
      'DROP',
    ]);
    for (const rule of rules) await must('iptables', ['-I', ...rule]);
    try {
      // Longer than a leader may be silent (10 s) and than its Lease lasts (15 s).
      await new Promise((resolve) => setTimeout(resolve, 25_000));
      await scale(ns, 'steady', 1);
      await eventually('one Pod', async () => assert.equal((await items(ns, 'pod', '-l', 'app=steady')).length, 1));
      assert.equal((await statusOf('steady')).totalBackends, 2);
    } finally {
      for (const rule of rules) await must('iptables', ['-D', ...rule]);
    }
    await eventually('the status of one backend', async () => assert.equal((await statusOf('steady')).totalBackends, 1));
    await says('steady', 'Running', 1, 1);
    assert.deepEqual(await told(), before);
  });

  test('lets a service go that still has Pods, and revokes its certificate', async () => {
    await kubectl('-n', ns, 'delete', kind, 'steady', '--timeout=60s');
    assert.notEqual((await tryKubectl('-n', ns, 'get', 'secret', 'frp-steady-tls')).code, 0);
    const { data } = await get(system, 'configmap', 'frp-revoked');
    assert.ok(Object.keys(data as object).length > 0);
  });

  test('lets a namespace go, with services and Pods in it', async () => {
    const other = await testNamespace('controller-doomed');
    await apply(httpService(other, 'doomed', 'doomed.controller.example.com'), deployment({ ...app('doomed', 1), namespace: other }));
    await rolledOut(other, 'doomed');
    await kubectl('delete', 'namespace', other, '--timeout=120s');
  });

  test('lets a service go that was deleted while no controller ran', async () => {
    await scale(system, 'frp-controller', 0);
    await gone(system, 'pod', '-l', 'app=frp-controller');
    await kubectl('-n', ns, 'delete', kind, 'life', '--wait=false');
    assert.equal((await tryKubectl('-n', ns, 'get', kind, 'life')).code, 0);
    await scale(system, 'frp-controller', 2);
    await gone(ns, `${kind}/life`);
  });
});
