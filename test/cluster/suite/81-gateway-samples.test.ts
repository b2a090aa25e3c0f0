/** The samples through the gateway of the cluster; services that move to it; a handmade client there. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { certificatesReadyBecomes } from '../support/certificates.ts';
import { testNamespace } from '../support/cluster.ts';
import { gatewayInstalled, gatewayNamespace, replicaAddress, users, usersAddress } from '../support/gateway.ts';
import { handmade } from '../support/handmade.ts';
import { createIssuer } from '../support/issuer.ts';
import { apply, items, kubectl, rolledOut, tryKubectl, type Json, type Manifest } from '../support/kubectl.ts';
import { deployment, httpService, pod, script } from '../support/objects.ts';
import { eventually } from '../support/run.ts';
import { applySamples, injects, sampleNamespaces } from '../support/sample-subjects.ts';
import { sampleTests, type SamplesGateway } from '../support/sample-tests.ts';
import { runningIn } from '../support/samples.ts';
import { withGateway } from '../support/settings.ts';
import { servedBy, server, status } from '../support/traffic.ts';

const moving = 'gateway-moving';
const attacker = 'gateway-attacker';

const grpcUsers = (): Manifest =>
  deployment({
    namespace: 'microservices',
    name: 'grpc-users',
    replicas: 6,
    container: script('setInterval(() => {}, 1e6); process.on("SIGTERM", () => process.exit(0));'),
  });

suite('the samples through the gateway', () => {
  let gateway: SamplesGateway;
  let restore = async () => {};
  after(() => restore());

  before(async () => {
    await gatewayInstalled();
    // The issuer of this suite has no certificate that the gateway knows.
    restore = await withGateway({ allowHttpIssuers: true }, {});
    await Promise.all([sampleNamespaces(), ...[moving, attacker].map((name) => testNamespace(name))]);
    const issuer = await createIssuer('web', 'webapp');
    await apply(
      ...issuer.objects,
      httpService(moving, 'moving', 'moving.example.com'),
      httpService(attacker, 'own', 'attacker.example.com'),
      grpcUsers(),
    );
    await applySamples(issuer);
    await apply(deployment({ namespace: moving, name: 'moving', replicas: 2, frp: { group: 'moving' } }));
    await rolledOut('microservices', 'grpc-users');
    const replicas = [await replicaAddress(0), await replicaAddress(1)];
    const inReplica = (container: string, ...command: string[]) =>
      kubectl('-n', gatewayNamespace, 'exec', 'frp-gateway-0', '-c', container, '--', ...command);
    gateway = {
      address: await usersAddress(),
      port: 80,
      replicas,
      grpcUrl: `http://${replicas[0]}:9090`,
      grpcUsers: async () =>
        (await items('microservices', 'pod', '-l', 'app=grpc-users')).map(({ metadata }) => ({
          namespace: 'microservices',
          name: String(metadata.name),
        })),
      issuer,
      config: () => inReplica('haproxy', 'cat', '/run/frp-gateway/users/current/haproxy.cfg'),
      running: () => runningIn(gatewayNamespace),
      tcpProxies: () =>
        inReplica('agent', 'node', '-e', `fetch('http://127.0.0.1:7500/api/proxy/tcp').then((answer) => answer.text()).then(console.log)`),
    };
  });

  sampleTests(() => gateway);

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
