/** Bodies of AdmissionReviews through every webhook, from the bytes to the answer. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { pino } from 'pino';
import { objectsOf, parseManifests } from '../../../src/manifests/read.ts';
import { WebhookMetrics } from '../../../src/webhook/server/metrics.ts';
import { answerReview } from '../../../src/webhook/server/reviewer.ts';
import { webhooksOf } from '../../../src/webhook/webhooks.ts';
import type { Webhook } from '../../../webhooks/review/types.ts';
import { contextWith, installedConfig } from '../../corpus/context.ts';
import { rawManifests } from '../../corpus/manifests.ts';
import { podCases, podServices } from '../../corpus/pods.ts';
import { serviceCases, standingServices } from '../../corpus/services.ts';
import { annotatedPod } from '../../support/arbitraries.ts';
import { anyService } from '../../unit/model/arbitrary.ts';
import { wayOf, type Target } from '../target.ts';

const { store } = contextWith([...podServices, ...standingServices]);
const webhooks = webhooksOf(store, installedConfig);
const reporting = { log: pino({ level: 'silent' }), metrics: new WebhookMetrics() };
/** What the webhooks read and what they write of a body is bounded by it: an answer is never much larger than its question. */
const answerLimit = (bytes: number) => 64 * 1024 + 8 * bytes;

interface Review {
  request: { uid: string; object?: unknown };
}
interface Answered {
  kind: string;
  message?: string;
  response?: { uid: string; allowed: boolean; patch?: string; patchType?: string; status?: { details: { causes: { reason: string }[] } } };
}

/** @returns which way it went */
function checked(webhook: Webhook, input: Buffer, { status, body }: { status: number; body: string }): string {
  assert.ok(status === 200 || status === 400, `${webhook.path} answers ${status}: ${body.slice(0, 500)}`);
  assert.ok(body.length <= answerLimit(input.length), `${webhook.path} answers ${input.length} bytes with ${body.length}`);
  const answer = JSON.parse(body) as Answered;
  if (status === 400) return `400 ${wayOf(answer.message ?? '').slice(0, 30)}`;
  const { request } = JSON.parse(input.toString('utf8')) as Review;
  const { response } = answer;
  assert.equal(answer.kind, 'AdmissionReview');
  assert.equal(response?.uid, request.uid);
  if (response.patch === undefined) return `${response.allowed} ${response.status?.details.causes[0]?.reason ?? ''}`;
  assert.deepEqual([response.allowed, response.patchType], [true, 'JSONPatch']);
  const patch = JSON.parse(Buffer.from(response.patch, 'base64').toString()) as Operation[];
  // As the API server does: a patch that does not apply is a failed call.
  jsonpatch.applyPatch(structuredClone(request.object), patch, true);
  return `patch ${patch.map(({ op, path }) => `${op} ${path.replace(/[^/]*\d[^/]*/g, '0')}`).join()}`.slice(0, 300);
}

const review = (object: unknown, more: object = {}): Buffer =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'a1', operation: 'CREATE', namespace: 'corpus', object, ...more },
    }),
  );

function* corpus(): Iterable<Buffer> {
  for (const { pod } of podCases) yield review(pod);
  for (const { object, stored } of serviceCases)
    yield review(object, stored === undefined ? {} : { operation: 'UPDATE', oldObject: stored });
  for (const { name, text } of rawManifests) for (const { value } of parseManifests(name, text).flatMap(objectsOf)) yield review(value);
  for (const pod of fc.sample(annotatedPod, { numRuns: 50, seed: 1 })) yield review(pod);
  for (const service of fc.sample(anyService, { numRuns: 100, seed: 1 })) yield review(service);
}

export const target: Target = {
  corpus,
  isJson: true,
  words: [
    'uid',
    'operation',
    'UPDATE',
    'DELETE',
    'oldObject',
    'dryRun',
    'metadata',
    'annotations',
    'frp.io/group',
    'frp.io/port',
    'frp.io/inject',
    'frp.io/drain',
    'frp.io/sidecar',
    'web',
    'web,admin',
    'containers',
    'initContainers',
    'volumes',
    'template',
    'spec',
    'expose',
    'routes',
    'backends',
    '{{ .Envs.FRP_GROUP_KEY }}',
    'constructor',
    '__proto__',
  ],
  run: async (input) => {
    const ways: string[] = [];
    for (const webhook of webhooks) ways.push(checked(webhook, input, await answerReview(webhook, input, { timeoutMs: 1 }, reporting)));
    return ways.join('\n');
  },
};
