/** A Pod with the nine ports of a mail server, a group for each, and users who stay connected to some of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { apply, get, kubectl } from './kubectl.ts';
import { pod, script, service } from './objects.ts';
import { eventually } from './run.ts';

export const groups = ['smtp', 'submission', 'submissions', 'imap', 'imaps', 'pop', 'pops', 'sieve', 'web'];
const appPort = (index: number): number => 2500 + index;

/** Processes are found by the name of their Pod (processes.ts). */
export const podOf = (namespace: string): string => `${namespace}-mail`;

/** On every port it says which one it is, and then whatever it is told. */
const app = script(
  `for (let i = 0; i < ${groups.length}; i++) require('node:net').createServer((s) => { s.on('error', () => {}).write('port ' + (${appPort(0)} + i) + '\\n'); s.pipe(s); }).listen(${appPort(0)} + i);`,
);

/** @param first port of users for the first group; the others follow */
export async function mailPod(namespace: string, first: number): Promise<void> {
  const services = groups.map((name, index) =>
    service(namespace, name, {
      serviceType: 'tcp',
      backends: { discovery: { mode: 'auto', port: appPort(index) } },
      expose: { type: 'port', port: first + index },
    }),
  );
  const ports = Object.fromEntries(groups.map((name, index) => [`port.${name}`, String(appPort(index))]));
  await apply(...services);
  await apply(pod({ namespace, name: podOf(namespace), frp: { group: groups.join(), ...ports }, container: app }));
  await kubectl('-n', namespace, 'wait', '--for=condition=Ready', `pod/${podOf(namespace)}`, '--timeout=60s');
}

/** Containers of the Pod's sidecars. */
export async function sidecarsOf(namespace: string): Promise<string[]> {
  const { initContainers } = (await get(namespace, 'pod', podOf(namespace))).spec as { initContainers: { name: string }[] };
  return initContainers.map(({ name }) => name);
}

/** Each group's port leads to that group's port of the app. */
export async function eachServes(address: string, first: number, served = groups): Promise<void> {
  for (const name of served) {
    const index = groups.indexOf(name);
    await eventually(`${name} at ${address}:${first + index}`, async () => {
      const socket = connect({ host: address, port: first + index, timeout: 3000 });
      try {
        assert.equal(await next(socket), `port ${appPort(index)}\n`);
      } finally {
        socket.destroy();
      }
    });
  }
}

/** A user who stays. @returns asks whether what is said still comes back */
export async function user(t: TestContext, address: string, port: number): Promise<() => Promise<void>> {
  const socket = connect({ host: address, port });
  t.after(() => socket.destroy());
  await next(socket);
  return async () => {
    assert.ok(socket.writable, 'the connection is open');
    socket.write('still there?');
    assert.equal(await next(socket), 'still there?');
  };
}

/** What comes next; an error where nothing does. */
async function next(socket: Socket): Promise<string> {
  const gone = Promise.race([once(socket, 'close'), once(socket, 'timeout')]).then(() => assert.fail('the connection is over'));
  const [data] = (await Promise.race([once(socket, 'data'), gone])) as [Buffer];
  return data.toString();
}
