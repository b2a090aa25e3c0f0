/** Every kind of workload and of exposure, with traffic through each. All namespaces enforce Pod Security restricted. */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { backendTls } from '../support/certificates.ts';
import { installed, system, testNamespace } from '../support/cluster.ts';
import { gamePod, leadsTo } from '../support/game.ts';
import { grpcCall, grpcServer } from '../support/grpc.ts';
import { apply, get, items, kubectl, rolledOut, tryApply, type Json, type Manifest } from '../support/kubectl.ts';
import { eachServes, groups, mailPod, sidecarsOf, user } from '../support/mail-pod.ts';
import { deployment, httpService, job, pod, script, service } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { echo, requestsToPort, servedBy, server } from '../support/traffic.ts';

const ns = 'workloads';
const portService = (name: string, serviceType: string, port: number, backend: number): Manifest =>
  service(ns, name, {
    serviceType,
    backends: { discovery: { mode: 'auto', port: backend } },
    expose: { type: 'port', port, ...(serviceType === 'http' && { path: '/' }) },
  });

/** A Service of the user's own beside frp-server, for ports that services are exposed at (docs/guide/install.md). */
const exposed: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'frp-test-ports', namespace: system, labels: { 'frp-k8s-test': 'true' } },
  spec: {
    selector: { app: 'frp-server' },
    ports: [
      { name: 'http', port: 20001 },
      { name: 'tcp', port: 20002 },
      { name: 'udp', port: 20003, protocol: 'UDP' },
      { name: 'grpc', port: 20004 },
    ],
  },
};
const ports = `frp-test-ports.${system}.svc`;

