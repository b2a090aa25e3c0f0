/** A replica is asked through the API server's port forward: real WebSockets and TLS, and the status server itself behind them. */
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { forwardedVoice } from '../../../src/explain/gateway-voice.ts';
import { portForward } from '../../../src/explain/port-forward.ts';
import { Inspection } from '../../../src/gateway/api/inspection.ts';
import type { Summary } from '../../../src/gateway/api/report-types.ts';
import { createStatusServer } from '../../../src/gateway/api/status-server.ts';
import '../../support/few-keys.ts';

/** Of the package that the client's own WebSockets are of; it has no types. */
interface Socket {
  send: (data: Buffer) => void;
  close: () => void;
  terminate: () => void;
  on: (event: 'message' | 'close', listener: (message: Buffer) => void) => void;
}
interface Sockets {
  clients: Set<Socket>;
  handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer, done: (client: Socket) => void) => void;
}
const { WebSocketServer } = createRequire(import.meta.url)('ws') as { WebSocketServer: new (options: object) => Sockets };

const credentials = { user: 'frp-k8s', password: 'secret' };
const names = Array.from({ length: 2000 }, (_, index) => `shop/web-${String(index).padStart(4, '0')}`);

const inspection = new Inspection({
  replica: 'frp-gateway-0',
  view: () => undefined,
  members: { all: [], sinceOf: () => undefined },
  stats: () => Promise.resolve([]),
  traffic: { perSecond: () => 0, quantiles: () => new Map() },
  unserved: () => undefined,
  names: () => names,
  refusals: () => [],
  configurations: () => Promise.resolve({}),
});

describe('a replica that is asked by way of the API server', () => {
  const status = createStatusServer({
    listing: () => Promise.resolve({ proxies: [], pools: [] }),
    refusals: () => [],
    inspection,
    credentials: () => credentials,
  });
  const api = createServer();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v4.channel.k8s.io' });
  const kubeConfig = new KubeConfig();

  before(async () => {
    const now = Date.now();
    const authority = await createAuthority({ lifetimeMs: 3_600_000, now });
    const pair = await issue(authority, {
      commonName: 'localhost',
      dnsNames: ['localhost'],
      usages: ['serverAuth'],
      lifetimeMs: 3_600_000,
      now,
    });
    for (const server of [status, api]) {
      server.setSecureContext({ cert: pair.certPem, key: pair.keyPem });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    // As the kubelet answers: each channel begins with the port, in two bytes, and its messages are of any size.
    api.on('upgrade', (request, socket, head) => {
      if (request.url !== '/api/v1/namespaces/frp-gateway/pods/frp-gateway-0/portforward?ports=10004')
        return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
      sockets.handleUpgrade(request, socket, head, (client) => {
        const port = Buffer.alloc(2);
        port.writeUInt16LE(10_004);
        for (const channel of [0, 1]) client.send(Buffer.concat([Buffer.of(channel), port]));
        const target = connect((status.address() as AddressInfo).port, '127.0.0.1');
        target.on('data', (data) => client.send(Buffer.concat([Buffer.of(0), data])));
        target.on('close', () => client.close());
        target.on('error', () => {});
        client.on('message', (message: Buffer) => target.write(message.subarray(1)));
        client.on('close', () => target.destroy());
      });
    });
    const server = `https://localhost:${(api.address() as AddressInfo).port}`;
    const caData = Buffer.from(authority.bundlePem).toString('base64');
    kubeConfig.loadFromClusterAndUser({ name: 'c', server, skipTLSVerify: false, caData }, { name: 'u', token: 'token-1' });
  });
  after(() => {
    for (const client of sockets.clients) client.terminate();
    for (const server of [api, status]) {
      server.close();
      server.closeAllConnections();
    }
  });

  const voice = (pod: string, known = credentials) => forwardedVoice(pod, () => portForward(kubeConfig, 'frp-gateway', pod, 10_004), known);

  it('answers with all that it has, in however many pieces it comes', async () => {
    const answer = await voice('frp-gateway-0').ask<Summary>('/api/summary');
    assert.ok('ok' in answer, JSON.stringify(answer));
    assert.deepEqual(
      answer.ok.services.map(({ service }) => service),
      names,
    );
  });

  it('says so where the password is another one, or there is no such service', async () => {
    const refused = await voice('frp-gateway-0', { ...credentials, password: 'other' }).ask('/api/summary');
    assert.deepEqual(refused, { failed: 'HTTP status 401: user and password of Secret frp-server-api are wanted' });
    const unknown = await voice('frp-gateway-0').ask('/api/services/shop/none');
    assert.deepEqual(unknown, { absent: 'this gateway knows no DistributedService shop/none' });
  });

  it('names the right that is missing', async () => {
    assert.deepEqual(await voice('frp-gateway-1').ask('/api/summary'), {
      forbidden: 'create and get pods/portforward in namespace frp-gateway',
    });
  });
});
