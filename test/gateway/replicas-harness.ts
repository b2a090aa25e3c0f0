/** Two replicas of the gateway, each a real HAProxy at an address of its own. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runCommand } from '../../src/gateway/haproxy/runtime/cli.ts';
import type { UsersSettings } from '../../src/gateway/haproxy/index.ts';
import type { View } from '../../src/gateway/ir/ir.ts';
import { freePort, gateway, until, type Gateway } from './haproxy-harness.ts';

export const addresses = ['127.0.0.2', '127.0.0.3'] as const;

/** With a view each; resolves when they know each other. */
export async function replicas(t: TestContext, views: [View, View], more: Partial<UsersSettings> = {}): Promise<[Gateway, Gateway]> {
  const [table, failoverPort, httpPort, httpsPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const peers = addresses.map((address, index) => ({ name: `gw-${index}`, address: `${address}:${table}` }));
  const both = { peers, failoverPort, httpPort, httpsPort, ...more };
  const [a, b] = await Promise.all(
    addresses.map((address, index) => gateway(t, views[index]!, { ...both, addresses: [address], localPeer: `gw-${index}` })),
  );
  for (const { settings } of [a!, b!])
    await until(async () => /^frp-replicas,gw-[01],.*,UP,/m.test(await runCommand(join(settings.directory, 'worker.sock'), 'show stat')));
  return [a!, b!];
}
