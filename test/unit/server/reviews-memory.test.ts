/**
 * What thousands of Pods of every kind leave behind in the program that reviews them, over HTTPS as from the API server.
 * FRPK8S_LONG=1: 10,000 of them, as docs/operations/capacity.md tells.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { annotatedPod } from '../../support/arbitraries.ts';
import { service } from '../../support/services.ts';
import { keepAlive, podReview, send } from './harness.ts';
import { Programs } from './programs.ts';

const count = process.env.FRPK8S_LONG ? 10_000 : 300;
const mebibyte = 1024 * 1024;
/** that a Pod carries in an annotation of its user's: at the most */
const longestText = 200_000;
/** of the API server's connections */
const connections = 4;

interface Container {
  name: string;
  resources: { limits: { memory: string } };
}

/** Bytes that the container of the manifests may have. */
function memoryLimit(): number {
  const documents = parseAllDocuments(readFileSync(new URL('../../../manifests/install/webhook.yaml', import.meta.url), 'utf8'));
  const objects = documents.map((each) => each.toJS() as { spec?: { template?: { spec: { containers: Container[] } } } });
  const container = objects.flatMap(({ spec }) => spec?.template?.spec.containers ?? []).find(({ name }) => name === 'webhook');
  return Number(/^([0-9]+)Mi$/.exec(container!.resources.limits.memory)![1]) * mebibyte;
}

/** Bytes, at the most since it started. */
async function mostResident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)![1]) * 1024;
}

/** Each with names and texts that no other has, some of them long; some ask for nothing, or for what there is not. */
function* pods() {
  for (let index = 0; index < count; index++) {
    const [pod] = fc.sample(annotatedPod, { numRuns: 1, seed: index });
    const { 'frp.io/group': group, ...others } = pod!.metadata.annotations as Record<string, string>;
    const annotations = {
      ...others,
      ...(index % 7 !== 0 && { 'frp.io/group': index % 11 === 0 ? `web,group-${index}` : group }),
      'example.com/text': `${index} ${'x'.repeat(index % 10 === 0 ? (index * 7919) % longestText : index % 400)}`,
      'frp.io/sidecar-image': `example.com/${'x'.repeat(1 + (index % 200))}/frpc:v${index}`,
    };
    yield { ...pod, metadata: { ...pod!.metadata, annotations } };
  }
}

const programs = await Programs.create(['web', 'admin', 'mail'].map((name) => JSON.stringify(service(name))).join('\n---\n'));
after(() => programs.close());

describe('the memory of the webhooks', () => {
  it('stays within the limit of the manifests over thousands of Pods of which no two are alike', async (t) => {
    const limit = memoryLimit();
    // As Node does where a container has this limit.
    const { child, served } = await programs.serve('', [`--max-old-space-size=${limit / 2 / mebibyte}`]);
    const rest = pods();
    const outcomes: Record<string, number> = {};
    const first = await mostResident(child.pid!);
    const reviewer = async () => {
      const agent = keepAlive(served);
      for (const object of rest) {
        const { status, json } = await send(served, podReview({ namespace: 'shop', object }), { agent });
        assert.equal(status, 200);
        const { response } = json as { response: { allowed: boolean; patchType?: string } };
        const outcome = response.patchType ? 'patched' : response.allowed ? 'allowed' : 'denied';
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      }
      agent.destroy();
    };
    await Promise.all(Array.from({ length: connections }, reviewer));
    const most = await mostResident(child.pid!);
    const mb = (bytes: number) => Math.round(bytes / mebibyte);
    t.diagnostic(`${count} reviews: ${JSON.stringify(outcomes)}; ${mb(first)} MiB before, at most ${mb(most)} MiB of ${mb(limit)}`);
    assert.ok(outcomes.patched! > count / 2 && outcomes.allowed! > 0 && outcomes.denied! > 0, JSON.stringify(outcomes));
    assert.ok(most < limit, `${mb(most)} MiB`);
  });
});
