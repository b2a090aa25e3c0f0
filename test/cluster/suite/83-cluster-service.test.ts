/** `spec.expose.clusterService`: Pods, and whatever takes a Service as its backend, reach a DistributedService by a name of the cluster. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { clientNamespace, testNamespace } from '../support/cluster.ts';
import { conditionOf, statusOf } from '../support/controller.ts';
import { gatewayInstalled, gatewayNamespace, gatewayReady, onlineAtBoth, replicaAddress } from '../support/gateway.ts';
import { apply, get, items, kubectl, rolledOut, tryKubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, pod, service } from '../support/objects.ts';
import { postgresClient, postgresServers, query } from '../support/postgres.ts';
import { eventually, run } from '../support/run.ts';
import { sample } from '../support/samples.ts';

const ns = 'in-cluster';
const tokens: Manifest = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'keys', namespace: ns, labels: { 'frp.io/use': 'true' } },
  stringData: { token: 'open-sesame' },
};

/** From the client Pod, which is in another namespace. */
async function curl(url: string, ...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return tryKubectl('-n', clientNamespace, 'exec', 'client', '--', 'curl', '-sS', '-m', '10', ...options, url);
}
async function answered(url: string, ...options: string[]): Promise<string> {
  const { code, stdout, stderr } = await curl(url, '-f', ...options);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}
const hostnames = (text: string): Set<string> => new Set([...text.matchAll(/^hostname: (\S+)$/gm)].map(([, name]) => name!));
const hostOf = (text: string): string => /^host: (\S+)$/m.exec(text)?.[1] ?? '';
const statusCode = async (url: string, ...options: string[]): Promise<string> =>
  (await curl(url, '-o', '/dev/null', '-w', '%{http_code}', ...options)).stdout.trim();
const ready = (name: string) =>
  eventually(`condition ClusterServiceReady of ${name}`, async (): Promise<Json> => {
    const condition = conditionOf(await statusOf(ns, name), 'ClusterServiceReady');
    assert.equal(condition.status, 'True', String(condition.message));
    return condition;
  });

/** CRDs of a file of others' modules (kinds/go.mod). */
const crdsIn = async (module: string, file: string): Promise<Manifest[]> => {
  const directory = (process.env.FRPK8S_KINDS ?? '').split('\n').find((path) => path.includes(`/${module}@`));
  const documents = parseAllDocuments(readFileSync(join(directory!, file), 'utf8'));
  return documents.map((document) => document.toJS() as Manifest);
};

/** An http service of two echoes. */
const web = (name: string, more: Json = {}, expose: Json = {}): Manifest[] => [
  service(ns, name, {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: `${name}.public.example.com`, clusterService: {}, ...expose },
    ...more,
  }),
  deployment({ namespace: ns, name, frp: { group: name }, replicas: 2 }),
];

