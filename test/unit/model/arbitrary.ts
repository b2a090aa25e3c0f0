/** Generators of DistributedServices, from the schema itself: valid ones, and ones with anything anywhere. */
import fc from 'fast-check';
import { openApiSchema, type SchemaNode } from '../../../src/model/crd.ts';
import type { DistributedService } from '../../../src/model/types.ts';

const spec = openApiSchema().properties!.spec!;

const patterned: Record<string, string[]> = {
  '^([0-9]{1,6}s|[0-9]{1,4}m)$': ['1s', '10s', '90s', '5m', '0s'],
  '^([0-9]{1,7}s|[0-9]{1,5}m|[0-9]{1,4}h)$': ['1s', '5m', '1h'],
  '^[0-9]{1,4}(d|h)$': ['7d', '12h', '0h', '30d'],
  '^[0-9]+(MB|KB|GB)$': ['1MB', '512KB', '2GB', '0MB'],
  "^/([A-Za-z0-9_.~!$&'()+,=:@/-]|%[0-9a-fA-F]{2})*$": [
    '/',
    '/v1',
    '/v1/',
    '/a_b-c',
    '/socket.io',
    "/@a:b/(c)!$&'+,=",
    '/caf%C3%A9',
    '/a/../%2F',
  ],
  '^/[!-~]*$': ['/', '/health', '/{{x}}', '/a/*'],
};

/** Values that the node accepts. */
export function valid(node: SchemaNode): fc.Arbitrary<unknown> {
  if (node.enum) return fc.constantFrom(...node.enum);
  switch (node.type ?? 'string') {
    case 'integer':
      return fc.integer({ min: node.minimum ?? 0, max: Math.min(node.maximum ?? 100, 65535) });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(valid(node.items!), { maxLength: 3 });
    case 'object':
      return node.properties
        ? validObject(node)
        : fc.dictionary(fc.constantFrom('a', 'b', 'app'), valid(node.additionalProperties!), { maxKeys: 2 });
    default:
      return fc.constantFrom(...(patterned[node.pattern ?? ''] ?? ['a', 'x-1', 'db']));
  }
}

function validObject(node: SchemaNode): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(Object.entries(node.properties!).map(([name, property]) => [name, valid(property)]));
  return fc.record(members, { requiredKeys: [...(node.required ?? [])] });
}

/** Anything that JSON can hold. */
const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    'x',
    'UPPER.case',
    '{{ .Envs.KEY }}',
    'a b',
    '\u0007"\\',
    0,
    -1,
    1.5,
    5,
    70000,
    true,
    [],
    {},
    [1, 'x', null],
    { a: 1 },
    '0s',
    '10x',
  ),
  fc.string({ maxLength: 5 }),
  fc.constantFrom('a'.repeat(64), 'a'.repeat(254), Array(257).fill({ host: 'a', port: 1 })),
);

/** Values as `valid` gives them, with junk in the place of some. */
function anything(node: SchemaNode): fc.Arbitrary<unknown> {
  const kept =
    node.type === 'object' && node.properties
      ? fc.record(Object.fromEntries(Object.entries(node.properties).map(([name, property]) => [name, anything(property)])), {
          requiredKeys: [],
        })
      : node.type === 'array'
        ? fc.array(anything(node.items!), { maxLength: 3 })
        : valid(node);
  return fc.oneof({ arbitrary: kept, weight: 14 }, { arbitrary: junk, weight: 1 });
}

const head = { apiVersion: 'frp.io/v1beta1', kind: 'DistributedService' } as const;

/** An object that passes the schema; rules may be broken. */
export const validService: fc.Arbitrary<DistributedService> = valid(spec).map(
  (value) => ({ ...head, metadata: { name: 'a', namespace: 'default' }, spec: value }) as DistributedService,
);

/** An object with anything anywhere below its spec, some unknown fields, and odd metadata. */
export const anyService: fc.Arbitrary<Record<string, unknown>> = fc
  .record({
    spec: fc.oneof({ arbitrary: anything(spec), weight: 8 }, { arbitrary: valid(spec), weight: 4 }),
    name: fc.oneof(
      { arbitrary: fc.constant('a'), weight: 10 },
      { arbitrary: fc.constantFrom('Bad_Name', 'a.b', '-x', 'a'.repeat(254)), weight: 1 },
    ),
    labels: fc.oneof(
      { arbitrary: fc.constant({}), weight: 10 },
      {
        arbitrary: fc.dictionary(
          fc.constantFrom('a', 'a/b', 'A B', '/x', 'X/y/z', 'a'.repeat(64)),
          fc.constantFrom('', 'ok', 'not ok', 'b'.repeat(64)),
        ),
        weight: 1,
      },
    ),
    extra: fc.oneof({ arbitrary: fc.constant({}), weight: 20 }, { arbitrary: fc.constant({ foo: 1 }), weight: 1 }),
  })
  .map(({ spec, name, labels, extra }) => ({ ...head, metadata: { name, namespace: 'default', labels }, spec, ...extra }));
