/** A game server: several ports of udp and several of tcp, two services of one Pod. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { apply, kubectl, type Json } from './kubectl.ts';
import { pod, script, service } from './objects.ts';
import { eventually } from './run.ts';
import { echo } from './traffic.ts';

/** By name, as the app has them. */
const ports = { udp: { play: 2456, query: 2457 }, tcp: { rcon: 2458, map: 2459 } } as const;
type Protocol = keyof typeof ports;

/** Of each protocol's service. */
export const serviceOf = (protocol: Protocol): string => `game-${protocol}`;

/** On every port it says which one it is, and what it was told. */
const app = script(
  `for (const port of ${JSON.stringify(Object.values(ports.udp))}) {
     const socket = require('node:dgram').createSocket('udp4').on('message', (text, from) => socket.send(port + ' ' + text, from.port, from.address)).bind(port);
   }
   for (const port of ${JSON.stringify(Object.values(ports.tcp))})
     require('node:net').createServer((s) => s.on('error', () => {}).once('data', (text) => s.end(port + ' ' + text))).listen(port);`,
);

/** @param at ports of users by name; 0: any @param ofUdp more of the spec of the udp service */
export async function gamePod(namespace: string, at: Readonly<Record<string, number>>, ofUdp: Json = {}): Promise<void> {
  const several = (protocol: Protocol, more: Json = {}) =>
    service(namespace, serviceOf(protocol), {
      serviceType: protocol,
      backends: { discovery: { mode: 'auto' } },
      expose: {
        type: 'port',
        ports: Object.entries(ports[protocol]).map(([name, backendPort]) => ({ name, port: at[name], backendPort })),
      },
      ...more,
    });
  await apply(several('udp', ofUdp), several('tcp'));
  await apply(pod({ namespace, name: 'game', frp: { group: `${serviceOf('udp')},${serviceOf('tcp')}` }, container: app }));
  await kubectl('-n', namespace, 'wait', '--for=condition=Ready', 'pod/game', '--timeout=60s');
}

/** What is said at a port of users. Over tcp this end stays open meanwhile: frp carries no half-closed connection. @throws Error */
export async function answerAt(protocol: Protocol, address: string, port: number): Promise<string> {
  if (protocol === 'udp') return (await echo('udp', address, port, 'hello')).trim();
  const socket = connect({ host: address, port });
  try {
    socket.write('hello');
    const [said] = (await once(socket, 'data', { signal: AbortSignal.timeout(3000) })) as [Buffer];
    return said.toString();
  } finally {
    socket.on('error', () => {}).destroy();
  }
}

/** A port of users leads to the port of the app that has that name. */
export const leadsTo = (protocol: Protocol, name: string, address: string, port: number): Promise<void> =>
  eventually(`${name} at ${address}:${port}`, async () => {
    const expected = Object.entries(ports[protocol]).find(([each]) => each === name)![1];
    assert.equal(await answerAt(protocol, address, port), `${expected} hello`);
  });
