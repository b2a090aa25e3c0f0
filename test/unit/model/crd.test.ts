import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { customResourceDefinition, openApiSchema, type SchemaNode } from '../../../src/model/crd.ts';

/** Every node below, with its path. */
function* nodes(node: SchemaNode, path: string): Generator<[string, SchemaNode]> {
  yield [path, node];
  for (const [name, child] of Object.entries(node.properties ?? {})) yield* nodes(child, `${path}.${name}`);
  if (node.items) yield* nodes(node.items, `${path}[]`);
  if (node.additionalProperties) yield* nodes(node.additionalProperties, `${path}{}`);
}

const { spec, status } = openApiSchema().properties!;
/** Defaults of fields that the seed does not have (B1.18, gateway). */
const ours = new Set([
  'spec.expose.tls.issuerRef.kind',
  'spec.expose.tls.issuerRef.group',
  'spec.backends.replicas',
  'spec.backends.readWrite.roleCheck.port',
  'spec.backends.readWrite.roleCheck.primaryPath',
  'spec.backends.readWrite.roleCheck.replicaPath',
  'spec.expose.tls.redirect',
  'spec.security.cors.allowMethods',
  'spec.security.cors.allowCredentials',
  'spec.security.cors.maxAge',
  'spec.advanced.compression',
  'spec.metrics.format',
  'spec.advanced.retry.nonIdempotent',
  'spec.routes[].groups[].weight',
]);
const all = [...nodes(spec!, 'spec'), ...nodes(status!, 'status')];

suite('the schema', () => {
  test('describes every field', () => {
    const silent = all.filter(([path, node]) => !node.description && !path.endsWith('{}')).map(([path]) => path);
    assert.deepEqual(silent, []);
  });

  test('bounds every string, list and map of the spec, which keeps rules within the cost budget', () => {
    const unbounded = [...nodes(spec!, 'spec')].filter(
      ([, node]) =>
        (node.type === 'string' && !node.enum && node.maxLength === undefined) ||
        (node.type === 'array' && node.maxItems === undefined) ||
        (node.additionalProperties && node.maxProperties === undefined),
    );
    assert.deepEqual(
      unbounded.map(([path]) => path),
      [],
    );
  });

  test('has the 28 defaults of the seed that stay, and none for healthCheck.type (B1.11)', () => {
    const defaults = [...nodes(spec!, 'spec')].filter(([, node]) => node.default !== undefined).map(([path]) => path);
    // The 29th is healthCheck.type, which depends on serviceType.
    assert.equal(defaults.filter((path) => !ours.has(path)).length, 28);
    assert.deepEqual(
      [...ours].filter((path) => !defaults.includes(path)),
      [],
    );
    assert.ok(!defaults.includes('spec.loadBalancing.healthCheck.type'));
  });

  test('is structural: no oneOf, anyOf or not, and a type at every node', () => {
    assert.doesNotMatch(JSON.stringify(openApiSchema()), /"(oneOf|anyOf|allOf|not)":/);
    assert.deepEqual(
      all.filter(([, node]) => node.type === undefined).map(([path]) => path),
      [],
    );
  });
});

suite('the CRD', () => {
  test('has its names, printed columns and subresources', () => {
    const { names, versions, scope } = customResourceDefinition().spec;
    assert.deepEqual(names.shortNames, ['ds', 'dsvc']);
    assert.equal(scope, 'Namespaced');
    assert.deepEqual(
      versions[0]!.additionalPrinterColumns.map(({ name }) => name),
      ['Type', 'Backends', 'State', 'Ready', 'Total', 'Reason', 'Age', 'Endpoint'],
    );
    assert.equal(versions[0]!.subresources.scale.specReplicasPath, '.spec.backends.replicas');
  });

  test('is what manifests/crd holds', () => {
    const file = resolve(import.meta.dirname, '../../../manifests/crd/distributedservices.frp.io.yaml');
    assert.deepEqual(parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(customResourceDefinition())));
  });
});
