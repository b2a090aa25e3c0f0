/** How the users' HAProxy is configured from services: what one of them asks for never keeps the others from theirs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Memory, renderUsers, serverName, type UsersSettings } from '../../../src/gateway/haproxy/index.ts';
import type { BackendServer, ServedService } from '../../../src/gateway/ir/ir.ts';
import { exposuresOf } from '../../../src/model/exposure.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { validService } from '../model/arbitrary.ts';
import { anyCharacter } from '../../support/arbitraries.ts';

const settings: UsersSettings = {
  directory: '/run/users',
  httpPort: 80,
  httpsPort: 443,
  trustedProxies: [],
  proxyProtocol: false,
  peers: [
    { name: 'gw-0', address: '10.0.0.1:10000' },
    { name: 'gw-1', address: '10.0.0.2:10000' },
  ],
  localPeer: 'gw-0',
};

const backend = (name: string, port = 29_000): BackendServer => ({ name, port, weight: 1, isDraining: false, address: name });

function served(name: string, spec: Partial<DistributedServiceSpec> = {}, more: Partial<ServedService> = {}): ServedService {
  const full: DistributedServiceSpec = {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { type: 'domain', domain: `${name}.example.com` },
    ...spec,
  };
  return {
    service: { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name, namespace: 'shop' }, spec: full },
    exposures: exposuresOf(full, undefined),
    access: { kind: 'none' },
    certificate: undefined,
    backends: [backend(serverName(`shop/${name}`, '1'))],
    ...more,
  };
}

const render = (...services: ServedService[]) => renderUsers({ services }, settings);
const linesOf = (config: string, start: string) => config.split('\n').filter((line) => line.trim().startsWith(start));

describe('a service whose configuration HAProxy would refuse', () => {
  const roles = Array.from({ length: 64 }, (_, index) => `${index}${'é'.repeat(250)}`);
  const rules = Array.from({ length: 512 }, () => ({ path: '/a', methods: ['GET' as const], roles }));
  const keys = { kind: 'keys', header: 'bearer', clients: { ['0'.repeat(64)]: 'me' } } as const;
  const tooMuch = served('big', { security: { authorization: { enabled: true, rules } } }, { access: keys });

  it('is left out and named with the reason, and the others are as they would be without it', () => {
    const { failed, ...rendered } = render(served('a'), tooMuch, served('b'));
    assert.match(failed.get('shop/big') ?? '', /above the limit of/);
    assert.deepEqual({ ...rendered, failed: new Map() }, render(served('a'), served('b')));
  });

  it('leaves a service whose routes lead to it with its own backends', () => {
    const toBig = served('a', { routes: [{ path: '/big', groups: [{ name: 'big' }] }] });
    assert.equal(render(toBig, tooMuch).config, render(toBig).config);
  });

  it('is one with more rules of routes than all requests can be asked to pass, and the last ones of a namespace with too many', () => {
    const groups = Array.from({ length: 16 }, (_, index) => ({ name: 'a', weight: index + 1 }));
    const routed = (name: string, count: number) =>
      served(name, { routes: Array.from({ length: count }, (_, index) => ({ headers: { [`X-${index}`]: '1' }, groups })) });
    assert.match(render(routed('a', 60)).failed.get('shop/a') ?? '', /its routes come to 1140 rules, above the limit of 1000/);
    const { failed } = render(routed('a', 40), routed('b', 40), routed('c', 40), served('d'));
    assert.deepEqual([...failed.keys()], ['shop/c']);
  });

  it('is the one that throws, wherever that is', () => {
    const odd = served('odd');
    Object.defineProperty(odd.service.spec, 'loadBalancing', {
      get: () => {
        throw new Error('no such thing');
      },
    });
    const { failed, config } = render(served('a'), odd, served('b'));
    assert.deepEqual([...failed], [['shop/odd', 'no such thing']]);
    assert.equal(config, render(served('a'), served('b')).config);
  });

  it('keeps what the view says of services that could not be made out', () => {
    assert.deepEqual([...renderUsers({ services: [], failed: new Map([['shop/x', 'why']]) }, settings).failed], [['shop/x', 'why']]);
  });
});

it('what is remembered of earlier configurations changes nothing in a later one', () => {
  const memory = new Memory();
  const step = fc.uniqueArray(
    fc.record({ base: validService, name: fc.constantFrom('a', 'app', 'b', 'db', 'x-1'), port: fc.integer({ min: 20_000, max: 20_002 }) }),
    { selector: ({ name }) => name, maxLength: 5 },
  );
  fc.assert(
    fc.property(step, (all) => {
      const services = all.map(({ base, name, port }) => served(name, base.spec, { backends: [backend('s', port)] }));
      // The same objects a second time, one of them changed.
      const changed = services.map((one, index) => (index === 0 ? { ...one, backends: [backend('t')] } : one));
      for (const now of [services, changed, changed.slice(1), services])
        assert.deepEqual(renderUsers({ services: now }, settings, memory), renderUsers({ services: now }, settings));
    }),
    { numRuns: 50 },
  );
});

it('a member that comes or goes is the work of its service, however many others there are', () => {
  const memory = new Memory();
  const reads: string[] = [];
  const others = Array.from({ length: 20 }, (_, index) => {
    const other = served(`other-${String(index).padStart(2, '0')}`);
    const spec = new Proxy(other.service.spec, {
      get: (target, name, receiver) => {
        // It tells whether the service is HTTP's at all, and is cheap.
        if (name !== 'serviceType') reads.push(String(name));
        return Reflect.get(target, name, receiver) as unknown;
      },
    });
    return { ...other, service: { ...other.service, spec } };
  });
  const web = served('web');
  renderUsers({ services: [...others, web] }, settings, memory);
  assert.ok(reads.length > 20, 'each is read once');
  reads.length = 0;
  const after = renderUsers({ services: [...others, { ...web, backends: [backend('s-1'), backend('s-2')] }] }, settings, memory);
  assert.equal(linesOf(after.config, 'server s-').length, 22);
  assert.deepEqual(reads, []);
});

describe('servers of a backend', () => {
  const numbersOf = (...names: string[]) => {
    const { servers } = render(served('a', {}, { backends: names.map((name) => backend(name)) }));
    return [...servers.values()].flat().map(({ name, options }) => [name, Number(/^id (\d+) /.exec(options)![1])] as const);
  };

  it('are there once for each name: a tunnel that was opened later takes the place of the one before', () => {
    const { config } = render(served('a', {}, { backends: [backend('s-1', 29_001), backend('s-1', 29_002), backend('s-2', 29_003)] }));
    assert.deepEqual(
      linesOf(config, 'server s-').map((line) => line.split(' ').slice(3, 5)),
      [
        ['s-1', '127.0.0.1:29002'],
        ['s-2', '127.0.0.1:29003'],
      ],
    );
  });

  it('have numbers of their own though two names come to the same one', () => {
    // The first 32 bits of SHA-256 of both, modulo 2^31 - 1, are 0x3d32129.
    const twins = ['s-0000000000009dee', 's-000000000000b1c1'];
    assert.equal(numbersOf(twins[0]!)[0]![1], numbersOf(twins[1]!)[0]![1], 'alone, they have the same');
    const numbers = numbersOf(...twins, 's-3').map(([, number]) => number);
    assert.equal(new Set(numbers).size, 3);
    assert.deepEqual(numbersOf(twins[1]!, 's-3', twins[0]!), numbersOf('s-3', ...twins), 'in whatever order they are given');
  });
});

it('a route with the most headers that the schema admits fits into lines that HAProxy reads', () => {
  const headers = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`X-Header-${index}`, 'v'.repeat(1024)]));
  const groups = Array.from({ length: 16 }, (_, index) => ({ name: `g${index}`, weight: 1000 }));
  const all = [served('a', { routes: [{ path: '/x', headers, groups }] }), ...groups.map(({ name }) => served(name))];
  const { config, failed } = render(...all);
  assert.deepEqual([...failed], []);
  for (const line of config.split('\n')) assert.ok(line.split(' ').length <= 64, line);
});

it('a Host is rewritten where requests have passed every rule, and of http only', () => {
  const expose = { type: 'domain', domain: 'llm.example.com', hostHeader: 'localhost:11434' } as const;
  const { config } = render(served('llm', { expose }), served('db', { serviceType: 'tcp', expose }));
  const pool = config.split(/^backend /m).find((section) => section.startsWith('be-') && section.includes('set-header Host'));
  assert.match(pool ?? '', /^ {2}http-request set-header Host 'localhost:11434'$/m);
  assert.equal(linesOf(config, 'http-request set-header Host').length, 1);
});

describe('headers that a service has changed', () => {
  const headersOf = (request: object, response: object = {}) =>
    render(served('a', { expose: { type: 'domain', domain: 'a.example.com', headers: { request, response } } })).config;
  const changes = (config: string) =>
    config.split('\n').filter((line) => /^ {2}http-(request|response) (set|del)-header /.test(line) && !ownLines.has(line));
  const ownLines = new Set(render(served('a')).config.split('\n'));

  it('are set and removed in the section with the servers', () => {
    assert.deepEqual(changes(headersOf({ set: { 'X-A': '50% "off" \'now\' #1 \\' }, remove: ['Cookie'] }, { remove: ['Server'] })), [
      '  http-response del-header Server',
      '  http-request del-header Cookie',
      "  http-request del-header '^x[^a-z0-9]a$' -m reg",
      `  http-request set-header X-A '50%% "off" '\\''now'\\'' #1 \\'`,
    ]);
  });

  it('are none of those that tell who the user is, or where a message ends, however they are spelled', () => {
    const names = [
      'X-Frp-Client',
      'x_frp_pool',
      'X-Forwarded-For',
      'X_Forwarded-Host',
      'Forwarded',
      'x-real-ip',
      'Connection',
      'Host',
      'Content-Length',
      'a b',
      'a\nb',
      '',
    ];
    const set = Object.fromEntries(names.map((name) => [name, 'v']));
    assert.deepEqual(changes(headersOf({ set, remove: names }, { set: { 'X-Frp-Unserved': '503', 'Transfer-Encoding': 'chunked' } })), []);
  });

  it('are each one line of HAProxy, whatever their names and values', () => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 20 }),
      fc.constantFrom("'", '\n', '%[src]', '%%', '"', '\\', '# a', '${HOME}', "' if TRUE\nbackend x"),
    );
    const name = fc.oneof(fc.constantFrom('X-A', 'x_b', 'X-Frp-Client', 'Host'), text);
    const side = fc.record({ set: fc.dictionary(name, text, { maxKeys: 4 }), remove: fc.array(name, { maxLength: 4 }) });
    fc.assert(
      fc.property(side, side, (request, response) => {
        for (const line of changes(headersOf(request, response))) {
          assert.match(
            line,
            /^ {2}http-(request|response) (del-header ([A-Za-z0-9_-]+|'\^[a-z0-9]*(\[\^a-z0-9\][a-z0-9]*)+\$' -m reg)|set-header [A-Za-z0-9_-]+ '([^'\x00-\x1f\x7f]|'\\'')*')$/,
          );
          assert.doesNotMatch(line.replaceAll('%%', ''), /%/);
          assert.doesNotMatch(line, /-header (x.frp|host )/i);
        }
        assert.equal(
          headersOf(request, response)
            .split('\n')
            .filter((line) => /^backend /.test(line)).length,
          headersOf({})
            .split('\n')
            .filter((line) => /^backend /.test(line)).length,
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('the time that an app may take for its answer', () => {
  const linesOf = (spec: object, more: Partial<ServedService> = {}) => {
    const { config } = render(served('a', { advanced: { timeout: spec, retry: { maxAttempts: 3 } } }, more));
    const pool = config.split(/^backend /m).find((section) => section.startsWith('be-'))!;
    const [, timeout] = /^ {2}timeout server ([0-9]+)ms$/m.exec(pool)!;
    return { timeout: Number(timeout), isRepeated: pool.includes('response-timeout') || pool.includes('{ status 502 504 }') };
  };

  it('is keepAlive, after which another backend is tried', () => {
    assert.deepEqual(linesOf({}), { timeout: 30_000, isRepeated: true });
    assert.deepEqual(linesOf({ keepAlive: '2m' }), { timeout: 120_000, isRepeated: true });
  });

  it('is the time of requests, or that of the profile, after which nobody tries again', () => {
    assert.deepEqual(linesOf({ keepAlive: '2m', request: '90s' }), { timeout: 90_000, isRepeated: false });
    assert.deepEqual(linesOf({ keepAlive: '30s' }, { profile: 'ollama' }), { timeout: 600_000, isRepeated: false });
    assert.deepEqual(linesOf({ keepAlive: '20m' }, { profile: 'ollama' }), { timeout: 1_200_000, isRepeated: false });
    assert.deepEqual(linesOf({ request: '1m' }, { profile: 'ollama' }), { timeout: 60_000, isRepeated: false });
  });
});

it('durations that HAProxy could not count are the longest that it can', () => {
  const { config } = render(
    served('a', {
      advanced: { timeout: { keepAlive: '40000m' }, connectionPool: { idleTimeout: '99999999m' }, retry: { maxAttempts: 100 } },
      loadBalancing: { healthCheck: { type: 'http', interval: '99999999m', timeout: '9999999m' } },
    }),
    served('db', {
      serviceType: 'tcp',
      expose: { type: 'port', port: 5432 },
      loadBalancing: { sessionAffinity: { enabled: true, timeout: '99999h' } },
    }),
  );
  const units = { ms: 1, s: 1000 };
  for (const [, number, unit] of config.matchAll(/\b([0-9]+)(ms|s)\b/g))
    assert.ok(Number(number) * units[unit as 'ms'] <= 2_147_483_647, `${number}${unit}`);
});
