/** Raw manifests through inject and uninject, as a user's shell would run them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { run as explain } from '../../../src/cli/explain.ts';
import { run as inject } from '../../../src/cli/inject.ts';
import { run as uninject } from '../../../src/cli/uninject.ts';
import { run as validate } from '../../../src/cli/validate.ts';
import { objectsOf, parseManifests } from '../../../src/manifests/read.ts';
import { toYaml } from '../../../src/manifests/yaml.ts';
import { rawManifests } from '../../corpus/manifests.ts';
import { podServices } from '../../corpus/pods.ts';
import { inProcess } from '../../support/command.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'frp-k8s-manifests-'));
after(() => rmSync(directory, { recursive: true }));
let files = 0;
function file(text: string, name = `${++files}.yaml`): string {
  const location = path.join(directory, name);
  writeFileSync(location, text);
  return location;
}
const services = file(podServices.map((value) => toYaml(value)).join('---\n'), 'services.yaml');

type Command = (args: string[]) => Promise<number>;
const output = (command: Command, ...args: string[]) => inProcess(command, args);
const injected = (...locations: string[]) =>
  output(inject, ...locations.flatMap((location) => ['-f', location]), '--services', services, '-n', 'corpus');

const values = (text: string) =>
  parseManifests('-', text)
    .flatMap(objectsOf)
    .map(({ value }) => value);
const sidecarsIn = (text: string) => JSON.stringify(values(text)).match(/"name":"frpc","image"/g)?.length ?? 0;

describe('a raw manifest', () => {
  for (const { name, file: location, text, injected: expected } of rawManifests) {
    it(`(${name}) gets its sidecars and nothing else, once, and uninject gives it back`, async () => {
      const { stdout } = await injected(location);
      assert.equal(sidecarsIn(stdout), expected);
      const once = file(stdout);
      assert.equal((await injected(once)).stdout, stdout);
      const back = await output(uninject, '-f', once);
      assert.deepEqual(values(back.stdout), values(text));
    });
  }

  it('that is changed keeps its comments, its order and its quoting; what is added is spaced as the rest', async () => {
    const lines = [
      '# of the shop',
      '---',
      '# its web server',
      'apiVersion: apps/v1',
      'kind: Deployment # a workload',
      'metadata:',
      '  name: "web"',
      "  labels: {app: web, tier: 'front'}",
      '',
      'spec:',
      '  # what each Pod is',
      '  template:',
      '    metadata:',
      '      annotations:',
      '        # joins the pool',
      '        frp.io/group: web # see service.yaml',
      '        mode: "0o755"',
      '        text: "a\\Nb"',
      '    spec:',
      '      containers:',
      '      # the app',
      "      - name: 'web'",
      '        command: [sh, -c, "sleep 1"]',
      '        args:',
      '        - |',
      '          # no comment',
      '          echo',
      '        securityContext: {runAsUser: 0x7D0, privileged: no}',
      '        ports: [{containerPort: 80}]',
      '      # the last',
    ];
    const expected = lines.join('\n').replace('\\N', '\\u0085').split('\n');
    for (const text of [lines.join('\n'), lines.join('\r\n')]) {
      const { stdout } = await injected(file(text));
      assert.equal(sidecarsIn(stdout), 1);
      // What is before the separator is a document of its own, which passes through.
      const found = stdout.replace('\r', '').split('\n');
      let at = -1;
      for (const line of expected) assert.ok((at = found.indexOf(line, at + 1)) >= 0, `${line}\n${stdout}`);
      assert.ok(found.includes('      - name: frpc'));
      const back = await output(uninject, '-f', file(stdout));
      assert.equal(back.stdout.replace('\r', ''), `${expected.join('\n')}\n`);
    }
  });

  it('of blocks alone keeps its rows to the last blank, in a List too; uninject gives it back', async () => {
    const pod = [
      'apiVersion: v1',
      'kind:   Pod',
      'metadata:',
      '  annotations:',
      '    frp.io/group:  "web"',
      '    long: a text that',
      '        goes on',
    ];
    const rest = [
      '  labels: {}',
      '',
      'spec:',
      '  containers:',
      '  # the app',
      '  -   name: app',
      '      ports:',
      '      - containerPort:  80',
      '  # its end',
    ];
    const rows = [...pod, ...rest];
    const inList = [
      'apiVersion: v1',
      'items:',
      ...rows.map((row, index) => (row === '' ? '' : `${index === 0 ? '- ' : '  '}${row}`)),
      'kind: List',
    ];
    for (const text of [rows, ['---', '# c', ...rows, '', '# d'], inList]) {
      const { stdout } = await injected(file(`${text.join('\n')}\n`));
      assert.equal(sidecarsIn(stdout), 1);
      const found = stdout.split('\n');
      // But for the empty map, which gets a row.
      let at = -1;
      for (const row of text) if (!row.includes('{}')) assert.ok((at = found.indexOf(row, at + 1)) >= 0, `${row}\n${stdout}`);
      assert.equal((await injected(file(stdout))).stdout, stdout);
      assert.equal((await output(uninject, '-f', file(stdout))).stdout, `${text.join('\n')}\n`);
    }
  });

  it('that ends with a comment gets no blank line before it, and keeps one that it has', async () => {
    const text =
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n    frp.io/group: web\nspec:\n  containers:\n  - name: app\n    ports:\n    - containerPort: 80\n';
    for (const end of ['# end\n', '\n# end\n', '# end\n# of it\n', '# end\n\n# of it\n']) {
      const { stdout } = await injected(file(text + end));
      assert.equal(sidecarsIn(stdout), 1);
      assert.equal((await output(uninject, '-f', file(stdout))).stdout, text + end);
    }
  });

  it('that is changed has no flow value left out and no block that begins with a tab, which kubectl reads otherwise or not at all', async () => {
    const lines = [
      'apiVersion: v1',
      'kind: Pod',
      'metadata:',
      '  name: web',
      '  annotations:',
      '    frp.io/group: web',
      '    script: |2',
      '      \tmake # in block',
      'spec:',
      '  containers:',
      '  - name: web',
      '    ports: [{containerPort: 80}]',
      '    args: # kept',
      '    - x',
      '  volumes: [{name: tmp, emptyDir: }, {name: "b", emptyDir: , x}]',
    ];
    const { stdout } = await injected(file(lines.join('\n')));
    assert.equal(sidecarsIn(stdout), 1);
    assert.match(stdout, /^ {4}script: "\\tmake # in block\\n"$/m);
    assert.match(stdout, /^ +- \{name: tmp, emptyDir: null\}$/m);
    assert.match(stdout, /^ +- \{name: "b", emptyDir: null, x\}$/m);
    assert.match(stdout, /# kept$/m);
  });

  it('that is changed may have keys without a value, as a set has them, and keeps its comments', async () => {
    const text = `apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {frp.io/group: web}
spec:
  # none
  ? nodeSelector
  ? affinity
  containers:
    - name: app
      ports: [{containerPort: 80}]
`;
    const { stdout } = await injected(file(text));
    assert.equal(sidecarsIn(stdout), 1);
    assert.match(stdout, /# none$/m);
    assert.deepEqual(values((await output(uninject, '-f', file(stdout))).stdout), values(text));
  });

  it('is joined to others with one separator, and nothing is lost', async () => {
    const { stdout } = await injected(...rawManifests.map(({ file: location }) => location));
    const all = rawManifests.flatMap(({ text }) => values(text));
    assert.equal(values(stdout).length, all.length);
    assert.deepEqual(values((await output(uninject, '-f', file(stdout))).stdout), all);
    const files = ['a: 1', '---\nb: 1\n', '{"c": 1}', '%YAML 1.1\n---\nd: 1', '{"e": "\\ud83d\\ude00"}{"f": 1}'].map((text) => file(text));
    assert.equal((await injected(...files)).stdout, 'a: 1\n---\nb: 1\n---\n{"c": 1}\n---\nd: 1\n---\n{\n  "e": "😀"\n}\n---\n{"f": 1}');
    const folder = await injected(path.dirname(rawManifests[0]!.file));
    assert.equal(folder.stdout, stdout);
    const { stdout: json } = await output(
      inject,
      '-f',
      path.dirname(rawManifests[0]!.file),
      '--services',
      services,
      '-n',
      'corpus',
      '-o',
      'json',
    );
    assert.equal(values(json).length, all.length);
    assert.match(json, /"defaultMode": 288\b/);
  });

  it('whose Namespace is in the input gets that one’s defaults', async () => {
    const raw = rawManifests.find(({ name }) => name === 'indentation.yaml')!;
    const namespace = (value: string) =>
      file(`apiVersion: v1\nkind: Namespace\nmetadata: {name: corpus, annotations: {frp.io/sidecar-image: ${value}}}\n`);
    const { stdout } = await injected(namespace('registry.example.com/frpc:1'), raw.file);
    assert.match(JSON.stringify(values(stdout)), /"name":"frpc","image":"registry.example.com\/frpc:1"/);
    const wrong = await injected(namespace('"-"'), raw.file);
    assert.equal(sidecarsIn(wrong.stdout), 1);
    assert.match(wrong.stderr, /^warning: .*: namespace corpus: annotation frp.io\/sidecar-image has no effect: invalid value "-"/m);
  });

  it('that is not touched comes out byte by byte', async () => {
    for (const text of ['a: 1', '# c\n---\na: 1\n--- # d\nb: 0o17\n', '{"a": 1}', '{"a": 1}\n', '%YAML 1.1\n---\na: 1\n', '\r\na: 1\r\n'])
      assert.equal((await injected(file(text))).stdout, text);
  });

  it('is summed up on stderr: what was injected, skipped and passed over, and why', async () => {
    const { stderr } = await injected(
      ...rawManifests.filter(({ name }) => ['partial.yaml', 'no-newline.json'].includes(name)).map((raw) => raw.file),
    );
    const lines = stderr
      .replaceAll(/[^ ]*\/manifests\//g, '')
      .trim()
      .split('\n');
    assert.deepEqual(lines, [
      'injected: no-newline.json: ReplicationController/no-newline: frpc for web',
      'skipped: partial.yaml: Deployment/web: no annotation frp.io/group, and no service selects the Pod',
      'skipped: partial.yaml: StatefulSet/db: no annotation frp.io/group, and no service selects the Pod',
      'skipped: partial.yaml: Pod/bare: no annotation frp.io/group, and no service selects the Pod',
      'passed over: partial.yaml: Rollout/rollout: annotation frp.io/group at spec.template: list Rollout.argoproj.io in workloadKinds of the configuration to inject it here; in the cluster the webhook injects its Pods',
      'passed over: partial.yaml: JobSet/jobset: annotation frp.io/group at spec.replicatedJobs[0].template.spec.template: only a Pod template at spec.template can be injected here; in the cluster the webhook injects its Pods',
      '6 objects: 1 injected, 3 skipped, 2 passed over',
    ]);
  });

  it('with annotations and labels that have no value is read as the API server reads it: they are empty', async () => {
    const text = (extra: string) =>
      `apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels:\n    tier:\n  annotations:\n    frp.io/group: web\n    ${extra}:\nspec:\n  containers:\n  - name: app\n    ports:\n    - containerPort: 80\n`;
    const { stdout } = await injected(file(text('checksum')));
    assert.equal(sidecarsIn(stdout), 1);
    assert.equal((await injected(file(stdout))).stdout, stdout);
    assert.equal((await output(uninject, '-f', file(stdout))).stdout, text('checksum'));
    const { stderr } = await injected(file(text('frp.io/port')));
    assert.match(stderr, /annotation frp\.io\/port: invalid value ""/);
  });

  it('of a kind whose Pod templates are not below spec is passed over with their place', async () => {
    const template = 'metadata: {annotations: {frp.io/group: web}}, spec: {containers: [{name: a}]}';
    const text = [
      `apiVersion: v1\nkind: PodTemplate\nmetadata: {name: one, annotations: {frp.io/group: web}}\ntemplate: {${template}}\n`,
      `apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: two}\nobjects: [{kind: Deployment, spec: {template: {${template}}}}]\n`,
    ].join('---\n');
    const { stdout, stderr } = await injected(file(text));
    assert.equal(stdout, text);
    assert.match(stderr, /^passed over: .*PodTemplate\/one: annotation frp\.io\/group at template: /m);
    assert.match(stderr, /^passed over: .*Template\/two: annotation frp\.io\/group at objects\[0\]\.spec\.template: /m);
    assert.match(stderr, /^2 objects: 2 passed over$/m);
  });

  it('whose group is on the workload itself is warned of, by inject and by validate', async () => {
    const text =
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, annotations: {frp.io/group: web}}\nspec: {template: {spec: {containers: [{name: a}]}}}\n';
    const said =
      /Deployment\/web: annotation frp.io\/group is on the Deployment itself and has no effect there; put it on its Pod template: spec.template.metadata.annotations/;
    assert.match((await injected(file(text))).stderr, said);
    assert.match((await output(validate, '-f', file(text))).stdout, said);
  });

  it('whose frp.io/group is misspelt is told the nearest name by inject, by validate and by explain', async () => {
    const pod = 'metadata: {annotations: {frp.io/gruop: web}}, spec: {containers: [{name: a, ports: [{containerPort: 80}]}]}';
    const text = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {${pod}}}\n`;
    const said = /annotation frp.io\/gruop is not known to frp-k8s and has no effect; did you mean frp.io\/group\?/;
    assert.match((await injected(file(text))).stderr, said);
    assert.match((await output(validate, '-f', file(text))).stdout, said);
    assert.match((await output(explain, '-f', file(text))).stdout, said);
  });

  it('of another kind is injected where the configuration lists it', async () => {
    const config = file('workloadKinds: [Rollout.argoproj.io]\n');
    const partial = rawManifests.find(({ name }) => name === 'partial.yaml')!;
    const { stdout } = await output(inject, '-f', partial.file, '--services', services, '-n', 'corpus', '--config', config);
    assert.equal(sidecarsIn(stdout), 1);
    assert.deepEqual(values((await output(uninject, '-f', file(stdout))).stdout), values(partial.text));
  });

  it('of a kind that is listed, where its Pod template is elsewhere or its API refuses a sidecar, is passed over with the reason', async () => {
    const config = file('workloadKinds: [JobSet.jobset.x-k8s.io, Service.serving.knative.dev]\n');
    const text = [
      'apiVersion: jobset.x-k8s.io/v1alpha2',
      'kind: JobSet',
      'metadata: {name: jobs}',
      'spec: {replicatedJobs: [{template: {spec: {template: {metadata: {annotations: {frp.io/group: web}}}}}}]}',
      '---',
      'apiVersion: serving.knative.dev/v1',
      'kind: Service',
      'metadata: {name: hello}',
      'spec: {template: {metadata: {annotations: {frp.io/group: web}}, spec: {containers: [{image: hello}]}}}',
    ].join('\n');
    const { stdout, stderr } = await output(inject, '-f', file(text), '--services', services, '-n', 'corpus', '--config', config);
    assert.equal(stdout, text);
    const [jobs, hello, summary] = stderr.trim().split('\n');
    assert.match(
      jobs!,
      /^passed over: .*JobSet\/jobs: .* at spec\.replicatedJobs\[0\]\..*only a Pod template at spec\.template can be injected/,
    );
    assert.match(
      hello!,
      /^passed over: .*Service\/hello: .*the API of Service\.serving\.knative\.dev refuses a template with a sidecar; in the/,
    );
    assert.equal(summary, '2 objects: 2 passed over');
  });
});

describe('frp-k8s validate', () => {
  const service =
    'apiVersion: frp.io/v1beta1\nkind: DistributedService\nmetadata: {name: own}\nspec: {serviceType: http, backends: {discovery: {mode: auto}}, expose: {domain: own.example.com}, loadBalancing: {healthCheck: {path: /}}}\n';
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: own, annotations: {frp.io/group: own}}\nspec: {containers: [{name: app, ports: [{containerPort: 80}]}]}\n';
  const check = async (text: string, ...more: string[]) => {
    const { code, stdout } = await output(validate, '-f', file(text, 'input.yaml'), ...more);
    return { code, lines: stdout.replaceAll(`${directory}/`, '').trim().split('\n') };
  };

  it('says what is good about each object, and how many there are', async () => {
    const { code, lines } = await check(`${service}---\n${pod}---\napiVersion: v1\nkind: ConfigMap\n`, '-n', 'shop');
    assert.deepEqual(
      [code, lines],
      [
        0,
        [
          'good: input.yaml: DistributedService/own: http at own.example.com/, by a plain frp server',
          'good: input.yaml: Pod/own: would get frpc for own',
          '3 objects: 2 good, 1 not for frp-k8s to check',
        ],
      ],
    );
  });

  it('says what is wrong with an integer that no number of JavaScript holds', async () => {
    const { code, lines } = await check(service.replace('spec: {', 'spec: {spec: -9007199254740993, '));
    assert.equal(code, 1);
    assert.match(lines[0]!, /unknown field "spec\.spec"/);
    const inList = await check('apiVersion: frp.io/v1beta1\nkind: DistributedService\nmetadata: {name: own}\nspec: [-9007199254740993]\n');
    assert.match(inList.lines[0]!, /spec: Invalid value/);
  });

  it('does not call good what would be stored and not served', async () => {
    const { code, lines } = await check(service.replace('spec: {', 'spec: {gateway: true, '));
    assert.equal(code, 0);
    assert.match(lines[0]!, /^warning: .*GatewayRequired/);
    assert.deepEqual(lines.slice(1), ['1 object: 0 good, 1 would be stored and not served (the warnings say why)']);
  });

  it('and inject name everything that is wrong with a Pod, whose service may be in the cluster', async () => {
    const wrong = pod.replace('frp.io/group: own', "frp.io/group: own, frp.io/weight: much, frp.io/drain: '1'");
    const { code, lines } = await check(wrong);
    assert.equal(code, 1);
    assert.match(lines[0]!, /^input\.yaml: Pod\/own: metadata\.annotations: annotation frp\.io\/weight: invalid value "much"/);
    assert.match(lines[1]!, /^input\.yaml: Pod\/own: metadata\.annotations: annotation frp\.io\/drain: invalid value "1"/);
    assert.match(lines[2]!, /^warning: input\.yaml: .*no DistributedService "own".* to check this Pod$/);
    const refused = await output(inject, '-f', file(wrong, 'input.yaml'));
    assert.equal(refused.stdout, '');
    assert.equal(refused.stderr.match(/Pod\/own: /g)?.length, 3, refused.stderr);
  });

  it('warns of a drain time of a Namespace that its Pods cut short, as inject does', async () => {
    const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: default, annotations: {frp.io/drain: 45s}}\n';
    const text = `${service}---\n${namespace}---\n${pod}`;
    const { code, lines } = await check(text);
    assert.equal(code, 0);
    assert.match(lines[0]!, /^warning: input\.yaml: Pod\/own: .*frp\.io\/drain of namespace default: 45 s .*29 s are used/);
    assert.match((await output(inject, '-f', file(text, 'input.yaml'))).stderr, /frp\.io\/drain of namespace default: 45 s/);
  });

  it('says of a Pod whose service is in the same input and has errors that it waits for them', async () => {
    const { code, lines } = await check(`${pod}---\n${service.replace('http,', 'smtp,')}`);
    assert.equal(code, 1);
    assert.ok(
      lines.some((line) => line.includes('DistributedService "own" of the input has errors; this Pod can be checked once they are mended')),
    );
    assert.equal(lines.at(-1), '2 objects: 0 good, 1 with errors, 1 not for frp-k8s to check');
  });

  it('names file, line and field of what it cannot take', async () => {
    assert.deepEqual(
      (await check(`${service}---\n- a\n- b\n`)).lines[0],
      'input.yaml:5: a document must be an object with apiVersion and kind, not a list',
    );
    const deployment = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: own}\nspec: {template: {metadata: {annotations: {frp.io/group: own}}, spec: {containers: [{name: app, ports: {}}]}}}\n`;
    const ofDeployment = async (ports: string) =>
      (await check(`${service}---\n${deployment.replace('ports: {}', `ports: ${ports}`)}`)).lines[0];
    const place = 'input.yaml: Deployment/own: spec.template.spec.containers[0].ports';
    assert.equal(await ofDeployment('{}'), `${place}: must be a list of objects`);
    for (const ports of [
      '[{containerPort: 80}, {containerPort: "80"}]',
      '[{containerPort: 80}, {name: http}]',
      '[{containerPort: 1}, {containerPort: }]',
    ])
      assert.equal(await ofDeployment(ports), `${place}[1].containerPort: must be an integer`);
  });
});

describe('whatever a manifest is', () => {
  const odd = fc.oneof(fc.constantFrom(null, 0, '', 'x', true, [], {}, [null], [1], { a: null }), fc.jsonValue({ maxDepth: 2 }));
  const field = (value: fc.Arbitrary<unknown>) => fc.oneof({ weight: 3, arbitrary: value }, { weight: 1, arbitrary: odd });
  const record = (shape: Record<string, fc.Arbitrary<unknown>>) => field(fc.record(shape, { requiredKeys: [], noNullPrototype: true }));
  const container = record({
    name: field(fc.constant('app')),
    ports: field(fc.array(record({ containerPort: field(fc.constant(80)), name: odd, protocol: odd }))),
    env: odd,
    volumeMounts: odd,
    resources: record({ limits: odd, requests: odd }),
    securityContext: odd,
    restartPolicy: odd,
    lifecycle: odd,
  });
  const metadata = record({
    name: odd,
    namespace: odd,
    labels: odd,
    annotations: field(fc.constant({ 'frp.io/group': 'web', 'frp.io/port': '80' })),
  });
  const pod = record({
    metadata,
    spec: record({
      containers: field(fc.array(container)),
      initContainers: field(fc.array(container)),
      volumes: odd,
      affinity: odd,
      nodeSelector: odd,
      resources: odd,
      readinessGates: odd,
      imagePullSecrets: odd,
      terminationGracePeriodSeconds: odd,
      dnsPolicy: odd,
      hostNetwork: odd,
      os: odd,
      securityContext: odd,
    }),
  });
  const object = fc.oneof(
    fc
      .tuple(fc.constantFrom('Deployment', 'Job', 'StatefulSet'), pod)
      .map(([kind, template]) => ({ apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1', kind, spec: { template } })),
    pod.map((value) => ({ ...(value as object), apiVersion: 'v1', kind: 'Pod' })),
    record({ metadata, spec: odd }).map((value) => ({ ...(value as object), apiVersion: 'frp.io/v1beta1', kind: 'DistributedService' })),
    record({ metadata }).map((value) => ({ ...(value as object), apiVersion: 'v1', kind: 'Namespace' })),
    odd,
  );

  it('inject, uninject and validate answer with output or with a message, never with a fault of their own', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(object, { minLength: 1, maxLength: 3 }), async (objects) => {
        const input = file(objects.map((each) => JSON.stringify(each)).join('\n---\n'), 'odd.yaml');
        for (const [command, ...args] of [[inject, '--services', services, '-n', 'corpus'], [uninject], [validate]] as const) {
          // A message is a result as well; what is not a UserError is thrown.
          await output(command, '-f', input, ...args);
        }
      }),
      { numRuns: 40 },
    );
  });
});