suite('workloads', { concurrency: true }, () => {
  before(async () => {
    await installed();
    await testNamespace(ns);
    await apply(exposed);
  });

  test('a service and its Deployment in one file come up with no denied Pod', async () => {
    // The Deployment first: its Pods are reviewed before the service is known.
    await apply(
      deployment({ namespace: ns, name: 'onefile', replicas: 3, frp: { group: 'onefile' } }),
      httpService(ns, 'onefile', 'onefile.example.com'),
    );
    await rolledOut(ns, 'onefile');
    await servedBy('onefile.example.com', 3);
    const events = await items(ns, 'event');
    assert.deepEqual(
      events
        .filter((e) => e.reason === 'FailedCreate' && String(e.involvedObject.name).startsWith('onefile'))
        .map((e) => e.message as string),
      [],
    );
  });

  test('--dry-run=server shows the sidecar and leaves nothing', async () => {
    await apply(httpService(ns, 'dry', 'dry.example.com'));
    const dry = pod({ namespace: ns, name: 'dry', frp: { group: 'dry' } });
    const answer = await eventually('the service to be known', async () => {
      const { code, stdout, stderr } = await tryApply([dry], '--dry-run=server', '-o', 'json');
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as { spec: Json; metadata: Json };
    });
    assert.equal(answer.spec.initContainers[0].name, 'frpc');
    assert.equal(answer.metadata.labels['frp.io/sidecar'], 'injected');
    assert.deepEqual(
      (await items(ns, 'pod')).filter((p) => p.metadata.name === 'dry'),
      [],
    );
  });

  test('a Job with a sidecar completes', async () => {
    await apply(httpService(ns, 'batch', 'batch.example.com', 8080));
    await apply(job({ namespace: ns, name: 'batch', frp: { group: 'batch' }, container: script('console.log("work done")') }));
    await kubectl('-n', ns, 'wait', '--for=condition=Complete', 'job/batch', '--timeout=90s');
    const [done] = await items(ns, 'pod', '-l', 'app=batch');
    assert.equal(done.spec.initContainers[0].name, 'frpc');
    assert.equal(done.status.phase, 'Succeeded');
  });

  test('http at a port of its own is shared by the replicas', async () => {
    await apply(
      portService('by-port', 'http', 20001, 8080),
      deployment({ namespace: ns, name: 'by-port', replicas: 2, frp: { group: 'by-port' } }),
    );
    await rolledOut(ns, 'by-port');
    await eventually('both replicas', async () => assert.equal((await requestsToPort(ports, 20001, 12)).size, 2));
  });

  test('tcp at a port carries bytes both ways', async () => {
    await apply(portService('raw', 'tcp', 20002, 8081), deployment({ namespace: ns, name: 'raw', frp: { group: 'raw' } }));
    await rolledOut(ns, 'raw');
    await eventually('an echo', async () => assert.match(await echo('tcp', ports, 20002, 'ping over tcp'), /ping over tcp/));
  });

  test('udp at a port carries datagrams both ways', async () => {
    await apply(
      portService('datagrams', 'udp', 20003, 8082),
      deployment({ namespace: ns, name: 'datagrams', frp: { group: 'datagrams' } }),
    );
    await rolledOut(ns, 'datagrams');
    await eventually('an echo', async () => assert.match(await echo('udp', ports, 20003, 'ping over udp'), /ping over udp/));
  });

  test('grpc at a port reaches a cleartext HTTP/2 backend', async () => {
    await apply(
      portService('grpc', 'grpc', 20004, 9090),
      deployment({ namespace: ns, name: 'grpc', frp: { group: 'grpc', port: '9090' }, container: script(grpcServer()) }),
    );
    await rolledOut(ns, 'grpc');
    await apply(
      pod({ namespace: ns, name: 'grpc-user', container: script('setInterval(() => {}, 1e6)'), pod: { terminationGracePeriodSeconds: 0 } }),
    );
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/grpc-user', '--timeout=60s');
    assert.match(
      await eventually('an answer', () => grpcCall({ namespace: ns, name: 'grpc-user' }, `http://${ports}:20004`, 'grpc.example.com')),
      /^grpc-status 0 .*grpc-/,
    );
  });

  test('grpc and tcp by the name in the TLS handshake reach their own backends', async () => {
    const tls = await backendTls('sni-grpc.example.com', 'sni-tcp.example.com');
    const bySni = (name: string, serviceType: string) =>
      service(ns, name, {
        serviceType,
        backends: { discovery: { mode: 'auto', port: 9443 } },
        expose: { type: 'domain', domain: `${name}.example.com` },
      });
    const backend = (name: string) => deployment({ namespace: ns, name, frp: { group: name }, container: script(grpcServer(tls)) });
    await apply(bySni('sni-grpc', 'grpc'), bySni('sni-tcp', 'tcp'), backend('sni-grpc'), backend('sni-tcp'));
    await Promise.all([rolledOut(ns, 'sni-grpc'), rolledOut(ns, 'sni-tcp')]);
    await apply(
      pod({ namespace: ns, name: 'sni-user', container: script('setInterval(() => {}, 1e6)'), pod: { terminationGracePeriodSeconds: 0 } }),
    );
    await kubectl('-n', ns, 'wait', '--for=condition=Ready', 'pod/sni-user', '--timeout=60s');
    for (const name of ['sni-grpc', 'sni-tcp']) {
      const answer = await eventually(`an answer of ${name}`, () =>
        grpcCall({ namespace: ns, name: 'sni-user' }, `https://${server}:443`, `${name}.example.com`),
      );
      assert.match(answer, new RegExp(`^grpc-status 0 .*${name}-`));
    }
  });

  test('one Pod joins several groups by one sidecar, by port names and numbers', async () => {
    await apply(
      httpService(ns, 'front', 'front.example.com'),
      httpService(ns, 'back', 'back.example.com'),
      deployment({
        namespace: ns,
        name: 'both',
        frp: { group: 'front,back', 'port.front': 'http', 'port.back': '18080' },
        pod: {
          containers: [
            ...(deployment({ namespace: ns, name: 'both' }).spec as Json).template.spec.containers,
            {
              ...(deployment({ namespace: ns, name: 'both', port: 18080 }).spec as Json).template.spec.containers[0],
              name: 'second',
              ports: [],
            },
          ],
        },
      }),
    );
    await rolledOut(ns, 'both');
    const [front] = await servedBy('front.example.com', 1);
    const [back] = await servedBy('back.example.com', 1);
    assert.equal(front, back);
    const { initContainers } = (await get(ns, 'pod', front!)).spec as {
      initContainers: { name: string; env: { name: string; value?: string }[] }[];
    };
    assert.deepEqual(
      initContainers.map(({ name, env }) => [name, env.find((variable) => variable.name === 'FRP_GROUP')?.value]),
      [['frpc', 'front,back']],
    );
  });

  test('nine ports of a mail Pod are one frpc, and a group that is deleted leaves the open connections of the others', async (t) => {
    await mailPod(ns, 20_100);
    assert.deepEqual(await sidecarsOf(ns), ['frpc']);
    const [frps] = await items(system, 'pod', '-l', 'app=frp-server');
    const address = frps.status.podIP as string;
    await eachServes(address, 20_100);
    const isConnected = await user(t, address, 20_100 + groups.indexOf('imap'));
    await kubectl('-n', ns, 'delete', 'distributedservice', groups[0]!, '--timeout=60s');
    await isConnected();
    await eachServes(address, 20_100, groups.slice(1));
    await isConnected();
  });

  test('two ports of udp and two of tcp of a game are two services of one frpc, and each leads to its own port of the app', async () => {
    const at = { play: 20_110, query: 20_111, rcon: 20_112, map: 20_113 };
    await gamePod(ns, at);
    const [frps] = await items(system, 'pod', '-l', 'app=frp-server');
    const address = frps.status.podIP as string;
    await Promise.all([
      ...(['play', 'query'] as const).map((name) => leadsTo('udp', name, address, at[name])),
      ...(['rcon', 'map'] as const).map((name) => leadsTo('tcp', name, address, at[name])),
    ]);
  });

  test('selector mode injects Pods by their labels where the namespace asks for it', async () => {
    const chosen = 'workloads-selector';
    await testNamespace(chosen, { 'frp.io/injection': 'enabled' });
    await apply(
      service(chosen, 'chosen', {
        serviceType: 'http',
        backends: { discovery: { mode: 'selector', port: 8080, selector: { matchLabels: { app: 'chosen' } } } },
        expose: { domain: 'chosen.example.com' },
      }),
    );
    await eventually('the service to be known', async () => {
      const { code, stdout } = await tryApply([pod({ namespace: chosen, name: 'chosen' })], '--dry-run=server', '-o', 'json');
      assert.equal(code, 0);
      assert.equal(JSON.parse(stdout).metadata.labels['frp.io/sidecar'], 'injected');
    });
    await apply(deployment({ namespace: chosen, name: 'chosen' }), pod({ namespace: chosen, name: 'bystander' }));
    await rolledOut(chosen, 'chosen');
    await servedBy('chosen.example.com', 1);
    assert.equal((await get(chosen, 'pod', 'bystander')).spec.initContainers, undefined);
  });

  test('a Pod of a namespace that opted out is left alone', async () => {
    const closed = 'workloads-disabled';
    await testNamespace(closed, { 'frp.io/injection': 'disabled' });
    await apply(pod({ namespace: closed, name: 'plain', frp: { group: 'no-such-group' } }));
    assert.equal((await get(closed, 'pod', 'plain')).spec.initContainers, undefined);
  });

  test('a Deployment that names no service is warned of at once, and its Pods say why', async () => {
    const output = await apply(deployment({ namespace: ns, name: 'lost', frp: { group: 'nowhere' } }));
    assert.match(output, /Warning: .*nowhere/);
    const denied = await eventually('the event', async () => {
      const event = (await items(ns, 'event')).find((e) => e.reason === 'FailedCreate' && String(e.involvedObject.name).startsWith('lost'));
      assert.ok(event);
      return event.message as string;
    });
    assert.match(denied, /nowhere/);
  });
});
