/** Backends that are not annotated Pods: listed endpoints, DNS names, and Pods that a selector finds without a sidecar. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { get as httpGet } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { grpcCall, grpcServer } from '../support/grpc.ts';
import { apply, get, gone, items, kubectl, rolledOut, scale, tryKubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, pod, script, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { echo, requests, requestsToPort, servedBy } from '../support/traffic.ts';

const ns = 'frp-test-connectors';
/** How long members come and go; `npm run soak` takes a minute. */
const churnSeconds = Number(process.env.FRPK8S_CHURN_SECONDS ?? 12);

const clusterService = (name: string, app: string, more: Json = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: ns },
  spec: { selector: { app }, ports: [{ port: 8080 }], ...more },
});
const http = (name: string, backends: Json): Manifest =>
  service(ns, name, { serviceType: 'http', backends, expose: { domain: hostOf(name) } });
const hostOf = (name: string) => `${name}.connectors.test`;
const connector = (name: string) => `frp-${name}-connector`;

const problemOf = async (name: string): Promise<Json> => {
  const { status } = (await get(ns, 'distributedservice', name)) as { status?: { conditions?: Json[] } };
  return status?.conditions?.find(({ type, status: is }) => type === 'ConfigurationValid' && is === 'False');
};
const hasProblem = (name: string, reason: string): Promise<Json> =>
  eventually(`${name} has the problem ${reason}`, async () => {
    const problem = (await problemOf(name)) as { reason?: string; message: string } | undefined;
    assert.equal(problem?.reason, reason);
    return problem;
  });

