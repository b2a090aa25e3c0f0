/** Rules by promtool, and the objects of manifests/monitoring by prometheus-operator's own CRDs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Ajv, type SchemaObject } from 'ajv';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { alerts, ruleFile } from '../../src/monitoring/rule-objects.ts';
import { alertCases, silentCases, type AlertCase } from './alert-cases.ts';

const run = promisify(execFile);
const promtool = process.env.PROMTOOL ?? 'promtool';
const folder = new URL('../../manifests/monitoring/', import.meta.url).pathname;

let directory: string;
before(async () => (directory = await mkdtemp(join(tmpdir(), 'frp-rules-'))));
after(() => rm(directory, { recursive: true, force: true }));

/** @returns what promtool says; rejects where a case fails */
async function promtoolTests(cases: readonly AlertCase[], isFiring: boolean): Promise<string> {
  await writeFile(join(directory, 'rules.yaml'), stringify(ruleFile()));
  const tests = cases.map(({ alert, input, at, labels = {} }) => ({
    name: alert,
    interval: '1m',
    input_series: Object.entries(input).map(([series, values]) => ({ series, values })),
    // Whatever annotations are: they are read by people.
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"${Object.entries(labels)
          .map(([name, value]) => `,${name}="${value}"`)
          .join('')}}) or vector(0)`,
        eval_time: at,
        exp_samples: [{ labels: '{}', value: isFiring ? 1 : 0 }],
      },
    ],
  }));
  await writeFile(join(directory, 'tests.yaml'), stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests }));
  return (await run(promtool, ['test', 'rules', join(directory, 'tests.yaml')])).stdout;
}

describe('the rules', () => {
  it('are read by Prometheus', async () => {
    await writeFile(join(directory, 'rules.yaml'), stringify(ruleFile()));
    const { stdout } = await run(promtool, ['check', 'rules', '--lint-fatal', join(directory, 'rules.yaml')]);
    assert.match(stdout, /SUCCESS/);
  });

  it('warn, each alert of its fault', async () => {
    assert.deepEqual([...new Set(alertCases.map(({ alert }) => alert))].sort(), alerts.map(({ alert }) => alert).sort());
    assert.match(await promtoolTests(alertCases, true), /SUCCESS/);
  });

  it('say nothing of what is as it should be', async () => {
    assert.match(await promtoolTests(silentCases, false), /SUCCESS/);
  });
});

describe('manifests/monitoring', () => {
  it("is what prometheus-operator's CRDs take", async () => {
    const modules = (process.env.FRPK8S_KINDS ?? '').split('\n');
    const operator = modules.find((path) => path.includes('/prometheus-operator@'));
    assert.ok(operator, 'FRPK8S_KINDS must name the directory of the Go module prometheus-operator');
    const texts = await Promise.all(['monitors.yaml', 'rules.yaml'].map((name) => readFile(join(folder, name), 'utf8')));
    const objects = texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as { kind: string }));
    assert.deepEqual(objects.map(({ kind }) => kind).sort(), [
      'PodMonitor',
      'PodMonitor',
      'PrometheusRule',
      'ServiceMonitor',
      'ServiceMonitor',
    ]);
    for (const object of objects) {
      const file = join(operator, `example/prometheus-operator-crd/monitoring.coreos.com_${object.kind.toLowerCase()}s.yaml`);
      const crd = parse(await readFile(file, 'utf8')) as { spec: { versions: { schema: { openAPIV3Schema: SchemaObject } }[] } };
      const validate = new Ajv({ strict: false, allErrors: true, formats: { int32: true, int64: true } }).compile(
        closed(crd.spec.versions[0]!.schema.openAPIV3Schema),
      );
      assert.ok(validate(object), JSON.stringify(validate.errors));
    }
  });
});

/** Those of Go that JavaScript does not know are left out. */
const isForeign = (pattern: unknown): boolean => typeof pattern === 'string' && pattern.includes('(?i)');

/** The API server drops fields that are not in the schema: a misspelt one is no error there, but it is here. */
function closed(schema: SchemaObject): SchemaObject {
  const properties = schema.properties as Record<string, SchemaObject> | undefined;
  const items = schema.items as SchemaObject | undefined;
  return {
    ...schema,
    ...(isForeign(schema.pattern) && { pattern: '' }),
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, child]) => [name, name === 'metadata' ? child : closed(child)]),
      ),
      additionalProperties: false,
    }),
    ...(items && { items: closed(items) }),
  };
}
