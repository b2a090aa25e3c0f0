/** Two clusters whose tokens have the same issuer and key id, as clusters made by the same installer may: the key decides whose a Pod is. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createAuthority, issue, type Authority } from '../../certs/authority.ts';
import { issuer, Signer } from '../unit/gateway/agent-tokens.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { eventually } from './eventually.ts';
import { Machine } from './up-harness.ts';

interface Joined {
  cluster: TestCluster;
  signer: Signer;
  authority: Authority;
  /** its only Pod */
  pod: { namespace: string; name: string; uid: string };
  port: number;
}

describe('two clusters with one issuer and one key id', { timeout: 170_000 }, () => {
  const machine = new Machine();
  const clusters = {} as Record<'east' | 'west', Joined>;
  const frpcs: ChildProcess[] = [];
  let started = 0;

  async function joined(name: string): Promise<Joined> {
    const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', name);
    const cluster = startCluster(await joinAs(token.trim()));
    const authority = await createAuthority({ lifetimeMs: 86_400_000, now: Date.now() });
    const signer = await Signer.create('the-same');
    const app = createServer((_, response) => response.end(`from ${name}`)).listen(0, '127.0.0.1');
    await once(app, 'listening');
    app.unref();
    const { port } = app.address() as AddressInfo;
    const pod = { namespace: 'prod', name: `${name}-0`, uid: `uid-${name}` };
    const { outbox } = cluster.end;
    outbox.set({ kind: 'authority', key: 'clients', value: { bundle: authority.bundlePem } });
    outbox.set({ kind: 'keys', key: 'tokens', value: { issuer, keys: signer.keys.keys as never } });
    outbox.set(serviceItem('api'));
    outbox.set({
      kind: 'pod',
      key: pod.uid,
      value: { namespace: 'prod', name: pod.name, isReady: true, ip: '10.1.1.1', ports: { api: port } },
    });
    return { cluster, signer, authority, pod, port };
  }

  /** A real frpc of a cluster. @returns what it has logged so far */
  async function dials(
    { authority, cluster, port, pod }: Joined,
    { signer, as = pod }: { signer: Signer; as?: Joined['pod'] },
  ): Promise<() => string> {
    const at = join(machine.root, `sidecar-${++started}`);
    mkdirSync(at);
    const common = { commonName: as.name, usages: ['clientAuth' as const], lifetimeMs: 3_600_000, now: Date.now() };
    const { certPem, keyPem } = await issue(authority, common);
    const files = { 'tls.crt': certPem, 'tls.key': keyPem, 'ca.crt': cluster.identity.authorityPem, token: await signer.token(as) };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(at, name), content);
    const tls = {
      enable: true,
      certFile: join(at, 'tls.crt'),
      keyFile: join(at, 'tls.key'),
      trustedCaFile: join(at, 'ca.crt'),
      serverName: '127.0.0.1',
      disableCustomTLSFirstByte: true,
    };
    const configuration = {
      serverAddr: '127.0.0.1',
      serverPort: 7000,
      loginFailExit: false,
      auth: { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: join(at, 'token') } } } },
      transport: { tls },
      proxies: [{ name: `prod.api.01234567.${as.name}.${as.uid}`, type: 'tcp', localIP: '127.0.0.1', localPort: port, remotePort: 0 }],
    };
    writeFileSync(join(at, 'frpc.json'), JSON.stringify(configuration));
    const log = openSync(join(at, 'log'), 'a');
    frpcs.push(spawn(process.env.FRPC!, ['-c', 'frpc.json'], { cwd: at, stdio: ['ignore', log, log] }));
    return () => readFileSync(join(at, 'log'), 'utf8');
  }
  const isRefused = async (reason: string, log: () => string): Promise<void> => {
    await eventually(`the sidecar is told ${reason}`, () => log().includes(`${reason}: `));
    frpcs.pop()!.kill('SIGKILL');
  };
  const statusOf = ({ cluster, pod }: Joined) =>
    (heard(cluster.end)[`proxy prod.api.01234567.${pod.name}.${pod.uid}`] as { status?: string } | undefined)?.status;

  before(async () => {
    await machine.started();
    clusters.east = await joined('east');
    clusters.west = await joined('west');
    await eventually('the gateway has the service', async () => (await machine.get('/', { host: 'api.example.com' })).status === 503);
  });
  after(async () => {
    for (const frpc of frpcs) frpc.kill('SIGKILL');
    await Promise.all(Object.values(clusters).map(({ cluster }) => cluster.close()));
    await machine.close();
  });

  it('a Pod that either of them knows is refused with a key that is of none', async () => {
    const stranger = await Signer.create('the-same');
    for (const name of ['east', 'west'] as const) await isRefused('TokenInvalid', await dials(clusters[name], { signer: stranger }));
  });

  it('the key of one vouches for no Pod of the other', async () => {
    const { east, west } = clusters;
    await isRefused('PodGone', await dials(east, { signer: east.signer, as: west.pod }));
    await isRefused('PodGone', await dials(west, { signer: west.signer, as: east.pod }));
  });

  it('each of them serves with its own key, and is told of its own Pods alone', async () => {
    const { east, west } = clusters;
    await dials(east, { signer: east.signer });
    await dials(west, { signer: west.signer });
    const seen = new Set<string>();
    await eventually('both answer', async () => {
      const { body } = await machine.get('/', { host: 'api.example.com' });
      return seen.add(body).has('from east') && seen.has('from west');
    });
    for (const each of [east, west]) await eventually('its own is online', () => statusOf(each) === 'online');
    const told = [east, west].map(({ cluster }) => Object.keys(heard(cluster.end)).filter((id) => id.startsWith('proxy ')));
    assert.deepEqual(
      told.map(({ length }) => length),
      [1, 1],
    );
  });

  it('a Pod that one cluster says it has with the UID of another cluster’s takes nothing from that one', async () => {
    const { east, west } = clusters;
    // The facts of a Pod count for its own cluster: what west says of east's UID neither takes it out nor gives west its place.
    west.cluster.end.outbox.set({
      kind: 'pod',
      key: east.pod.uid,
      value: { namespace: 'prod', name: east.pod.name, isReady: false, weight: 0, ports: { api: 1 } },
    });
    await eventually('the gateway has taken it', () => west.cluster.end.outbox.isSettled);
    const answers = await Promise.all(Array.from({ length: 8 }, () => machine.get('/', { host: 'api.example.com' })));
    assert.ok(
      answers.some(({ body }) => body === 'from east'),
      JSON.stringify(answers.map(({ body }) => body)),
    );
    assert.equal(statusOf(east), 'online');
  });
});