suite('connectors', () => {
  let addressOfA = '';
  const listed = (...hosts: string[]) => http('listed', { endpoints: hosts.map((host) => ({ host, port: 8080 })) });

  const atPort = (name: string, serviceType: string, port: number, endpoint: Json) =>
    service(ns, name, { serviceType, backends: { endpoints: [endpoint] }, expose: { type: 'port', port } });
  const frpsAddress = async (): Promise<string> => String((await items(system, 'pod', '-l', 'app=frp-server'))[0].status.podIP);

  before(async () => {
    await installed();
    await testNamespace(ns);
    await apply(pod({ namespace: ns, name: 'a' }), pod({ namespace: ns, name: 'b' }), clusterService('b', 'b'));
    await apply(http('nowhere', { endpoints: [{ host: 'nowhere.invalid', port: 80 }] }));
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/a', 'pod/b', '--timeout=60s');
    addressOfA = (await get(ns, 'pod', 'a')).status.podIP;
  });

  test('serve endpoints by address and by name, in a restricted namespace, without a token', async () => {
    await apply(listed(addressOfA, 'b'));
    assert.deepEqual(await servedBy(hostOf('listed'), 2), ['a', 'b']);
    const [running] = (await items(ns, 'pod', '-l', 'frp.io/service=listed')) as {
      spec: { automountServiceAccountToken: boolean; volumes: object[] };
    }[];
    assert.ok(running);
    assert.equal(running.spec.automountServiceAccountToken, false);
    assert.deepEqual(running.spec.volumes.flatMap((volume) => Object.keys(volume).filter((key) => key !== 'name')).sort(), [
      'configMap',
      'projected',
    ]);
    const owned = await get(ns, 'deployment', connector('listed'));
    assert.equal(owned.metadata.ownerReferences[0].kind, 'DistributedService');
  });

  test('count in the status', () =>
    eventually('two active backends', async () => {
      const { status } = (await get(ns, 'distributedservice', 'listed')) as {
        status?: { activeBackends?: number; totalBackends?: number };
      };
      assert.deepEqual([status?.activeBackends, status?.totalBackends], [2, 2]);
    }));

  test('a member that leaves and comes back loses nothing that the others serve', async () => {
    let done = false;
    const load = async () => {
      let served = 0;
      while (!done) for (const count of (await requests(hostOf('listed'), 25)).values()) served += count;
      return served;
    };
    const running = load();
    // Many requests: with the load beside them, a few could all be the turn of the same member.
    const by = (...names: string[]) =>
      eventually(`served by ${names.join(' and ')}`, async () => {
        assert.deepEqual([...(await requests(hostOf('listed'), 31)).keys()].sort(), names);
      });
    const change = async () => {
      await apply(listed(addressOfA));
      await by('a');
      await apply(listed(addressOfA, 'b'));
      await by('a', 'b');
    };
    await change().finally(() => (done = true));
    assert.ok((await running) > 0);
  });

  test(`a join or a leave each second for ${churnSeconds} seconds loses nothing`, async (t) => {
    let done = false;
    let batches = 0;
    const seen = new Set<string>();
    const load = async () => {
      for (; !done; batches++) seen.add([...(await requests(hostOf('listed'), 25)).keys()].sort().join());
    };
    const churn = async () => {
      // On a slow machine a change may be over before anybody has asked: then some more, until both states were seen.
      for (let second = 0; second < churnSeconds || (seen.size < 2 && second < churnSeconds + 60); second++) {
        const started = Date.now();
        await apply(second % 2 === 0 ? listed(addressOfA) : listed(addressOfA, 'b'));
        await wait(Math.max(0, 1000 - (Date.now() - started)));
      }
    };
    await Promise.all([load(), churn().finally(() => (done = true))]);
    const [{ status }] = await items(ns, 'pod', '-l', 'frp.io/service=listed');
    assert.equal(status.containerStatuses[0].restartCount, 0);
    assert.deepEqual([...seen].sort(), ['a', 'a,b'], 'b came and went');
    t.diagnostic(`${batches * 25} requests`);
  });

  test('a request that a member is answering goes on while another leaves and comes back', async () => {
    await servedBy(hostOf('listed'), 2);
    const address = String((await get(system, 'service', 'frp-server')).spec.clusterIP);
    const headers = { Host: hostOf('listed') };
    // From here, not by the client Pod: what takes a command its time to start must not delay a request past the change.
    const slow = () =>
      new Promise<string>((resolve, reject) => {
        httpGet({ host: address, path: '/slow?ms=8000', headers, agent: false }, (answer) => {
          let text = '';
          answer
            .setEncoding('utf8')
            .on('data', (part: string) => (text += part))
            .on('end', () => resolve(text))
            .on('error', reject);
        }).on('error', reject);
      });
    const running = Promise.all(Array.from({ length: 6 }, slow));
    await wait(2000);
    await apply(listed(addressOfA));
    await wait(2000);
    await apply(listed(addressOfA, 'b'));
    const answers = await running;
    // Strict round robin: three of six were a's.
    assert.equal(answers.filter((answer) => answer.startsWith('a slept')).length, 3, answers.join());
    await servedBy(hostOf('listed'), 2);
  });

  test('several connector Pods share the work, and one of them may always be disrupted', async () => {
    const twice = listed(addressOfA, 'b') as Manifest & { spec: Json };
    twice.spec.backends.replicas = 2;
    await apply(twice);
    await rolledOut(ns, connector('listed'));
    assert.equal((await get(ns, 'poddisruptionbudget', connector('listed'))).spec.maxUnavailable, 1);
    const [first] = await items(ns, 'pod', '-l', 'frp.io/service=listed');
    await kubectl('-n', ns, 'delete', 'pod', String(first.metadata.name), '--wait=false');
    await servedBy(hostOf('listed'), 2);
    await apply(listed(addressOfA, 'b'));
    await gone(ns, 'poddisruptionbudget', connector('listed'));
  });

  test('follow the records of a headless Service, and the address of a plain one', async () => {
    await apply(
      deployment({ namespace: ns, name: 'web', replicas: 2 }),
      clusterService('headless', 'web', { clusterIP: 'None' }),
      clusterService('plain', 'web'),
      http('dns', { discovery: { mode: 'dns', name: 'headless', port: 8080 } }),
      http('plain', { discovery: { mode: 'dns', port: 8080 } }),
    );
    await rolledOut(ns, 'web');
    await servedBy(hostOf('dns'), 2);
    await scale(ns, 'web', 3);
    await servedBy(hostOf('dns'), 3);
    await scale(ns, 'web', 1);
    await Promise.all([servedBy(hostOf('dns'), 1), servedBy(hostOf('plain'), 1)]);
  });

  test('serve selected Pods once: by the connector, or by their own sidecar', async () => {
    await apply(
      http('selected', {
        discovery: { mode: 'selector', selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['s1', 's2'] }] } },
      }),
      deployment({ namespace: ns, name: 's1', replicas: 2 }),
    );
    await servedBy(hostOf('selected'), 2);
    await apply(pod({ namespace: ns, name: 's2', frp: { group: 'selected' } }));
    await servedBy(hostOf('selected'), 3);
    const share = (await requests(hostOf('selected'), 60)).get('s2') ?? 0;
    assert.ok(share >= 16 && share <= 24, `the Pod with a sidecar served ${share} of 60`);
    await kubectl('-n', ns, 'delete', 'deployment', 's1');
    await gone(ns, 'deployment', connector('selected'));
    assert.deepEqual(await servedBy(hostOf('selected'), 1), ['s2']);
  });

  test('serve a tcp port', async () => {
    await apply(atPort('by-port', 'tcp', 21457, { host: 'b', port: 8080 }));
    const address = await frpsAddress();
    await eventually('b answers at port 21457', () => requestsToPort(address, 21457, 4));
  });

  test('serve a udp port: datagrams there and back', async () => {
    await apply(atPort('datagrams', 'udp', 21458, { host: addressOfA, port: 8082 }));
    const address = await frpsAddress();
    await eventually('a answers at port 21458', async () =>
      assert.match(await echo('udp', address, 21458, 'ping through a connector'), /^a ping through a connector/),
    );
  });

  test('serve grpc: calls with trailers over cleartext HTTP/2', async () => {
    await apply(
      pod({ namespace: ns, name: 'grpc', container: script(grpcServer()) }),
      clusterService('grpc', 'grpc', { ports: [{ port: 9090 }] }),
      atPort('grpc', 'grpc', 21459, { host: 'grpc', port: 9090 }),
    );
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/grpc', '--timeout=60s');
    const url = `http://${await frpsAddress()}:21459`;
    const answer = await eventually('an answer', () => grpcCall({ namespace: ns, name: 'grpc' }, url, 'grpc.connectors.test'));
    assert.match(answer, /^grpc-status 0 grpc/);
  });

  test('a name that leads to the API server is refused', async () => {
    await apply(http('to-api', { endpoints: [{ host: 'kubernetes.default.svc', port: 443 }] }));
    const { message } = (await hasProblem('to-api', 'AddressRefused')) as { message: string };
    assert.match(message, /kubernetes\.default\.svc.* which is the address of the API server.*connectors\.allowAddresses/);
    const { data } = (await get(ns, 'configmap', connector('to-api'))) as { data: Record<string, string> };
    assert.deepEqual((JSON.parse(data['frpc.json']!) as { proxies: unknown[] }).proxies, []);
  });

  test('a name that does not resolve is told', async () => {
    const { message } = (await hasProblem('nowhere', 'NameNotResolved')) as { message: string };
    assert.match(message, /nowhere\.invalid/);
  });

  test('an object of somebody else is left alone, and served around once it is gone', async () => {
    await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: connector('taken'), namespace: ns }, data: { mine: 'yes' } });
    await apply(http('taken', { endpoints: [{ host: 'b', port: 8080 }] }));
    const { message } = (await hasProblem('taken', 'NameTaken')) as { message: string };
    assert.match(message, /ConfigMap frp-test-connectors\/frp-taken-connector .*rename or delete it/);
    const { data } = await get(ns, 'configmap', connector('taken'));
    assert.deepEqual(data, { mine: 'yes' });
    await kubectl('-n', ns, 'delete', 'configmap', connector('taken'));
    assert.deepEqual(await servedBy(hostOf('taken'), 1), ['b']);
  });

  test('the controller may write its own connectors, and nothing else of these kinds', async () => {
    const as = ['--as', 'system:serviceaccount:frp-system:frp-controller', '-n', ns];
    const refused = async (...command: string[]) => {
      const { code, stderr } = await tryKubectl(...as, ...command);
      assert.notEqual(code, 0, command.join(' '));
      assert.match(stderr, /frp-k8s-own-connectors|forbidden/, command.join(' '));
    };
    await refused('annotate', 'pod', 'a', 'x=y');
    await refused('delete', 'deployment', 'web');
    await refused('create', 'configmap', 'frp-mine');
    await refused('create', 'deployment', 'frp-x-connector', '--image=x');
    await refused('label', 'pod', '-l', 'frp.io/service=by-port', 'x=y');
    await refused('delete', 'pod', 'a');
  });

  test('the connector goes with its service', async () => {
    await kubectl('-n', ns, 'delete', 'distributedservice', 'listed', '--wait=false');
    await Promise.all(['deployment', 'configmap'].map((kind) => gone(ns, kind, connector('listed'))));
    await gone(ns, 'distributedservice', 'listed');
  });
});
