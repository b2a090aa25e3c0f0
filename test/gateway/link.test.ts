/** A cluster behind NAT: it joins a whole gateway (`frp-k8s gateway up`) by the port that its sidecars dial, and is served. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ports } from '../../src/gateway/up/layout.ts';
import { tcpSockets } from '../../src/gateway/up/processes.ts';
import { createAuthority, issue } from '../../certs/authority.ts';
import { audience, issuer, Signer } from '../unit/gateway/agent-tokens.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { Machine } from './up-harness.ts';

test('a cluster joins a gateway with its own command, its Pod serves, its status comes home, and removed it has nothing there', async (t) => {
  const machine = new Machine();
  t.after(() => machine.close());
  await machine.started();
  const said = await machine.command(
    'gateway',
    'token',
    'create',
    '--dir',
    machine.directory,
    '--cluster',
    'home',
    '--hosts',
    '*.example.com',
  );
  const cluster = startCluster(await joinAs(said.trim()));
  t.after(() => cluster.close());
  await assert.rejects(joinAs(said.trim()), { reason: 'TokenUsed' });

  const pod = { namespace: 'prod', name: 'api-0', uid: 'uid-0' };
  const now = Date.now();
  const own = await createAuthority({ lifetimeMs: 86_400_000, now });
  const signer = await Signer.create('home-key');
  const app = createServer((_, response) => response.end('from the home cluster')).listen(0, '127.0.0.1');
  await once(app, 'listening');
  t.after(() => app.close());
  const { port } = app.address() as AddressInfo;
  const { outbox } = cluster.end;
  outbox.set({ kind: 'authority', key: 'clients', value: { bundle: own.bundlePem } });
  outbox.set({ kind: 'keys', key: 'tokens', value: { issuer, keys: signer.keys.keys as never } });
  outbox.set(serviceItem('api'));
  outbox.set({
    kind: 'pod',
    key: pod.uid,
    value: { namespace: 'prod', name: 'api-0', isReady: true, ip: '10.1.1.1', ports: { api: port } },
  });
  await eventually('the gateway has the service', async () => (await machine.get('/', { host: 'api.example.com' })).status === 503);

  const { certPem, keyPem } = await issue(own, { commonName: 'api-0', usages: ['clientAuth'], lifetimeMs: 3_600_000, now });
  const at = join(machine.root, 'api-0');
  mkdirSync(at);
  const files = {
    'tls.crt': certPem,
    'tls.key': keyPem,
    'ca.crt': cluster.identity.authorityPem,
    token: await signer.token(pod, { audience }),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(at, name), content);
  const configuration = {
    serverAddr: '127.0.0.1',
    serverPort: 7000,
    loginFailExit: false,
    auth: { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: join(at, 'token') } } } },
    transport: {
      tls: {
        enable: true,
        certFile: join(at, 'tls.crt'),
        keyFile: join(at, 'tls.key'),
        trustedCaFile: join(at, 'ca.crt'),
        serverName: '127.0.0.1',
        disableCustomTLSFirstByte: true,
      },
    },
    proxies: [{ name: `prod.api.01234567.${pod.name}.${pod.uid}`, type: 'tcp', localIP: '127.0.0.1', localPort: port, remotePort: 0 }],
  };
  writeFileSync(join(at, 'frpc.json'), JSON.stringify(configuration));
  const frpc = spawn(process.env.FRPC!, ['-c', 'frpc.json'], { cwd: at, stdio: ['ignore', 'inherit', 'inherit'] });
  t.after(() => frpc.kill('SIGKILL'));

  const get = () => machine.get('/', { host: 'api.example.com' });
  await eventually('users reach the Pod', async () => (await get()).body === 'from the home cluster');
  const proxy = `proxy ${configuration.proxies[0]!.name}`;
  await eventually('its status comes home', async () => (heard(cluster.end)[proxy] as { status?: string })?.status === 'online');
  const clusters = () => machine.command('gateway', 'clusters', '--dir', machine.directory);
  await eventually('the list shows its link', async () => /^home +up +/m.test(await clusters()));

  // A gateway that starts anew serves what it knew, with no cluster there to tell it.
  await cluster.close();
  process.kill(machine.leader('agent'), 'SIGKILL');
  await machine.ready();
  await eventually('users reach the Pod again', async () => (await get()).body === 'from the home cluster');

  await machine.command('gateway', 'clusters', 'remove', 'home', '--dir', machine.directory);
  await eventually('nothing of it is served', async () => (await get()).status === 404);
  // The agent that ends it is another one than saw it begin.
  await eventually('its tunnel has ended', () => !tcpSockets().some(({ port: at, isListening }) => at === ports.frps && !isListening));
  await assert.rejects(machine.command('gateway', 'clusters', 'remove', 'home', '--dir', machine.directory), /no cluster home has joined/);
});
