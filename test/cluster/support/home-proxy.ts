/** A home network that lets out nothing but a proxy's connections: tunnels and link go by it. */
import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { httpProxy, type TestProxy } from '../../support/proxies.ts';
import { ask } from './ask.ts';
import type { HomeCluster } from './home-cluster.ts';
import { allWell, host, port } from './home-web.ts';
import { apply, items, kubectl, rolledOut } from './kubectl.ts';
import { system } from './places.ts';
import { processesOf } from './processes.ts';
import { run } from './run.ts';
import { allowedSecret } from './samples.ts';
import { vpsAddress } from './vps.ts';

const tunnels = { host: vpsAddress, port: 7000 };
const way = `${tunnels.host}:${tunnels.port}`;

export function byProxy(home: () => HomeCluster): void {
  suite('where a proxy is the only way out', () => {
    let proxy: TestProxy;
    after(() => proxy?.close());

    test('tunnels and link go by it, with its user and password, and nothing else gets out', async () => {
      // On the router, which the nodes and Pods reach.
      proxy = await httpProxy({ host: '10.200.0.1', wants: 'cluster:open sesame', to: () => tunnels });
      await apply(allowedSecret(system, 'way-out', { user: 'cluster', password: 'open sesame' }));
      await home().configure({ proxyURL: proxy.url, proxySecret: 'way-out' });
      await kubectl('-n', 'shop', 'rollout', 'restart', 'deployment/web');
      await home().vps.closeWayOut();
      await rolledOut('shop', 'web');
      for (const [namespace, app] of [
        ['shop', 'web'],
        [system, 'frp-controller'],
      ] as const)
        for (const { metadata } of await items(namespace, 'pod', '-l', `app=${app}`)) await cannotDial(String(metadata.name));
      await allWell();
      // The link and the sidecars of two Pods at least; to nowhere else.
      assert.ok(proxy.asked.length >= 3, proxy.asked.join());
      assert.deepEqual([...new Set(proxy.asked)], [way]);
    });

    test('they come back by it after a death of the gateway’s frps and of its agent', async () => {
      const before = proxy.asked.length;
      await Promise.all([home().kill('frps'), home().kill('agent')]);
      await allWell();
      assert.ok(proxy.asked.length > before);
      assert.equal((await ask(vpsAddress, { host }, port)).status, 200);
    });
  });
}

/** From the network of a Pod, where one of that name still runs. */
async function cannotDial(pod: string): Promise<void> {
  const [pid] = processesOf(pod);
  if (pid === undefined) return;
  const words = ['-t', String(pid), '-n', 'timeout', '2', 'bash', '-c', `: </dev/tcp/${tunnels.host}/${tunnels.port}`];
  assert.notEqual((await run('nsenter', words)).code, 0, `${pod} dials the gateway itself`);
}
