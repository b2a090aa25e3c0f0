import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import jsonpatch from 'fast-json-patch';
import { defaulted, defaultService, structuralDefaults } from '../../../src/model/defaults.ts';
import { isObject } from '../../../src/model/json.ts';
import { anyService, validService } from './arbitrary.ts';

const service = (spec: unknown) => ({ apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name: 'a' }, spec });
const http = { serviceType: 'http', backends: { discovery: {} }, expose: { domain: 'a.example.com' } };

/** Fields of `before` that `after` lacks or has otherwise; a null is no value. */
function changed(before: unknown, after: unknown, path = ''): string[] {
  if (isObject(before)) {
    if (!isObject(after)) return [path];
    return Object.entries(before).flatMap(([name, value]) => (value === null ? [] : changed(value, after[name], `${path}/${name}`)));
  }
  if (Array.isArray(before)) {
    if (!Array.isArray(after) || after.length !== before.length) return [path];
    return before.flatMap((item, index) => changed(item, after[index], `${path}/${index}`));
  }
  return Object.is(before, after) ? [] : [path];
}

const applied = <T>(object: T): T => {
  const { patch } = defaultService(object);
  return jsonpatch.applyPatch(structuredClone(object), patch, true).newDocument;
};

suite('structural defaulting', () => {
  test('fills in below parents that exist, and creates none', () => {
    const { spec } = structuralDefaults(service({ ...http, loadBalancing: { healthCheck: {} } })) as { spec: Record<string, unknown> };
    assert.deepEqual(spec.loadBalancing, {
      algorithm: 'random',
      healthCheck: { enabled: true, path: '/health', interval: '10s', timeout: '3s', successThreshold: 1, failureThreshold: 3 },
    });
    assert.equal(spec.security, undefined);
  });

  test('takes a null for absent, as the API server does', () => {
    const { spec } = structuralDefaults(service({ ...http, expose: { type: null, domain: null } })) as { spec: Record<string, unknown> };
    assert.deepEqual(spec.expose, { type: 'domain' });
  });
});

suite("the webhook's defaulting", () => {
  test('creates the parents that it defaults (B1.12)', () => {
    assert.deepEqual(defaultService(service(http)).patch, [
      { op: 'add', path: '/spec/loadBalancing', value: { algorithm: 'random', healthCheck: { type: 'http' } } },
      { op: 'add', path: '/spec/security', value: { mtls: { mode: 'auto' } } },
    ]);
  });

  test('adds no more than is absent', () => {
    const spec = {
      ...http,
      loadBalancing: { algorithm: 'weighted', healthCheck: { path: '/up' } },
      security: { mtls: { mode: 'manual' } },
    };
    assert.deepEqual(defaultService(service(spec)).patch, [{ op: 'add', path: '/spec/loadBalancing/healthCheck/type', value: 'http' }]);
  });

  for (const [serviceType, type] of Object.entries({ http: 'http', tcp: 'tcp', grpc: 'tcp', udp: undefined })) {
    test(`${serviceType}: health check ${type ?? 'none'}`, () => {
      const { loadBalancing } = defaulted(service({ ...http, serviceType })).spec as { loadBalancing?: { healthCheck?: { type: string } } };
      assert.equal(loadBalancing?.healthCheck?.type, type);
    });
  }

  test('leaves the type of a disabled check alone', () => {
    const spec = { ...http, loadBalancing: { algorithm: 'random', healthCheck: { enabled: false } }, security: { mtls: { mode: 'auto' } } };
    assert.deepEqual(defaultService(service(spec)).patch, []);
  });

  test('warns on creation of an http service without a health check, and only then', () => {
    const checked = service({ ...http, loadBalancing: { healthCheck: {} } });
    assert.match(defaultService(service(http)).warnings.join(), /GET \/health every 10 s.*type: tcp, or enabled: false/);
    assert.deepEqual(defaultService(service(http), 'UPDATE').warnings, []);
    assert.deepEqual(defaultService(checked).warnings, []);
    assert.deepEqual(defaultService(service({ ...http, serviceType: 'tcp' })).warnings, []);
  });

  test('is idempotent, changes nothing that is set, and applies by RFC 6902', () => {
    fc.assert(
      fc.property(fc.oneof(anyService, validService), (object) => {
        const once = applied(object as object);
        assert.deepEqual(defaultService(once).patch, []);
        assert.deepEqual(changed(object, once), []);
      }),
      { numRuns: 500 },
    );
  });

  test('both steps together are idempotent and keep what is set', () => {
    fc.assert(
      fc.property(fc.oneof(anyService, validService), (object) => {
        const once = defaulted(object);
        assert.deepEqual(defaulted(once), once);
        assert.deepEqual(changed(object, once), []);
      }),
      { numRuns: 500 },
    );
  });

  test('survives any JSON', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void defaulted(value)));
    fc.assert(fc.property(fc.jsonValue(), (value) => void defaulted({ spec: value })));
  });
});
