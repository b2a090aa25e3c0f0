import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { parse } from 'yaml';
import { parseManifests } from '../../../src/manifests/read.ts';
import { toYaml } from '../../../src/manifests/yaml.ts';
import { podCases, podServices } from '../../corpus/pods.ts';
import { run as runInject } from '../../../src/cli/inject.ts';
import { run as runUninject } from '../../../src/cli/uninject.ts';
import { frpK8s, inProcess } from '../../support/command.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'frp-k8s-test-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const location = path.join(directory, name);
  writeFileSync(location, text);
  return location;
}

const service = `
apiVersion: frp.io/v1beta1
kind: DistributedService
metadata: {name: web}
spec: {serviceType: http, backends: {discovery: {mode: auto}}, expose: {domain: web.example.com}}
`;
const services = file('services.yaml', service);

const configMap = `# a comment that stays
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: "0644",   odd:   'spacing'}
`;
const template = {
  metadata: { labels: { app: 'web' }, annotations: { 'frp.io/group': 'web', switch: 'on', mode: '0755' } },
  spec: {
    containers: [{ name: 'web', image: 'nginx:1', ports: [{ containerPort: 80 }], args: ['12:30', 'null', '1e3', 'yes', '2001-01-01'] }],
  },
};
const workload = (apiVersion: string, kind: string) => ({
  apiVersion,
  kind,
  metadata: { name: 'web' },
  spec: kind === 'CronJob' ? { schedule: '@daily', jobTemplate: { spec: { template } } } : { template },
});
const kinds = [
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['apps/v1', 'ReplicaSet'],
  ['batch/v1', 'Job'],
  ['batch/v1', 'CronJob'],
] as const;
const workloads = kinds.map(([apiVersion, kind]) => workload(apiVersion, kind));
const pod = { apiVersion: 'v1', kind: 'Pod', ...template };
const list = { apiVersion: 'v1', kind: 'List', items: [pod, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } }] };
const manifest = [configMap, ...[...workloads, pod, list].map((value) => toYaml(value))].join('---\n');

const inject = (args: string[], input?: string) => inProcess(runInject, args, input);
const uninject = (args: string[], input?: string) => inProcess(runUninject, args, input);
const sidecarsIn = (text: string) => text.match(/name: frpc$/gm)?.length ?? 0;

