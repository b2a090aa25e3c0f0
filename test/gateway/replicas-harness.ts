/** Replicas of the gateway, each a real HAProxy at an address of its own. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import type { UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { View } from '../../src/gateway/ir/ir.ts';
import { freePort, gateway, until, type Gateway } from './haproxy-harness.ts';

export const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4'] as const;

/** Two or three, with a view each; resolves when they know each other. */
export async function replicas<Views extends readonly [View, View, View?]>(
  t: TestContext,
  views: Views,
  more: Partial<UsersSettings> = {},
): Promise<{ [At in keyof Views]: Gateway }> {
  const [table, failoverPort, httpPort, httpsPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const all = addresses.slice(0, views.length);
  const peers = all.map((address, index) => ({ name: `gw-${index}`, address: `${address}:${table}` }));
  const same = { peers, failoverPort, httpPort, httpsPort, ...more };
  const gateways = await Promise.all(
    all.map((address, index) => gateway(t, views[index]!, { ...same, addresses: [address], localPeer: `gw-${index}` })),
  );
  for (const { settings } of gateways) {
    await until(async () => {
      const stats = await runCommand(join(settings.directory, 'worker.sock'), 'show stat');
      return [...stats.matchAll(/^frp-replicas,gw-[0-9],.*,UP,/gm)].length === views.length - 1;
    });
  }
  return gateways as { [At in keyof Views]: Gateway };
}
