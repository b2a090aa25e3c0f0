import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { configSchema } from '../../../src/config/schema.ts';
import { defaulted } from '../../../src/model/defaults.ts';
import type { JsonObject } from '../../../src/model/json.ts';
import { decideDefault, decideValidate } from '../../../webhooks/distributedservices/decide.ts';
import { errorRules, warningRules } from '../../../webhooks/distributedservices/rules.ts';
import { subjectOf } from '../../../webhooks/distributedservices/subject.ts';
import { contextWith, installedConfig } from '../../corpus/context.ts';
import { serviceCases, standingServices } from '../../corpus/services.ts';
import { anyService, validService } from '../model/arbitrary.ts';
import { createOf, updateOf } from './review.ts';

const rulebook = contextWith(standingServices);

function service(spec: object, metadata: object = {}): JsonObject {
  return { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService', metadata: { name: 'a', namespace: 'corpus', ...metadata }, spec };
}

const tcp = (port: number, more: object = {}) => ({
  serviceType: 'tcp',
  backends: { discovery: {} },
  expose: { type: 'port', port },
  ...more,
});
const broken = tcp(7000, { advanced: { bandwidth: { limit: '0MB' } } });

suite('a review of an update', () => {
  test('keeps the errors that the stored object has, and says the new ones', () => {
    const allowed = decideValidate(updateOf(service(broken), service({ ...broken, loadBalancing: { algorithm: 'random' } })), rulebook);
    assert.equal(allowed.outcome, 'allowed', allowed.message);
    const denied = decideValidate(updateOf(service(broken), service({ ...broken, backends: {} })), rulebook);
    assert.equal(denied.outcome, 'denied');
    assert.match(denied.message, /^spec\.backends: names no backends/);
  });

  test('counts a changed error as new', () => {
    const denied = decideValidate(updateOf(service(tcp(7000)), service(tcp(7500))), rulebook);
    assert.match(denied.message, /^spec\.expose\.port: 7500 is a port of the frp server itself/);
  });

  test('keeps a conflict that the stored object lives with', () => {
    const stored = service(tcp(21100), { creationTimestamp: '2030-01-01T00:00:00Z' });
    assert.equal(decideValidate(updateOf(stored, service(tcp(21100, { loadBalancing: {} }))), rulebook).outcome, 'allowed');
    assert.equal(decideValidate(createOf(stored), rulebook).outcome, 'denied');
  });

  test('ratchets whatever the objects are: what is allowed to be created may follow anything, and no object denies itself', () => {
    fc.assert(
      fc.property(fc.oneof(validService, anyService), validService, (before, after) => {
        const [old, object] = [before, after] as unknown as JsonObject[];
        assert.equal(decideValidate(updateOf(old!, old), rulebook).outcome, 'allowed');
        if (decideValidate(createOf(object), rulebook).outcome === 'allowed') {
          assert.equal(decideValidate(updateOf(old!, object), rulebook).outcome, 'allowed');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('warns of a move between plain frp server and gateway, in a text that the API server passes on whole', () => {
    const book = { ...rulebook, config: configSchema.parse({ gateway: { addresses: ['gw'] } }) };
    const spec = { serviceType: 'http', backends: { discovery: {} }, expose: { domain: 'moved.example.com' } };
    const warnings = (before: object, after: object) =>
      decideValidate(updateOf(service({ ...spec, ...before }), service({ ...spec, ...after })), book).warnings.filter((text) =>
        text.startsWith('spec.gateway: moves'),
      );
    const [toPlain] = warnings({}, { gateway: false });
    assert.match(toPlain!, /moves the service to the plain frp server; .* kubectl -n corpus rollout restart .*Moving a service/);
    assert.ok(toPlain!.length <= 256, `${toPlain!.length} characters`);
    assert.match(warnings({ gateway: false }, { gateway: true })[0]!, /moves the service to the gateway/);
    assert.deepEqual(warnings({}, { gateway: true }), []);
    assert.deepEqual(
      decideValidate(createOf(service({ ...spec, gateway: false })), book).warnings.filter((text) => /moves/.test(text)),
      [],
    );
  });

  test('repeats no warnings to a writer that leaves the spec alone', () => {
    const stored = service(tcp(21010, { loadBalancing: { algorithm: 'ip-hash' } }));
    assert.equal(decideValidate(createOf(stored), rulebook).warnings.length, 1);
    assert.deepEqual(
      decideValidate(updateOf(stored, { ...stored, metadata: { name: 'a', finalizers: ['frp.io/x'] } }), rulebook).warnings,
      [],
    );
  });
});

suite('a review that is none of the rules’ business', () => {
  const deleting = service(broken, { deletionTimestamp: '2026-01-01T00:00:00Z' });

  test('an object that is being deleted is let through, to lose its finalizers', () => {
    assert.equal(decideValidate(updateOf(service(tcp(1)), deleting), rulebook).outcome, 'skipped');
    assert.equal(decideDefault(updateOf(service(tcp(1)), deleting)).outcome, 'skipped');
  });

  test('a deletion is let through', () => {
    const request = { ...createOf(null), operation: 'DELETE' as const, oldObject: service(broken) };
    assert.equal(decideValidate(request, rulebook).outcome, 'skipped');
    assert.equal(decideDefault(request).outcome, 'skipped');
  });

  test('the status subresource is let through', () => {
    assert.equal(decideValidate({ ...updateOf(service(broken), service(broken)), subResource: 'status' }, rulebook).outcome, 'skipped');
  });
});

suite('a denial', () => {
  test('lists all errors, each with its field', () => {
    const { message, details } = decideValidate(createOf(service(broken)), rulebook);
    assert.match(message, /^2 errors\n\* spec\.expose\.port: .*\n\* spec\.advanced\.bandwidth\.limit: /);
    assert.equal((details!.errors as string[]).length, 2);
  });

  test('names the namespace of the request where the object has none', () => {
    const object = service({ ...tcp(21011), backends: { discovery: { namespace: 'corpus' } } }, { namespace: undefined });
    assert.equal(decideValidate({ ...createOf(object), namespace: 'corpus' }, rulebook).outcome, 'allowed');
    assert.equal(decideValidate({ ...createOf(object), namespace: 'other' }, rulebook).outcome, 'denied');
  });
});

suite('the configuration', () => {
  test('a base domain admits subdomains, and makes their hosts claims', () => {
    const config = configSchema.parse({ baseDomain: 'corpus.example.com' });
    const { claims } = contextWith(standingServices, config);
    const subdomain = (name: string) =>
      service(
        { serviceType: 'http', backends: { discovery: {} }, expose: { type: 'subdomain', subdomain: name } },
        { namespace: 'corpus-other' },
      );
    assert.equal(decideValidate(createOf(subdomain('free')), { config, claims }).outcome, 'allowed');
    assert.match(
      decideValidate(createOf(subdomain('standing')), { config, claims }).message,
      /^spec\.expose\.subdomain: host standing\.corpus/,
    );
  });

  test('the pool is measured against the server’s, and renewal against the certificate’s lifetime', () => {
    const config = configSchema.parse({ certificates: { lifetime: '36h', renewBefore: '12h' } });
    const { claims } = contextWith([], config);
    const object = service(
      tcp(5432, { advanced: { connectionPool: { size: 6 } }, security: { mtls: { certRotation: { beforeExpiry: '2d' } } } }),
    );
    const { message, warnings } = decideValidate(createOf(object), { config, claims });
    assert.match(message, /beforeExpiry: 2d is not shorter than the certificate's lifetime of 36h/);
    assert.match(warnings.join(), /caps 6 at its transport\.maxPoolCount, 5/);
  });

  test('a grant refuses the namespaces that it does not name', () => {
    const config = configSchema.parse({ exposure: [{ namespaces: ['db', 'ops'], ports: ['5432-5439'] }] });
    const { claims } = contextWith([], config);
    const { message } = decideValidate(createOf(service(tcp(5433))), { config, claims });
    assert.match(message, /^spec\.expose\.port: tcp port 5433 is granted to namespaces "db", "ops" in exposure\[\]/);
  });
});

suite('any object', () => {
  test('gets a decision, whatever its shape', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyService,
          fc.jsonValue(),
          fc.jsonValue().map((spec) => service({}, {}) && { spec }),
        ),
        (object) => {
          assert.match(decideValidate(createOf(object), rulebook).outcome, /^(allowed|denied)$/);
          assert.match(decideDefault(createOf(object)).outcome, /^(allowed|patched)$/);
        },
      ),
      { numRuns: 1000, examples: [[service({ serviceType: 'http', gateway: true, expose: null })]] },
    );
  });

  test('gets warnings that the API server does not cut: it keeps 256 characters', () => {
    for (const { object } of serviceCases) {
      for (const warning of [
        ...decideValidate(createOf(defaulted(object)), rulebook).warnings,
        ...decideDefault(createOf(object)).warnings,
      ]) {
        assert.ok(warning.length <= 256, `${warning.length}: ${warning}`);
      }
    }
    fc.assert(
      fc.property(validService, (object) => {
        const long = decideValidate(createOf(defaulted(object)), rulebook).warnings.filter((warning) => warning.length > 256);
        assert.deepEqual(long, []);
      }),
    );
  });
});

suite('a review of a service behind the gateway', () => {
  const withGateway = contextWith(standingServices, configSchema.parse({ gateway: { addresses: ['gw-0.example.com'] } }));
  const review = (more: object) => {
    const object = { serviceType: 'http', backends: { discovery: {} }, expose: { domain: 'a.example.com' }, ...more };
    const { outcome, message, warnings } = decideValidate(createOf(defaulted(service(object))), withGateway);
    assert.equal(outcome, 'allowed', message);
    return warnings;
  };

  test('warns of a pause between attempts that is not applied, and not of one that nobody has set', () => {
    for (const retry of [{}, { maxAttempts: 5 }, { backoff: 'constant' }, { backoff: 'linear', enabled: false }])
      assert.deepEqual(review({ advanced: { retry } }), [], JSON.stringify(retry));
    assert.match(review({ advanced: { retry: { backoff: 'linear' } } }).join(), /^spec\.advanced\.retry\.backoff: "linear" is not applied/);
  });

  test('warns of a health check by TLS where requests come without', () => {
    for (const healthCheck of [{ type: 'http' }, { type: 'https', enabled: false }])
      assert.deepEqual(review({ loadBalancing: { healthCheck } }), [], JSON.stringify(healthCheck));
    const secure = { serviceType: 'tcp', expose: { port: 9000 }, loadBalancing: { healthCheck: { type: 'https' } } };
    assert.deepEqual(review(secure), []);
    assert.match(
      review({ loadBalancing: { healthCheck: { type: 'https' } } }).join(),
      /^spec\.loadBalancing\.healthCheck\.type: "https" asks/,
    );
  });

  test('lets it be one of the groups of its own routes, as a canary has it', () => {
    const groups = [
      { name: 'a', weight: 90 },
      { name: 'a-canary', weight: 10 },
    ];
    assert.deepEqual(review({ routes: [{ path: '/stays', groups: [{ name: 'a' }] }, { groups }] }), [
      'spec.routes: there is no DistributedService "a-canary" in the namespace yet; until there is, the other groups of a route answer, or else the own backends',
    ]);
  });
});

test('every rule is broken by some case of the corpus', () => {
  const subjects = serviceCases.map(({ object }) => subjectOf(defaulted(object), 'corpus', installedConfig));
  const unbroken = [...errorRules, ...warningRules].filter((rule) => !subjects.some((subject) => rule.broken(subject)));
  assert.deepEqual(
    unbroken.map(({ path, states }) => `${path}: ${states}`),
    [],
  );
});
