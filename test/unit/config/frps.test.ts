import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { defaultConfig } from '../../../src/config/schema.ts';
import { clientSettings } from '../../../src/frp/client-config.ts';
import { tuningOf } from '../../../src/frp/tuning.ts';

const problems = (frps: object): string[] => {
  const { success, error } = configSchema.safeParse({ frps });
  return success ? [] : error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('the keys of an frp server that was there before', () => {
  it('are refused together where frpc would refuse them, or do other than they say', () => {
    assert.deepEqual(problems({ tls: 'off', transport: { protocol: 'quic' } }), [
      'frps.tls: must not be off for frps.transport.protocol quic, which is TLS itself',
    ]);
    assert.deepEqual(problems({ tls: 'unverified', caSecret: 'x' }), [
      'frps.caSecret: verifies nothing where frps.tls is unverified; set frps.tls: server, or remove it',
    ]);
    assert.deepEqual(problems({ transport: { protocol: 'kcp', proxyURL: 'http://proxy:3128' } }), [
      'frps.transport.proxyURL: takes no kcp, which is UDP; set frps.transport.protocol to tcp, websocket or wss',
    ]);
    assert.deepEqual(problems({ transport: { proxyURL: 'http://me:pass@proxy:3128' } }), [
      'frps.transport.proxyURL: must be http://HOST:PORT or socks5://HOST:PORT, without user and password',
    ]);
    assert.deepEqual(problems({ user: 'a.b' }), ['frps.user: must be 1 to 63 letters, digits, _ and -']);
    assert.deepEqual(problems({ tls: 'server', transport: { protocol: 'wss', proxyURL: 'socks5://[2001:db8::1]:1080' } }), []);
  });

  it('change nothing of a sidecar that dials the gateway', () => {
    const frps = { auth: { tokenSecret: 'x' }, tls: 'off', user: 'me', metadatas: { a: 'b' }, transport: { protocol: 'websocket' } };
    const input = {
      tuning: tuningOf({} as Parameters<typeof tuningOf>[0], undefined, { cpu: undefined, memory: undefined }),
      logLevel: 'info',
      gateway: { host: 'gw.example.com', port: 7000 },
    };
    assert.deepEqual(clientSettings(input, configSchema.parse({ frps })), clientSettings(input, defaultConfig));
  });
});
