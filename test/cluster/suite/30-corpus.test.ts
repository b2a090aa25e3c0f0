/**
 * The corpus on a real API server: the same cases, verdicts and texts as offline. Bad objects are applied; good ones go
 * in as dry runs, so that they do not stand in each other's way.
 */
import { before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { rawManifests } from '../../corpus/manifests.ts';
import { podCases, podServices } from '../../corpus/pods.ts';
import { corpusNamespaces, serviceCases, standingServices } from '../../corpus/services.ts';
import { installed } from '../support/cluster.ts';
import { apply, kubectl, type Manifest } from '../support/kubectl.ts';
import { eventually, run, type Outcome } from '../support/run.ts';

const send = (object: unknown, ...options: string[]): Promise<Outcome> =>
  run('kubectl', ['apply', ...options, '-f', '-'], { input: JSON.stringify(object) });
const program = path.join(import.meta.dirname, '../../../src/main.ts');
const dryRun = ['--dry-run=server', '-o', 'json'];
/** For objects that name no namespace. */
const create = ['create', '-n', 'corpus', ...dryRun, '-f', '-'];

interface Expected {
  refused?: string[];
  warned?: string[];
}

function assertVerdict({ code, stdout, stderr }: Outcome, { refused, warned = [] }: Expected): void {
  if (refused) assert.notEqual(code, 0, `it was admitted: ${stdout}`);
  else assert.equal(code, 0, stderr);
  for (const text of [...(refused ?? []), ...warned]) assert.ok(stderr.includes(text), `"${stderr}" lacks "${text}"`);
}

before(async () => {
  await installed();
  await kubectl('delete', 'namespace', ...corpusNamespaces, '--ignore-not-found');
  await apply(
    ...corpusNamespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'frp-k8s-test': 'true' } } })),
  );
  await apply(...(podServices as unknown as Manifest[]));
  const ready = podCases.find(({ sidecars }) => sidecars?.length)!.pod;
  await eventually('the services to be known to every replica of the webhook', async () => {
    for (const { code, stderr } of await Promise.all(Array.from({ length: 6 }, () => send(ready, ...dryRun))))
      assert.equal(code, 0, stderr);
  });
});

suite('the corpus of Pods', { concurrency: 4 }, () => {
  for (const { name, pod, sidecars = [], ...expected } of podCases) {
    test(`${name}: ${expected.refused ? 'refused' : 'admitted'}`, async () => {
      const outcome = await send(pod, ...(expected.refused ? [] : dryRun));
      assertVerdict(outcome, expected);
      if (expected.refused) return;
      const { initContainers = [] } = (JSON.parse(outcome.stdout) as { spec: { initContainers?: { name: string }[] } }).spec;
      assert.deepEqual(
        initContainers.map((container) => container.name).filter((each) => /^frpc(-[0-9]+)?$/.test(each)),
        sidecars,
      );
    });
  }
});

suite('raw manifests', { concurrency: 4 }, () => {
  for (const { name, file, text, injected, isPartial } of rawManifests) {
    if (isPartial) continue;
    test(`${name}: what inject makes of it is accepted, and the webhook has nothing to add`, async () => {
      const services = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: podServices });
      const { code, stdout, stderr } = await run(process.execPath, [program, 'inject', '-f', file, '--services', '-', '-n', 'corpus'], {
        input: services,
      });
      assert.equal(code, 0, stderr);
      const plain = await run('kubectl', create, { input: text });
      assert.equal(plain.code, 0, plain.stderr);
      const outcome = await run('kubectl', create, { input: stdout });
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.equal(outcome.stdout.match(/"name": "frpc",/g)?.length, injected);
    });
  }
});

// After the Pods, whose denials list the services of the namespace.
suite('the corpus of DistributedServices', { concurrency: 4 }, () => {
  before(async () => {
    await apply(...(standingServices as unknown as Manifest[]));
    // Each replica of the webhook knows them by its own watch.
    const conflicts = serviceCases.filter(({ refused, stored }) => !stored && refused?.some((text) => text.includes('standing-')));
    assert.ok(conflicts.length > 0);
    await eventually('the standing services to be known to every replica of the webhook', async () => {
      for (const { object, refused } of conflicts)
        for (const outcome of await Promise.all(Array.from({ length: 4 }, () => send(object, ...dryRun))))
          assertVerdict(outcome, { refused: refused! });
    });
  });

  for (const { name, object, stored, ...expected } of serviceCases) {
    test(`${name}: ${expected.refused ? 'refused' : 'admitted'}`, async () => {
      if (stored !== undefined) await apply(stored as Manifest);
      assertVerdict(await send(object, ...(expected.refused ? [] : dryRun)), expected);
    });
  }
});
