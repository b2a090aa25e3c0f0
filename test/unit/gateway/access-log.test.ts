import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultConfig } from '../../../src/config/schema.ts';
import { accessLine, type AccessLogOptions } from '../../../src/gateway/telemetry/access-log.ts';
import { parseToldRequest } from '../../../src/gateway/telemetry/request-line.ts';
import { ServedNames } from '../../../src/gateway/telemetry/served-names.ts';
import { backendOf, serverName } from '../../../src/gateway/haproxy/index.ts';
import type { ServedService } from '../../../src/gateway/ir/ir.ts';
import { withinReach } from '../../../src/log.ts';
import { requestFields } from '../../../src/model/logs/fields.ts';
import { requestEnds } from '../../../src/model/reasons/requests.ts';
import { networkOf } from '../../../src/net/network-of.ts';

const server = serverName('shop/web', 'a');
const served = (name: string, address: string): ServedService => ({
  service: {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { name, namespace: 'shop' },
    spec: { serviceType: 'http', backends: { discovery: { mode: 'auto' } } },
  },
  exposures: [],
  access: { kind: 'none' },
  certificate: undefined,
  backends: [{ name: server, port: 1, weight: 1, isDraining: false, address }],
});
const web = served('web', 'edge/10.0.0.7:80');
const section = backendOf(web.service);
const id = section.slice('be-'.length);
const names = new ServedNames();
names.setView({ services: [web] });

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64');
interface Said {
  address?: string;
  ended?: string;
  status?: string;
  path?: string | Uint8Array;
  query?: string | Uint8Array;
  client?: string | Uint8Array;
  host?: string | Uint8Array;
  requestId?: string | Uint8Array;
  served?: string | Uint8Array;
  section?: string;
  server?: string;
}
const haproxySays = (said: Said = {}) =>
  [
    ...['request-http', said.address ?? '203.0.113.77', '120', '80', said.ended ?? '--', '+1', said.section ?? `svc-${id}`],
    ...[said.server ?? 'here', id, '', said.status ?? '200', '1', '2', '30', '40', base64('GET'), base64(said.host ?? 'a.example.com')],
    ...[base64(said.path ?? '/a'), base64(said.query ?? ''), base64(said.requestId ?? 'req-1'), base64(said.client ?? '')],
    ...[base64(said.served ?? `${section}/${server} 2 1`), '', '', 'http'],
  ].join('|');

const options: AccessLogOptions = {
  settings: { ...defaultConfig.gateway.accessLog, enabled: true },
  names,
  replica: 'frp-gateway-0',
  now: () => new Date(0),
};
const lineOf = (line: string, more: Partial<AccessLogOptions> = {}) => accessLine(parseToldRequest(line)!, { ...options, ...more });
const written = (line: string, more: Partial<AccessLogOptions> = {}) =>
  JSON.parse(JSON.stringify(lineOf(line, more))) as Record<string, unknown>;

