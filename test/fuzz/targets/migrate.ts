/** Configurations of frpc through `frp-k8s migrate`: the first line of an input is the ending of the file's name. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema } from '../../../src/config/schema.ts';
import { UserError } from '../../../src/errors.ts';
import { objectsOf, parseManifests } from '../../../src/manifests/read.ts';
import { load } from '../../../src/migrate/load.ts';
import { migrate } from '../../../src/migrate/migrate.ts';
import { configText, documentsOf, summaryOf } from '../../../src/migrate/write.ts';
import { validateOffline } from '../../../webhooks/distributedservices/offline.ts';
import { contextWith } from '../../corpus/context.ts';
import { wayOf, type Target } from '../target.ts';

const inputs = join(import.meta.dirname, '../../corpus/migrate/inputs');
const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-fuzz-'));
const endings = ['toml', 'ini', 'yaml', 'json'];
const variables = { FRP_SERVER: 'vps.example.com', FRP_PORT: '7000', FRP_TOKEN: 'tok', SSH_PORT: '6022', A: '1-3' };
const assumptions = { namespace: undefined, baseDomain: 'base.example.com', localHost: '192.0.2.1' };

function* corpus(): Iterable<Buffer> {
  for (const name of readdirSync(inputs)) {
    const file = join(inputs, name);
    if (statSync(file).isFile()) yield Buffer.concat([Buffer.from(`${name.replace(/^.*\./, '')}\n`), readFileSync(file)]);
  }
}

function migrated(input: Buffer): string {
  const first = input.indexOf(10);
  const ending = input.subarray(0, Math.max(first, 0)).toString();
  const file = join(directory, `frpc.${endings.includes(ending) ? ending : 'toml'}`);
  writeFileSync(file, input.subarray(first + 1));
  const migration = migrate(load([file], { variables }), assumptions);
  const text = documentsOf(migration);
  const written = parseManifests('out', text).flatMap(objectsOf);
  // What is in comments stays there, whatever it says: the documents are the services, and nothing else.
  assert.deepEqual(
    written.map(({ value }) => value),
    JSON.parse(JSON.stringify(migration.services.map(({ service }) => service))),
  );
  const context = contextWith([], configSchema.parse(migration.config));
  for (const { service } of migration.services) {
    assert.deepEqual(validateOffline(service, context).findings, [], 'what migrate writes is refused');
  }
  for (const made of [configText(migration), summaryOf(migration)]) assert.ok(made.length < 64 * 1024 + 64 * input.length);
  const levels = [...migration.remarks, ...migration.services].flatMap(({ findings }) =>
    findings.map(({ level, field }) => `${level} ${wayOf(field)}`),
  );
  return `${migration.services.length} ${[...new Set(levels)].sort().join()}`.slice(0, 500);
}

export const target: Target = {
  corpus,
  isJson: false,
  words: [
    '\nkind: DistributedService\nspec: {}\n---\n',
    '[common]',
    '[[proxies]]',
    '[[visitors]]',
    '[proxies.plugin]',
    'type = "http"',
    'type = tcp',
    'localPort = ',
    'remotePort = ',
    'customDomains = ["a.example.com"]',
    'subdomain',
    'includes = ["*.toml"]',
    '{{ .Envs.A }}',
    '{{- range $i := parseNumberRange "1-9" }}',
    '{{ end }}',
    '[range:a]',
    'local_port = 1-9',
    'plugin_',
    'meta_',
    'loadBalancer.group',
    'healthCheck.type',
    'transport.',
    'apiVersion: v1\nkind: ConfigMap\ndata:\n',
    '&a',
    '*a',
    '"""',
    "'''",
    '<<: *a',
  ],
  run: (input) => {
    try {
      return migrated(input);
    } catch (error) {
      // It says to its user what is wrong.
      if (error instanceof UserError) return `refused: ${wayOf(error.message.replaceAll(directory, ''))}`;
      throw error;
    }
  },
};
