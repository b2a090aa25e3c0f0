/** A token is not used up where the cluster would not use the gateway that it is of. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { joinIfAsked } from '../../../src/controller/link/link-secret.ts';
import { ObjectStore } from '../../../src/kube/object-store.ts';
import type { Secret } from '../../../src/kube/types.ts';
import { until } from '../../support/until.ts';
import { ApiServer } from '../kube/api-server.ts';
import { startGateway, type TestGateway } from '../link/joined.ts';

const path = '/api/v1/namespaces/frp-system/secrets/frp-gateway-join';
const log = pino({ level: 'silent' });
const { signal } = new AbortController();
let api: ApiServer;
let gateway: TestGateway;
const secrets = new ObjectStore<Secret>(() => {});
const folder = mkdtempSync(join(tmpdir(), 'join-configured-'));

before(async () => {
  gateway = await startGateway();
  api = await ApiServer.start();
  writeFileSync(join(folder, 'kubeconfig'), api.kubeconfig);
});
after(async () => {
  await gateway.close();
  api.close();
  rmSync(folder, { recursive: true });
});

const joinWith = (of: object) =>
  joinIfAsked(
    {
      client: api.client,
      config: configSchema.parse({ gateway: of }),
      log,
      secrets,
      userSecrets: new ObjectStore<Secret>(() => undefined),
    },
    signal,
  );
const problem = () => (api.objects.get(path) as Secret).metadata.annotations?.['frp.io/join-problem'] ?? '';
const addresses = () => `gateway.addresses: ["127.0.0.1:${gateway.port}"]`;

test('frp-k8s join says at once that the cluster is not configured for a gateway', async () => {
  const main = new URL('../../../src/main.ts', import.meta.url).pathname;
  const env = { ...process.env, KUBECONFIG: join(folder, 'kubeconfig') };
  const command = promisify(execFile)(process.execPath, [main, 'join', await gateway.token(), '--wait', '60s'], { env });
  const refused = assert.rejects(command, {
    code: 1,
    stderr: /join: the configuration of this cluster .* lacks gateway\.addresses: \[/,
  });
  await until(() => api.objects.has(path));
  secrets.set(api.objects.get(path) as Secret);
  await joinWith({});
  await refused;
});

test('without gateway.addresses the token is kept unused, and the problem names what to set', async () => {
  assert.deepEqual(await joinWith({}), { isToBeTriedAgain: false });
  assert.ok(problem().startsWith('configuration: '), problem());
  assert.ok(problem().includes(`lacks ${addresses()};`), problem());
  assert.equal((await gateway.store.clusters()).size, 0);
});

test('a cluster with a gateway of its own keeps to it: the token is kept unused, and the problem says what to take away', async () => {
  const own: Secret = { metadata: { name: 'frp-gateway-replicas', namespace: 'frp-gateway' } };
  secrets.set(own);
  assert.deepEqual(await joinWith({ addresses: ['gw.example.com'] }), { isToBeTriedAgain: false });
  assert.match(
    problem(),
    /^configuration: this cluster has a gateway of its own \(Secret frp-gateway\/frp-gateway-replicas\), .*kubectl delete -k manifests\/gateway\) and run frp-k8s join/,
  );
  assert.equal((await gateway.store.clusters()).size, 0);
  secrets.delete(own);
});

test('once that is set the controller joins with that token', async () => {
  assert.deepEqual(await joinWith({ addresses: ['gw.example.com'] }), { isToBeTriedAgain: false });
  assert.ok(!api.objects.has(path));
  assert.deepEqual([...(await gateway.store.clusters()).keys()], ['home']);
});