suite('the name of a service in the cluster', () => {
  before(async () => {
    await gatewayInstalled();
    await testNamespace(ns);
    await apply(tokens, ...web('hello'));
    await rolledOut(ns, 'hello');
    await onlineAtBoth(ns, 'hello', 2);
  });
  after(async () => {
    // Ports and hosts are everybody's: the next suite's services may want them.
    await kubectl('-n', ns, 'delete', 'distributedservice', '--all');
    await kubectl('delete', 'namespace', 'in-cluster-other', '--ignore-not-found', '--wait=false');
  });

  test('a Pod of another namespace reaches every replica by it, through the gateway, whatever Host it asks for', async () => {
    const { message } = await ready('hello');
    assert.match(String(message), /^http at hello\.in-cluster\.svc:80 leads to the gateway, by 2 Pods of it$/);
    const answers = await eventually('answers', () => answered('http://hello.in-cluster/', '-n', '40'));
    assert.equal(hostnames(answers).size, 2);
    assert.equal(hostOf(answers), 'hello.in-cluster');
    assert.equal(hostOf(await answered('http://hello.in-cluster.svc.cluster.local/')), 'hello.in-cluster.svc.cluster.local');
    assert.match(await answered('http://hello.in-cluster/', '-H', 'Host: anything.example.org'), /^host: anything\.example\.org$/m);
    const { clusterService } = await statusOf(ns, 'hello');
    assert.equal(clusterService.name, 'hello');
    assert.equal(clusterService.port, 80);
  });

  test('its EndpointSlice has the Pods of the gateway, and follows them without a failed request', async (t) => {
    const addresses = async () => {
      const [slice, ...others] = await items(ns, 'endpointslice', '-l', 'kubernetes.io/service-name=hello');
      assert.deepEqual(others, []);
      const { endpoints } = slice as unknown as { endpoints: { addresses: string[]; conditions: { ready: boolean } }[] };
      return endpoints.filter(({ conditions }) => conditions.ready).flatMap((endpoint) => endpoint.addresses);
    };
    const pods = () => Promise.all([0, 1].map((ordinal) => replicaAddress(ordinal)));
    assert.deepEqual((await addresses()).sort(), (await pods()).sort());
    let isOver = false;
    t.after(() => (isOver = true));
    const failures: string[] = [];
    const load = (async () => {
      while (!isOver) {
        const { code, stderr } = await curl('http://hello.in-cluster/', '-f', '-n', '50');
        if (code !== 0) failures.push(stderr);
      }
    })();
    await kubectl('-n', gatewayNamespace, 'rollout', 'restart', 'statefulset/frp-gateway');
    await gatewayReady();
    await eventually('the new addresses', async () => assert.deepEqual((await addresses()).sort(), (await pods()).sort()));
    isOver = true;
    await load;
    assert.deepEqual(failures, []);
  });

  test('what the service asks of users it asks there: token, path, and TLS where users cannot do without', async () => {
    const security = { authentication: { type: 'token', tokenSecret: 'keys' } };
    await apply(...web('guarded', { security }, { type: 'path', path: '/v1' }));
    await rolledOut(ns, 'guarded');
    await onlineAtBoth(ns, 'guarded', 2);
    await ready('guarded');
    const url = 'http://guarded.in-cluster/v1/models';
    await eventually('an answer', async () => assert.equal(await statusCode(url), '401'));
    assert.equal(await statusCode(url, '-H', 'Authorization: Bearer open-sesame'), '200');
    assert.equal(await statusCode('http://guarded.in-cluster/admin', '-H', 'Authorization: Bearer open-sesame'), '404');
  });

  test('a port of the gateway leads to one service, and the others are shut', async () => {
    const { clusterService: hello } = await statusOf(ns, 'hello');
    const { clusterService: guarded } = await statusOf(ns, 'guarded');
    assert.notEqual(hello.gatewayPort, guarded.gatewayPort);
    const address = await replicaAddress(0);
    const sent = await answered(`http://${address}:${hello.gatewayPort}/`, '-H', 'Host: guarded.public.example.com');
    assert.match([...hostnames(sent)][0]!, /^hello-/);
    const unused = hello.gatewayPort === 61000 ? 61001 : 61000;
    assert.equal((await curl(`http://${address}:${unused}/`)).code, 7);
  });

  test('a tcp service has the port of users, which the Service of the gateway need not publish: PostgreSQL', async () => {
    const name = 'pg';
    const spec = {
      serviceType: 'tcp',
      backends: { discovery: { mode: 'auto', port: 5432 } },
      expose: { type: 'port', port: 5432, clusterService: { name: 'database' } },
    };
    const servers = postgresServers(ns, name, 1) as Json;
    servers.spec.template.metadata.annotations = { 'frp.io/group': name, 'frp.io/port': '5432' };
    await apply(service(ns, name, spec), servers as Manifest, postgresClient(ns, 'psql'));
    await rolledOut(ns, name);
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/psql', '--timeout=120s');
    await onlineAtBoth(ns, name, 1);
    assert.match(String((await ready(name)).message), /^tcp at database\.in-cluster\.svc:5432 /);
    const rows = await eventually('an answer of PostgreSQL', () =>
      query({ namespace: ns, name: 'psql', host: 'database' }, 'select 6 * 7'),
    );
    assert.equal(rows, '42\n');
  });

  test('a proxy of the cluster that knows Services alone has it as a backend, with the Host of its own users', async () => {
    const config = [
      'defaults',
      '  mode http',
      '  timeout connect 2s',
      '  timeout client 10s',
      '  timeout server 10s',
      'frontend in',
      '  bind :8080',
      '  default_backend out',
      'backend out',
      '  server hello hello.in-cluster.svc:80',
    ];
    const run = { image: 'docker.io/library/haproxy:2.6', readinessProbe: undefined };
    const command = ['sh', '-c', `printf '%s\\n' "$CONFIG" >/tmp/haproxy.cfg && exec haproxy -db -f /tmp/haproxy.cfg`];
    const env = [{ name: 'CONFIG', value: config.join('\n') }];
    await apply(pod({ namespace: ns, name: 'ingress', container: { ...run, command, env } }));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/ingress', '--timeout=60s');
    const address = String((await get(ns, 'pod', 'ingress')).status.podIP);
    const answers = await eventually('answers', () => answered(`http://${address}:8080/`, '-n', '20', '-H', 'Host: shop.example.com'));
    assert.equal(hostnames(answers).size, 2);
    assert.equal(hostOf(answers), 'shop.example.com');
  });

  test('the samples for Istio and the Gateway API are what their own validation and CRDs take, and their backend is there', async () => {
    const istio = 'kubernetes/customresourcedefinitions.gen.yaml';
    const routes = 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml';
    const made = ['virtualservices.networking.istio.io', 'destinationrules.networking.istio.io', 'httproutes.gateway.networking.k8s.io'];
    const crds = [await crdsIn('api', istio), await crdsIn('gateway-api', routes)]
      .flat()
      .filter(({ metadata }) => made.includes(String(metadata.name)));
    assert.equal(crds.length, made.length);
    await kubectl('create', 'namespace', 'ai');
    try {
      await apply(...crds);
      await kubectl('wait', '--for=condition=Established', ...made.map((name) => `crd/${name}`), '--timeout=30s');
      const mesh = sample('in-cluster-istio');
      await apply(...sample('in-cluster'));
      await kubectl('-n', 'ai', 'wait', '--for=condition=ClusterServiceReady', 'distributedservice/ollama', '--timeout=30s');
      const { spec } = await get('ai', 'service', 'ollama');
      assert.deepEqual(
        (spec.ports as { name: string; port: number }[]).map(({ name, port }) => [name, port]),
        [['http', 80]],
      );
      await eventually('the new kinds', () => apply(...mesh, ...sample('in-cluster-http-route'), ...sample('in-cluster-ingress')));
      const validate = (objects: Manifest[]) =>
        run(process.env.FRPK8S_ISTIO!, [], { input: objects.map((object) => JSON.stringify(object)).join('\n') });
      assert.deepEqual(await validate(mesh), { code: 0, stdout: '', stderr: '' });
      const wrong = JSON.parse(JSON.stringify(mesh).replaceAll('"exact":"ollama"', '"regex":"("')) as Manifest[];
      assert.match((await validate(wrong)).stdout, /^VirtualService frp-routing: .*error parsing regexp/s);
    } finally {
      await kubectl('delete', 'namespace', 'ai', '--wait=false');
      await kubectl('delete', 'crd', ...made, '--ignore-not-found', '--wait=false');
    }
  });

  test('a Service that was there before is left alone; the condition says what to do, and it is made when that one has gone', async () => {
    const theirs = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'taken', namespace: ns }, spec: { ports: [{ port: 80 }] } };
    await apply(theirs);
    const { uid } = (await get(ns, 'service', 'taken')).metadata as { uid: string };
    await apply(web('taken')[0]!);
    await eventually('the condition', async () => {
      const { status, reason, message } = conditionOf(await statusOf(ns, 'taken'), 'ClusterServiceReady');
      assert.deepEqual([status, reason], ['False', 'NameTaken']);
      assert.match(String(message), /^Service in-cluster\/taken exists .* set spec\.expose\.clusterService\.name to another/);
    });
    assert.equal((await get(ns, 'service', 'taken')).metadata.uid, uid);
    assert.deepEqual(await items(ns, 'endpointslice', '-l', 'kubernetes.io/service-name=taken'), []);
    await kubectl('-n', ns, 'delete', 'service', 'taken');
    await ready('taken');
    await kubectl('-n', ns, 'delete', 'distributedservice', 'taken', '--timeout=60s');
  });

  test('another name takes the place of the first, and without the field all of it is gone', async () => {
    const ours = async () =>
      (await items(ns, 'service,endpointslice', '-l', 'app.kubernetes.io/component=cluster-service'))
        .map(({ metadata }) => String(metadata.name))
        .filter((name) => name.startsWith('hello') || name.startsWith('greetings'))
        .sort();
    assert.deepEqual(await ours(), ['hello', 'hello-frp-ipv4']);
    await apply(web('hello', {}, { clusterService: { name: 'greetings', port: 8080 } })[0]!);
    await eventually('the new name', async () => assert.deepEqual(await ours(), ['greetings', 'greetings-frp-ipv4']));
    await eventually('an answer', () => answered('http://greetings.in-cluster:8080/'));
    await apply(web('hello', {}, { clusterService: undefined })[0]!);
    await eventually('the end', async () => assert.deepEqual(await ours(), []));
    const conditions = await eventually('the status', async () => {
      const found = await statusOf(ns, 'hello');
      assert.equal(found.clusterService, undefined);
      return found.conditions as { type: string }[];
    });
    assert.ok(!conditions.some(({ type }) => type === 'ClusterServiceReady'));
  });

  test('a service that is deleted takes its Service with it', async () => {
    await kubectl('-n', ns, 'delete', 'distributedservice', 'guarded', '--timeout=60s');
    assert.equal((await tryKubectl('-n', ns, 'get', 'service', 'guarded')).code, 1);
    assert.deepEqual(await items(ns, 'endpointslice', '-l', 'kubernetes.io/service-name=guarded'), []);
  });
});
