import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { documentsOf } from '../../../src/migrate/write.ts';
import { objectsOf, parseManifests } from '../../../src/manifests/read.ts';
import { Claims } from '../../../src/model/claims.ts';
import { ServiceStore } from '../../../src/model/store.ts';
import { validateOffline } from '../../../webhooks/distributedservices/offline.ts';
import { expectedPath, frpReading, loaded, migrateCases, migrated, printed, secrets } from '../../corpus/migrate/cases.ts';
import { assertNothingVanishes } from '../../support/migration-losses.ts';

suite('the corpus of configurations', () => {
  test("has forty configurations that frp itself takes, and frp's own examples", () => {
    assert.ok(migrateCases.filter((example) => frpReading(example)).length >= 40);
    assert.equal(migrateCases.filter(({ name }) => name.startsWith('frp-')).length, 3);
  });

  for (const example of migrateCases) {
    test(`${example.name} becomes what it did before`, () => {
      assert.equal(printed(example), readFileSync(expectedPath(example), 'utf8'), 'npm run generate writes the expected documents');
    });

    test(`${example.name} becomes documents that validate, without a secret`, () => {
      const migration = migrated(example);
      const text = documentsOf(migration);
      const claims = new Claims(new ServiceStore(), configSchema.parse({}));
      const config = configSchema.parse(migration.config);
      for (const { value } of parseManifests('output', text).flatMap(objectsOf))
        assert.deepEqual(validateOffline(value, { config, claims }).findings, []);
      for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} is printed`);
    });

    const reading = frpReading(example);
    if (!reading) continue;
    test(`${example.name} is read as frp reads it`, () => {
      const [client] = loaded(example).clients;
      assert.deepEqual(namesOf(client!.proxies, client!.common), namesOf(reading.proxies));
      assert.deepEqual(client!.visitors.map(({ name }) => name).sort(), reading.visitors.map(({ name }) => name).sort());
      for (const proxy of reading.proxies) {
        const own = client!.proxies.find(({ name }) => name === proxy.name)!;
        assert.deepEqual(leaves({ localIP: '127.0.0.1', transport: { bandwidthLimitMode: 'client' }, ...own }), leaves(proxy));
      }
    });

    test(`${example.name} keeps its meaning, or what is lost is named`, () => {
      assertNothingVanishes(migrated(example), reading.proxies, example.assumptions);
    });
  }
});

type Objects = readonly Record<string, unknown>[];

const namesOf = (proxies: Objects, { start }: Record<string, unknown> = {}) =>
  proxies
    .filter(({ name, enabled }) => enabled !== false && (!Array.isArray(start) || start.includes(name)))
    .map(({ name }) => name)
    .sort();

/** Texts, numbers and true by their paths in small letters: frp leaves out what is empty, and ignores how a key is written. */
function leaves(value: unknown, path = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    const isDefault = path.endsWith('.transport.bandwidthlimitmode') || path.endsWith('.plugin.enablehttp2');
    return value === '' || value === 0 || value === false || value === null || isDefault ? {} : { [path]: value };
  }
  return Object.assign({}, ...Object.entries(value).map(([key, item]) => leaves(item, `${path}.${key.toLowerCase()}`))) as Record<
    string,
    unknown
  >;
}