describe('a line of the access log', () => {
  it('has what HAProxy tells, by the names of the reference', () => {
    assert.deepEqual(written(haproxySays()), {
      time: '1970-01-01T00:00:00.000Z',
      level: 'info',
      event: 'request',
      reason: 'Completed',
      namespace: 'shop',
      service: 'web',
      protocol: 'http',
      method: 'GET',
      host: 'a.example.com',
      path: '/a',
      status: 200,
      answeredBy: 'backend',
      durationMs: 40,
      firstByteMs: 33,
      bytesIn: 80,
      bytesOut: 120,
      backend: '10.0.0.7:80',
      cluster: 'edge',
      retries: 3,
      replica: 'frp-gateway-0',
      user: '203.0.113.0/24',
      requestId: 'req-1',
      msg: 'request',
    });
    assert.deepEqual(Object.keys(lineOf(haproxySays())).sort(), Object.keys(requestFields).sort());
  });

  it('is one line of JSON of at most 20 KiB, whatever a user says', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 1025 }),
      fc.constantFrom('\n"}{', '\u2028\u0000\u001b[31m', '\\"', '|'.repeat(1025), '\u0001'.repeat(1025), '\ud800'),
    );
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, hostile, (path, query, client, host, servedBy) => {
        const short = (text: string | Uint8Array) => Buffer.from(text).subarray(0, 256);
        const line = haproxySays({
          path,
          query,
          client: short(client),
          host: short(host),
          requestId: Buffer.from(host).subarray(0, 128),
          served: short(servedBy),
        });
        const text = JSON.stringify(lineOf(line));
        assert.ok(!text.includes('\n') && Buffer.byteLength(text) <= 20_480, text);
        const { event, status, durationMs } = JSON.parse(text) as Record<string, unknown>;
        assert.deepEqual({ event, status, durationMs }, { event: 'request', status: 200, durationMs: 40 });
      }),
    );
  });

  it('comes of no line that was cut off or is something else', () => {
    for (const line of [
      '',
      'request-http',
      haproxySays()
        .slice(0, -3)
        .replace(/\|[^|]*\|[^|]*$/, ''),
      `x${haproxySays()}`,
      'be-1/s-1 1 1 1 1 1',
    ])
      assert.equal(parseToldRequest(line), undefined, line);
  });

  it('says that a path was cut off, and keeps what fits', () => {
    const { path, cut } = written(haproxySays({ path: `/${'a'.repeat(1024)}` }));
    assert.deepEqual({ length: String(path).length, cut }, { length: 1024, cut: true });
  });

  it('has the whole address only where that is asked for', () => {
    const whole = { settings: { ...options.settings, addresses: 'whole' as const } };
    assert.equal(written(haproxySays({ address: '2001:db8:7::9' }), whole).user, '2001:db8:7::9');
    assert.equal(written(haproxySays({ address: '2001:db8:7::9' })).user, '2001:db8:7::/48');
    assert.equal(written(haproxySays({ address: 'unix' })).user, undefined);
  });

  it('says by whom and how a request ended', () => {
    const own = { served: '' };
    const ends: [Said, string, string | undefined][] = [
      [{ ...own, ended: 'LR', status: '401' }, 'NotAuthenticated', 'gateway'],
      [{ ...own, ended: 'LR', status: '308' }, 'Redirected', 'gateway'],
      [{ ...own, ended: 'LR', status: '429' }, 'TooManyRequests', 'gateway'],
      [{ ...own, ended: 'LR', status: '503', server: '<NOSRV>' }, 'AccessUnknown', 'gateway'],
      [{ served: `${section}/<NOSRV> 0`, ended: 'LH', status: '503' }, 'NoBackend', 'gateway'],
      [{ ...own, ended: 'PR', status: '400' }, 'BadRequest', 'gateway'],
      [{ served: `${section}/${server} 2`, status: '502' }, 'BackendFailed', 'gateway'],
      [{ served: `${section}/<NOSRV> 0`, status: '503' }, 'NoBackend', 'gateway'],
      [{ served: `${section}/${server} 0`, status: '504' }, 'BackendTooSlow', 'gateway'],
      [{ status: '503' }, 'Completed', 'backend'],
      [{ ended: 'SD' }, 'BackendFailed', 'backend'],
      [{ ended: 'CD' }, 'UserGone', 'backend'],
      [{ ...own, ended: 'CH', status: '-1' }, 'UserGone', undefined],
      [{ ...own, ended: 'sQ', status: '503' }, 'NoBackend', 'gateway'],
      [{ served: 'be-me/s-too 1 1' }, 'ChallengeAnswered', 'gateway'],
    ];
    for (const [said, reason, answeredBy] of ends) {
      const line = written(haproxySays(said));
      assert.deepEqual({ reason: line.reason, answeredBy: line.answeredBy }, { reason, answeredBy }, JSON.stringify(said));
      assert.ok(reason in requestEnds);
    }
  });

  it('names the replica that a request was handed to', () => {
    assert.equal(written(haproxySays({ server: 'frp-gateway-1' })).handedTo, 'frp-gateway-1');
    assert.equal(written(haproxySays({ server: '<NOSRV>', served: '' })).handedTo, undefined);
  });

  it('of tcp has what a connection has', () => {
    const line = `request-tcp|203.0.113.77|120|80|CD|0|${section}|${server}|${id}||5000|${section}|`;
    const { reason, service, backend, durationMs, protocol, status } = written(line);
    assert.deepEqual(
      { reason, service, backend, durationMs, protocol, status },
      { reason: 'UserGone', service: 'web', backend: '10.0.0.7:80', durationMs: 5000, protocol: 'tcp', status: undefined },
    );
    const over = (rest: string) => written(`request-tcp|203.0.113.77|120|80|--|0|frp-over|frp-gateway-1|${rest}`);
    for (const handed of [over(`${id}||5000||`), over(`||5000|${section}|`), over(`||5000|frp-streams|${section}`)])
      assert.deepEqual([handed.reason, handed.handedTo, handed.backend, handed.service], ['HandedOver', 'frp-gateway-1', undefined, 'web']);
  });
});

describe('names of what a request came to', () => {
  it('are known of a backend, and of a service, that went before its connection did', () => {
    const known = new ServedNames();
    known.setView({ services: [web] });
    known.setView({ services: [{ ...web, backends: [] }] });
    assert.deepEqual(known.backend(section, server), { backend: '10.0.0.7:80', cluster: 'edge' });
    known.setView({ services: [] });
    assert.deepEqual(known.service(section), { namespace: 'shop', service: 'web' });
    known.setView({ services: [served('web', '10.0.0.9:80')] });
    assert.equal(known.backend(section, server)?.backend, '10.0.0.9:80');
  });
});

describe('the network of an address', () => {
  it('has no more than its first 24 bits, of IPv6 48', () => {
    assert.equal(networkOf('::ffff:203.0.113.9'), '203.0.113.0/24');
    assert.equal(networkOf('::1'), '0:0:0::/48');
    for (const none of ['', 'unix', 'fe80::1%eth0', '1.2.3', '1.2.3.4.5']) assert.equal(networkOf(none), undefined);
    fc.assert(fc.property(fc.ipV4(), (address) => networkOf(address)!.endsWith('.0/24')));
    fc.assert(fc.property(fc.ipV6(), (address) => /(::\/48|\.0\/24)$/.test(networkOf(address)!)));
  });
});

describe('lines for standard output', () => {
  it('wait while it is full, in their order, and are dropped beyond a limit', () => {
    const stream = new (class extends EventEmitter {
      text = '';
      isFull = false;
      write(text: string): boolean {
        this.text += text;
        return !this.isFull;
      }
    })();
    const write = withinReach(stream, 4);
    assert.ok(write('1\n'));
    stream.isFull = true;
    assert.ok(write('2\n'), 'what fills it is taken');
    assert.ok(write('3\n'));
    assert.ok(write('4\n'));
    assert.equal(write('5\n'), false);
    assert.equal(stream.text, '1\n2\n');
    stream.isFull = false;
    stream.emit('drain');
    assert.ok(write('6\n'));
    assert.equal(stream.text, '1\n2\n3\n4\n6\n');
  });
});
