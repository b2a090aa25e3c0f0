/** Five configurations of the corpus with their apps and their users, by the way that the installation has. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ask } from './ask.ts';
import { system, testNamespace } from './cluster.ts';
import { foreign } from './controller.ts';
import { apply, get, kubectl, rolledOut, type Json } from './kubectl.ts';
import { api, game, mail, mailPorts, ollama, web } from './migrated-apps.ts';
import { move, runWithFile, type Moved } from './migrating.ts';
import { pod, type App } from './objects.ts';
import { eventually, must } from './run.ts';
import { withSettings } from './settings.ts';
import { theirAddress, theirConfiguration, theirPodAddress, theirs, theirServer } from './their-frps.ts';

/** `auth.token` of the corpus. */
const token = 'tok-3fa9c1';
const ports = [
  ...[...mailPorts, 25565].map((port) => ({ port, protocol: 'TCP' as const })),
  ...[19132, 24454].map((port) => ({ port, protocol: 'UDP' as const })),
];
/** No user of theirs is left when they end. */
const brief = { terminationGracePeriodSeconds: 1 };
const [httpPort, httpsPort] = [8080, 8443];

interface Way {
  namespace: string;
  installed: () => Promise<void>;
  /** where users come in for all but udp, of which the gateway has none: an address that has each port */
  entrance: () => Promise<string>;
  /** which tells the mail server who its users are */
  isGateway: boolean;
}

