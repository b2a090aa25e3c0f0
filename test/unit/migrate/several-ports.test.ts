/** Proxies that become one service with several ports, and those that stay apart. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { migrate } from '../../../src/migrate/migrate.ts';
import type { DistributedService } from '../../../src/model/types.ts';

interface Proxy {
  name: string;
  type?: string;
  localIP?: string;
  localPort: number;
  remotePort?: number;
  healthCheck?: object;
}

function portsOf(proxies: Proxy[], localHost?: string) {
  const client = {
    file: 'frpc.toml',
    common: { serverAddr: 'vps.example.com' },
    proxies: proxies.map((proxy) => ({ type: 'tcp', ...proxy })),
    visitors: [],
    findings: [],
  };
  const { services } = migrate({ clients: [client], manifests: [] }, { namespace: undefined, baseDomain: undefined, localHost });
  return services.map(({ service }) => {
    const { metadata, spec } = service as unknown as DistributedService;
    const ports = spec.expose?.ports?.map(({ name, port, backendPort = port }) => `${name} ${port}:${backendPort}`);
    return [metadata.name, ports ?? spec.expose?.port];
  });
}

const far = { localIP: '10.0.0.5' };
const game = [
  { name: 'ark-game', localPort: 7777, remotePort: 7777 },
  { name: 'ark-rcon', localPort: 27_020, remotePort: 32_330 },
];

suite('proxies of one client', () => {
  test('at one address elsewhere, with one first word, are one service, each with its port', () => {
    const one = [['ark', ['ark-game 7777:7777', 'ark-rcon 32330:27020']]];
    assert.deepEqual(portsOf(game.map((proxy) => ({ ...proxy, ...far }))), one);
    assert.deepEqual(portsOf(game, '10.0.0.5'), one);
  });

  test('at ports of a mail server are one service, whatever their names', () => {
    const mail = [
      { name: 'in', localPort: 25, remotePort: 25 },
      { name: 'A_very_long_name', localPort: 587, remotePort: 2587 },
    ];
    assert.deepEqual(portsOf(mail.map((proxy) => ({ ...proxy, ...far }))), [['mail', ['in 25:25', 'p2587 2587:587']]]);
  });

  test('at the machine itself are apart, as each may be a Pod of its own', () => {
    assert.deepEqual(portsOf(game), [
      ['ark-game', 7777],
      ['ark-rcon', 32_330],
    ]);
  });

  test('with other settings, another address, another type or a port that is picked are apart', () => {
    const [first, second] = game.map((proxy) => ({ ...proxy, ...far })) as [Proxy, Proxy];
    for (const other of [
      { localIP: '10.0.0.6' },
      { type: 'udp' },
      { healthCheck: { type: 'tcp' } },
      { remotePort: 0 },
      { name: 'nas-rcon' },
    ])
      assert.equal(portsOf([first, { ...second, ...other }]).length, 2, JSON.stringify(other));
  });

  test('keep every port, once, whatever their names are', () => {
    const proxy = fc.record({
      name: fc.constantFrom('a-x', 'a-y', 'a_x', 'A-x', 'a1', 'a2', 'b', 'a-', '-a'),
      localIP: fc.constantFrom('10.0.0.5', '127.0.0.1'),
      localPort: fc.constantFrom(25, 80, 993),
      remotePort: fc.integer({ min: 20_000, max: 20_005 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(proxy, { selector: ({ remotePort }) => remotePort, maxLength: 6 }), (proxies) => {
        const found = portsOf(proxies).flatMap(([, ports]) =>
          Array.isArray(ports) ? ports.map((text) => Number(/ (\d+):/.exec(text)?.[1])) : [ports],
        );
        assert.deepEqual(found.sort(), proxies.map(({ remotePort }) => remotePort).sort());
      }),
    );
  });
});
