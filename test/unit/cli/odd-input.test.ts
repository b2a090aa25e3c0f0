/** Input that kubectl would refuse, or read in another way than it seems. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { run as explain } from '../../../src/cli/explain.ts';
import { run as inject } from '../../../src/cli/inject.ts';
import { run as migrate } from '../../../src/cli/migrate.ts';
import { run as uninject } from '../../../src/cli/uninject.ts';
import { run as validate } from '../../../src/cli/validate.ts';
import { inProcess } from '../../support/command.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'frp-k8s-odd-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const location = path.join(directory, name);
  writeFileSync(location, text);
  return location;
}

const service = (metadata: string, domain: string): string => `apiVersion: frp.io/v1beta1
kind: DistributedService
metadata: ${metadata}
spec: {serviceType: http, backends: {discovery: {mode: auto}}, expose: {domain: "${domain}"}}
`;

test('a document that is no object is refused with its place by every command that reads manifests, and nothing is printed', async () => {
  const good = file('good.yaml', service('{name: web}', 'web.example.com'));
  for (const [name, text, line] of [
    ['list.json', '[{"kind": "Pod"}]', 1],
    ['list.yaml', 'kind: Pod\n---\n# two\n- kind: Pod\n', 2],
    ['text.yaml', 'a text\n', 1],
  ] as const) {
    const bad = file(name, text);
    const problem = new RegExp(`${name}:${line}: a document must be an object with apiVersion and kind, not (a list|string)`);
    for (const command of [inject, uninject, explain]) {
      const { code, stdout, stderr } = await inProcess(command, ['-f', bad]);
      assert.notEqual(code, 0, `${command.name} ${name}`);
      assert.equal(stdout, '');
      assert.match(stderr, problem);
    }
    for (const command of [inject, validate, explain]) {
      const { code, stdout, stderr } = await inProcess(command, ['-f', good, '--services', bad]);
      assert.notEqual(code, 0, name);
      assert.match(stdout + stderr, problem);
    }
  }
});

test('an empty namespace is none, as for kubectl, to explain and to migrate as well', async () => {
  const location = file('empty-namespace.yaml', service('{name: web, namespace: ""}', 'web.example.com'));
  const { stdout } = await inProcess(explain, ['-f', location, '-n', 'shop']);
  assert.match(stdout, /shop\/web can be served/);
  assert.match(stdout, /DistributedService shop\/web/);
  assert.match((await inProcess(migrate, ['-f', location, '-n', 'shop'])).stdout, /^ +namespace: shop$/m);
});

test('a wildcard that the schema refuses is told once, without a warning of what it would take', async () => {
  const { code, stdout } = await inProcess(validate, ['-f', file('wildcard.yaml', service('{name: web}', '*.CO.UK.'))]);
  assert.equal(code, 1);
  assert.match(stdout, /spec\.expose\.domain/);
  assert.doesNotMatch(stdout, /^warning: .*spec\.expose\.domain/m);
  const taken = await inProcess(validate, ['-f', file('taken.yaml', service('{name: web}', '*.co.uk'))]);
  assert.match(taken.stdout, /spec\.expose\.domain/);
});