export function movedIn(title: string, { namespace, installed, entrance, isGateway }: Way): void {
  const ready = (name: string) => kubectl('-n', namespace, 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s');
  const moved = (file: string, changes: Record<string, string> = {}) =>
    move(file, namespace, { 'vps.example.com': theirAddress, ...changes });

  /** Applies what is printed, and the app with the annotation that is printed. */
  async function settle(
    { documents, group, stderr, code }: Moved,
    app: Pick<App, 'name' | 'port' | 'container'>,
    lost: RegExp | undefined,
  ) {
    if (lost) assert.match(stderr, lost);
    assert.equal(code, lost ? 1 : 0, stderr);
    await must('kubectl', ['apply', '-f', '-'], { input: documents });
    await apply(pod({ namespace, ...app, frp: { group }, pod: brief }));
    await ready(app.name);
    return entrance();
  }

  suite(title, { skip: foreign }, () => {
    let restore: () => Promise<void> = async () => {};

    before(async () => {
      await installed();
      await Promise.all([testNamespace(theirs), testNamespace(namespace)]);
      const { config, commands } = await moved('mail.toml');
      assert.equal(commands.length, 1);
      await runWithFile(commands[0]!, token);
      await apply(theirConfiguration(token), ...theirServer(ports));
      restore = await withSettings(config);
      await rolledOut(theirs, 'frps');
    });
    after(async () => {
      await kubectl('-n', system, 'delete', 'secret', 'frps-token', '--ignore-not-found');
      await Promise.all([kubectl('delete', 'namespace', namespace, theirs, '--timeout=120s'), restore()]);
    });

    suite('each', { concurrency: true }, () => {
      test('a web app has the Host and the headers that it had', async () => {
        // One of them says who the user is, which the server alone knows.
        const lost = /^lost: DistributedService "grafana": requestHeaders$/m;
        const address = await settle(await moved('web-rewrite.toml'), { name: 'web', port: 3000, container: web }, lost);
        await eventually('its answer', async () => {
          const { status, headers, body } = await ask(address, { host: 'metrics.example.com', path: '/d/1' }, httpPort);
          assert.deepEqual([status, headers.strict_transport], [200, 'max-age=600']);
          assert.match(body, /^host: grafana\.lan$/m);
          assert.match(body, /^path: \/d\/1$/m);
        });
      });

      test('an Ollama on loopback that refuses foreign Hosts answers part by part', async () => {
        const address = await settle(await moved('ollama-host.toml'), { name: 'ollama', container: ollama }, undefined);
        await eventually('its answer', async () => {
          const { status, body } = await ask(address, { host: 'llm.example.com', path: '/api/generate', method: 'POST' }, httpPort);
          assert.deepEqual([status, body], [200, '{"done":false}\n'.repeat(3) + '{"done":true}\n']);
        });
      });

      test('a game has its tcp port and its udp ports', async (t) => {
        const address = await settle(await moved('minecraft.toml'), { name: 'game', container: game }, undefined);
        await eventually('tcp', async () => assert.equal(await said(connect({ host: address, port: 25565 })), 'world hello'));
        const udp = await theirPodAddress();
        for (const port of [19132, 24454]) {
          const user = createSocket('udp4').bind(0);
          t.after(() => user.close());
          await eventually(`udp ${port}`, async () => {
            user.send('hello', port, udp);
            const [packet] = (await once(user, 'message', { signal: AbortSignal.timeout(1000) })) as [Buffer];
            assert.equal(packet.toString(), `${port} hello`);
          });
        }
      });

      test('a mail server has its eight ports, seven by number and one by name', async () => {
        const { authority, ...app } = await mail('mail.example.com');
        await apply(pod({ namespace, name: 'mail', ...app, pod: { ...brief, ...app.pod } }));
        await ready('mail');
        const { podIP } = (await get(namespace, 'pod', 'mail')).status as { podIP: string };
        const { documents, group, stderr, code } = await moved('mail.toml', { '10.0.0.25': podIP });
        assert.deepEqual([code, group], [0, ''], stderr);
        await must('kubectl', ['apply', '-f', '-'], { input: documents });
        const address = await entrance();
        for (const port of mailPorts)
          await eventually(`port ${port}`, async () => {
            const answer = await said(connect({ host: address, port }));
            assert.match(answer, new RegExp(`^port ${port} for ${isGateway ? '[0-9.]+' : 'somebody'}$`));
          });
        await eventually('the port by name', async () => {
          const socket = connectTls({ host: address, port: httpsPort, servername: 'mail.example.com', ca: authority });
          assert.equal(await said(socket), 'port 443 for somebody');
        });
      });

      test('an API has all of its paths, and its websocket stays open', async (t) => {
        const address = await settle(await moved('web-dotted-paths.toml'), { name: 'api', container: api }, undefined);
        const host = 'app.example.com';
        for (const path of ['/', '/socket.io/?EIO=4&transport=polling', '/api/v1.0/users?a=b%20c'])
          await eventually(path, async () => assert.equal((await ask(address, { host, path }, httpPort)).body, `api ${host} ${path}`));
        const socket = await upgraded(address, host, '/socket.io/?EIO=4&transport=websocket');
        t.after(() => socket.destroy());
        for (const text of ['2probe', '42["message"]']) {
          socket.write(text);
          assert.equal(String(((await once(socket, 'data')) as [Buffer])[0]), text);
        }
      });
    });

    test('the status of each service says what is left: the API of that frps, or the ports of a Service before the gateway', async () => {
      await eventually('what the conditions say', async () => {
        const { items } = (await get(namespace, 'distributedservices')) as { items: { spec: Json; status: { conditions: Condition[] } }[] };
        assert.equal(items.length, 1 + 1 + 3 + 2 + 3);
        for (const { spec, status } of items) {
          const { reason } = status.conditions.find(({ type }) => type === 'Ready')!;
          const atGateway = spec.expose.type === 'port' ? 'PortNotPublished' : 'Serving';
          assert.equal(reason, isGateway && spec.gateway !== false ? atGateway : 'NoServerAPI');
        }
      });
    });
  });
}

interface Condition {
  type: string;
  reason: string;
}

/** All that comes after a hello. */
async function said(socket: Socket): Promise<string> {
  let text = '';
  socket.setTimeout(3000, () => socket.destroy());
  socket.on('error', () => {}).on('data', (part: Buffer) => (text += part.toString()));
  socket.write('hello');
  await new Promise((closed) => socket.on('close', closed));
  return text;
}

async function upgraded(address: string, host: string, path: string): Promise<Socket> {
  const headers = {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'c2l4dGVlbiBieXRlcyEhIQ==',
  };
  const outgoing = request({ host: address, port: httpPort, path, headers, agent: false });
  outgoing.end();
  const [{ statusCode }, socket] = (await once(outgoing, 'upgrade', { signal: AbortSignal.timeout(10_000) })) as [IncomingMessage, Socket];
  assert.equal(statusCode, 101);
  return socket;
}
