/**
 * Kinds of others with a Pod template, by their real CRDs: what `frp-k8s inject` makes of them is what their API takes,
 * and where it makes nothing it says why. The CRDs are in Go modules, which test/cluster/run downloads.
 */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installed, root, testNamespace } from '../support/cluster.ts';
import { apply, get, items, kubectl, type Json } from '../support/kubectl.ts';
import { httpService } from '../support/objects.ts';
import { eventually, must, run } from '../support/run.ts';

const ns = 'other-kinds';
const crds: [module: string, file: string, plural: string][] = [
  ['argo-rollouts', 'manifests/crds/rollout-crd.yaml', 'rollouts.argoproj.io'],
  ['jobset', 'config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml', 'jobsets.jobset.x-k8s.io'],
  ['serving', 'config/core/300-resources/service.yaml', 'services.serving.knative.dev'],
];
const names = crds.map(([, , name]) => name);
const metadata = { labels: { app: 'other' }, annotations: { 'frp.io/group': 'other' } };
const containers = [{ name: 'app', image: 'lab/echo:1', ports: [{ containerPort: 8080 }] }];
const template = { metadata, spec: { containers } };
const object = (apiVersion: string, kind: string, spec: object): object => ({
  apiVersion,
  kind,
  metadata: { name: 'other', namespace: ns },
  spec,
});

const rollout = object('argoproj.io/v1alpha1', 'Rollout', {
  replicas: 2,
  selector: { matchLabels: { app: 'other' } },
  strategy: { canary: { steps: [{ setWeight: 20 }] } },
  template,
});
const jobSet = object('jobset.x-k8s.io/v1alpha2', 'JobSet', {
  replicatedJobs: [
    { name: 'workers', replicas: 2, template: { spec: { template: { metadata, spec: { containers, restartPolicy: 'Never' } } } } },
  ],
});
const knative = object('serving.knative.dev/v1', 'Service', { template });

const config = join(root, 'artifacts/other-kinds.yaml');
const create = (text: string) => run('kubectl', ['create', '--dry-run=server', '-o', 'json', '-f', '-'], { input: text });

/** As `frp-k8s inject` does it where the kind is listed. */
async function injected(input: object): Promise<{ stdout: string; stderr: string }> {
  const service = JSON.stringify(httpService(ns, 'other', 'other.example.com'));
  const { code, stdout, stderr } = await run(
    process.execPath,
    [join(root, 'src/main.ts'), 'inject', '-f', '-', '-o', 'json', '--config', config],
    {
      input: `${JSON.stringify(input)}\n${service}`,
    },
  );
  assert.equal(code, 0, stderr);
  return { stdout: JSON.stringify((JSON.parse(stdout) as { items: unknown[] }).items[0]), stderr };
}

suite('kinds of others', () => {
  before(async () => {
    await installed();
    await testNamespace(ns, { 'pod-security.kubernetes.io/enforce': 'privileged' });
    const modules = (process.env.FRPK8S_KINDS ?? '').split('\n');
    for (const [module, file, name] of crds) {
      const directory = modules.find((each) => each.includes(`/${module}@`));
      assert.ok(directory, `FRPK8S_KINDS must name the directory of the Go module ${module}`);
      await must('kubectl', ['apply', '--server-side', '-f', '-'], { input: readFileSync(join(directory, file), 'utf8') });
      await eventually(`the kind ${name}`, () => kubectl('get', name, '-A'));
    }
    writeFileSync(
      config,
      JSON.stringify({ workloadKinds: ['Rollout.argoproj.io', 'JobSet.jobset.x-k8s.io', 'Service.serving.knative.dev'] }),
    );
  });
  after(() => kubectl('delete', 'crd', ...names, '--ignore-not-found', '--timeout=60s'));

  test('a Rollout with a sidecar in its template is taken as it is, and loses no field', async () => {
    const { stdout, stderr } = await injected(rollout);
    assert.match(stderr, /injected: .*Rollout\/other: frpc for other/);
    const answer = await create(stdout);
    assert.equal(answer.code, 0, answer.stderr);
    const stored = JSON.parse(answer.stdout).spec.template;
    const sent = JSON.parse(stdout).spec.template;
    assert.deepEqual(stored.spec.initContainers, sent.spec.initContainers);
    assert.deepEqual(stored.spec.volumes, sent.spec.volumes);
    assert.deepEqual(stored.metadata, sent.metadata);
  });

  test('a JobSet has its templates deeper: it comes out as it was, and the reason is said', async () => {
    const { stdout, stderr } = await injected(jobSet);
    assert.deepEqual(JSON.parse(stdout), jobSet);
    assert.match(
      stderr,
      /passed over: .*JobSet\/other: annotation frp\.io\/group at spec\.replicatedJobs\[0\]\.template\.spec\.template: only/,
    );
    const answer = await create(stdout);
    assert.equal(answer.code, 0, answer.stderr);
  });

  test('a Service of Knative comes out as it was with the reason, because its API refuses a sidecar in the template', async () => {
    const { stdout, stderr } = await injected(knative);
    assert.deepEqual(JSON.parse(stdout), knative);
    assert.match(stderr, /passed over: .*Service\/other: .*the API of Service\.serving\.knative\.dev refuses a template with a sidecar/);
    const answer = await create(stdout);
    assert.equal(answer.code, 0, answer.stderr);
    const volumes = [{ name: 'frpc-config', downwardAPI: { items: [] } }];
    const withSidecar = object('serving.knative.dev/v1', 'Service', { template: { metadata, spec: { containers, volumes } } });
    const refused = await create(JSON.stringify(withSidecar));
    assert.match(refused.stderr, /unknown field "spec\.template\.spec\.volumes\[0\]\.downwardAPI"/);
  });

  test('Pods that their controllers make of the template are injected by the webhook', async () => {
    await apply(httpService(ns, 'other', 'other.example.com'));
    await must('kubectl', ['create', '-f', '-'], { input: JSON.stringify(rollout) });
    const { uid } = (await get(ns, 'rollouts.argoproj.io', 'other')).metadata as { uid: string };
    // As Argo's controller does it: a ReplicaSet with the Rollout's template.
    const owner = { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', name: 'other', uid, controller: true };
    const spec = { replicas: 1, selector: { matchLabels: { app: 'other' } }, template };
    const replicaSet = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'other', namespace: ns, ownerReferences: [owner] },
      spec,
    };
    await must('kubectl', ['create', '-f', '-'], { input: JSON.stringify(replicaSet) });
    await eventually('a Pod with its sidecar', async () => {
      const [pod] = await items(ns, 'pod');
      assert.deepEqual(
        (pod?.spec.initContainers as Json[]).map(({ name }) => String(name)),
        ['frpc'],
      );
    });
  });
});