describe('frp-k8s inject', () => {
  const injected = frpK8s(['inject', '-f', '-', '--services', services], manifest);

  it('injects every Pod and Pod template, in a List too', () => {
    assert.equal(injected.code, 0, injected.stderr);
    assert.equal(sidecarsIn(injected.stdout), kinds.length + 2);
  });

  it('passes everything else through unchanged, byte by byte', () => {
    assert.ok(injected.stdout.startsWith(`${configMap}---\n`));
  });

  it('writes YAML that reads back as the same values, texts that look like something else included', () => {
    const read = parseManifests('-', injected.stdout)[1]!.value as { spec: { template: typeof template } };
    assert.deepEqual(read.spec.template.spec.containers, template.spec.containers);
    assert.equal(read.spec.template.metadata.annotations.switch, 'on');
  });

  it('changes nothing when its output is injected again', async () => {
    const again = await inject(['-f', '-', '--services', services], injected.stdout);
    assert.equal(again.stdout, injected.stdout);
  });

  it('is undone by uninject, back to the same values', async () => {
    const back = await uninject(['-f', '-'], injected.stdout);
    const values = (text: string) => parseManifests('-', text).map(({ value }) => value);
    assert.deepEqual(values(back.stdout), values(manifest));
    assert.equal(back.code, 0);
  });

  it('writes the RFC 6902 patch of one object alone', async () => {
    const { stdout } = await inject(['-f', '-', '--services', services, '-o', 'patch'], toYaml(workloads[0]));
    const patched = jsonpatch.applyPatch(structuredClone(workloads[0]), JSON.parse(stdout) as Operation[], true).newDocument as unknown;
    const { stdout: yaml } = await inject(['-f', '-', '--services', services], toYaml(workloads[0]));
    assert.deepEqual(patched, parse(yaml));
  });

  it('writes JSON, of several objects as a List', async () => {
    const { stdout } = await inject(['-f', '-', '--services', services, '-o', 'json'], manifest);
    const { kind, items } = JSON.parse(stdout) as { kind: string; items: unknown[] };
    assert.deepEqual([kind, items.length], ['List', kinds.length + 3]);
  });

  it('reads what other tools write: directives, byte order marks, Windows line ends, anchors and merges', async () => {
    const anchored = toYaml(pod).replace('metadata:', 'metadata: &meta').concat('extra: {<<: *meta}\n');
    for (const text of [
      `%YAML 1.1\n# generated\n---\n${toYaml(pod)}`,
      `\uFEFF${toYaml(pod)}`,
      toYaml(pod).replaceAll('\n', '\r\n'),
      anchored,
    ]) {
      const { code, stdout, stderr } = await inject(['-f', '-', '--services', services], text);
      assert.equal(code, 0, stderr);
      assert.equal(sidecarsIn(stdout), 1, text);
    }
  });

  it('counts the services of its input', async () => {
    assert.equal(sidecarsIn((await inject(['-f', '-'], `${service}---\n${toYaml(pod)}`)).stdout), 1);
  });

  it('takes an empty namespace for none, as kubectl does, and injects the items of a list of one kind', async () => {
    const named = file('named.yaml', service.replace('{name: web}', '{name: web, namespace: shop}'));
    const empty = ['""', 'null'].map((namespace) => toYaml(pod).replace('metadata:', `metadata:\n  namespace: ${namespace}`));
    for (const text of [...empty, JSON.stringify({ apiVersion: 'v1', kind: 'PodList', items: [template] })]) {
      const { code, stderr } = await inject(['-n', 'shop', '-f', '-', '--services', named], text);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /1 object: 1 injected/);
    }
  });

  it('leaves a namespace alone that is labelled disabled', async () => {
    const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {frp.io/injection: disabled}}\n';
    const input = `${namespace}---\n${toYaml(pod)}`;
    assert.equal((await inject(['-f', '-', '--services', services], input)).stdout, input);
  });

  it('matches selectors in a namespace that is labelled enabled', async () => {
    const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {frp.io/injection: enabled}}\n';
    const selecting = service.replace('mode: auto', 'mode: selector, selector: {matchLabels: {app: web}}');
    const plain = { ...pod, metadata: { labels: { app: 'web' } } };
    assert.equal(sidecarsIn((await inject(['-f', '-'], [namespace, selecting, toYaml(plain)].join('---\n'))).stdout), 1);
    assert.equal(sidecarsIn((await inject(['-f', '-'], [selecting, toYaml(plain)].join('---\n'))).stdout), 0);
  });

  const failures: [what: string, args: string[], input: string, message: RegExp][] = [
    [
      'a Pod that is refused',
      [],
      toYaml({ ...pod, metadata: { name: 'web', annotations: { 'frp.io/group': 'wbe' } } }),
      /^frp-k8s: inject: -: Pod\/web: annotation frp\.io\/group: .*did you mean "web"\?/,
    ],
    ['text that is no YAML', [], 'a: 1\n---\nb: [', /^frp-k8s: -:3: not valid YAML/],
    [
      'a service that the API server would refuse',
      [],
      service.replace('http', 'smtp'),
      /^frp-k8s: inject: -: DistributedService\/web: spec\.serviceType: Unsupported value: "smtp"/,
    ],
    [
      'a group that is not among the services',
      [],
      toYaml({ ...pod, metadata: { name: 'x', annotations: { 'frp.io/group': 'elsewhere' } } }),
      /there is no DistributedService "elsewhere" in namespace "default"; .*; name its file with --services/,
    ],
    ['an address', ['-f', 'https://example.com/a.yaml'], '', /^frp-k8s: https:.*a\.yaml: addresses are not read; .* curl -sSfL /],
    ['a file that is not there', ['-f', '/nonexistent.yaml'], '', /^frp-k8s: \/nonexistent\.yaml: no such file or directory/],
    ['an unknown option', ['--nope'], '', /^frp-k8s: inject: Unknown option '--nope'; see frp-k8s inject --help/],
    ['an unknown format', ['-o', 'xml'], '', /^frp-k8s: inject: -o xml: must be one of: yaml, json, patch/],
    [
      'a Pod without containers',
      [],
      'apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: {frp.io/group: web}}\nspec: {}\n',
      /spec\.containers: must be a list/,
    ],
    [
      'an annotation that is no text',
      [],
      toYaml({ ...pod, metadata: { name: 'web', annotations: { 'frp.io/group': 'web', 'frp.io/port': 80 } } }),
      /metadata\.annotations\.frp\.io\/port: must be a string; put it in quotes/,
    ],
  ];
  for (const [what, args, input, message] of failures) {
    it(`fails for ${what}, with a message and nothing on stdout`, async () => {
      const result = await inject(['-f', '-', '--services', services, ...args], input);
      assert.deepEqual([result.code, result.stdout], [1, '']);
      assert.match(result.stderr, message);
    });
  }
});

describe('frp-k8s inject, on the corpus', () => {
  const known = file('corpus.yaml', podServices.map((value) => toYaml(value)).join('---\n'));

  it('injects all good Pods, with their warnings', async () => {
    const good = podCases.filter(({ refused }) => !refused);
    const { code, stdout, stderr } = await inject(['-f', '-', '--services', known], good.map(({ pod }) => toYaml(pod)).join('---\n'));
    assert.equal(code, 0, stderr);
    assert.equal(stdout.match(/- name: frpc(-[0-9])?$/gm)?.length, good.flatMap(({ sidecars = [] }) => sidecars).length);
    for (const text of good.flatMap(({ warned = [] }) => warned)) assert.ok(stderr.includes(text), text);
  });

  it('refuses all bad Pods, with their texts', () => {
    const bad = podCases.filter(({ refused }) => refused);
    const { code, stdout, stderr } = frpK8s(['inject', '-f', '-', '--services', known], bad.map(({ pod }) => toYaml(pod)).join('---\n'));
    assert.deepEqual([code, stdout], [1, '']);
    for (const { name, refused = [] } of bad) {
      assert.ok(
        stderr.split('\n').some((line) => refused.every((text) => line.includes(text))),
        `${name}: ${refused.join(' … ')}`,
      );
    }
  });
});
