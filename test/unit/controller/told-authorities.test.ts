import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayLink } from '../../../src/controller/link/gateway-link.ts';
import { OwnItems } from '../../../src/link/own-items.ts';
import { joinAs, quiet, startGateway, until } from '../link/joined.ts';

test('a gateway is known to have an authority once it has taken it, and not while its link is down', async () => {
  const first = await startGateway();
  const items = new OwnItems();
  const tell = (bundle: string) => items.set({ kind: 'authority', key: 'clients', value: { bundle } });
  tell('one');
  const link = new GatewayLink({
    identity: await joinAs(await first.token()),
    items,
    proxy: () => undefined,
    log: quiet,
    renewed: async () => {},
    changed: () => {},
    serviceChanged: () => {},
    aboutChanged: () => {},
  });
  await until(() => link.hasAuthorities('one'), 'the first');
  await first.close();
  await until(() => !link.state.isUp, 'the end of the link');
  tell('two');
  assert.equal(link.hasAuthorities('two'), false);
  const second = await startGateway({ directory: first.directory, port: first.port });
  await until(() => link.hasAuthorities('two'), 'the second');
  await second.close();
  await until(() => !link.state.isUp, 'the end of the link');
  assert.equal(link.hasAuthorities('two'), true, 'what it has taken it keeps');
  await link.close();
});
