import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { AdmissionRequest, Decision, ReviewContext } from '../../../webhooks/review/types.ts';
import { allow, keepAlive, latch, podReview, send, serving, type ServiceConfig } from './harness.ts';
import { decisionFields } from '../../../src/model/logs/fields.ts';

let decide: (request: AdmissionRequest, context: ReviewContext) => Decision | Promise<Decision> = () => allow;
let served: ServiceConfig;
before(async () => {
  served = await serving([
    { path: '/mutate/pods', webhook: 'pods', decide: (request, context) => decide(request, context) },
    { path: '/validate/workloads', webhook: 'workloads', decide: () => ({ ...allow, warnings: ['from workloads'] }) },
  ]);
});
after(() => served.close(0));

describe('a review', () => {
  it('is answered with its own uid, version and kind', async () => {
    decide = () => allow;
    const { status, json } = await send(served, podReview({ uid: 'a "quoted" uid' }));
    assert.equal(status, 200);
    assert.deepEqual(json, {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'a "quoted" uid', allowed: true },
    });
  });

  it('reaches the rules of its path', async () => {
    const { json } = await send(served, podReview(), { path: '/validate/workloads' });
    assert.deepEqual(json.response.warnings, ['from workloads']);
  });

  it('reaches the rules with unknown fields', async () => {
    let seen: unknown;
    decide = ({ object }) => ((seen = object), allow);
    const object = { metadata: {}, spec: { fieldOfTheFuture: { list: [1, null] } }, __proto__: undefined };
    await send(served, podReview({ object }));
    assert.deepEqual(seen, { metadata: {}, spec: { fieldOfTheFuture: { list: [1, null] } } });
  });

  it('gets a patch with its type, from operations or rendered before', async () => {
    const patch = [{ op: 'add' as const, path: '/metadata/labels', value: { a: 'ü' } }];
    const base64 = Buffer.from(JSON.stringify(patch)).toString('base64');
    for (const rendered of [{ patch }, { patch, patchBase64: base64 }]) {
      decide = () => ({ ...allow, outcome: 'patched', ...rendered });
      const { json } = await send(served, podReview());
      assert.deepEqual(json.response, { uid: 'uid-1', allowed: true, patchType: 'JSONPatch', patch: base64 });
    }
  });

  it('may be decided later', async () => {
    const wait = latch<Decision>();
    decide = () => wait.promise;
    const answer = send(served, podReview());
    wait.open({ ...allow, outcome: 'denied', reason: 'UnknownGroup', message: 'there is no group "web"' });
    const { json } = await answer;
    assert.equal(json.response.allowed, false);
    assert.deepEqual(json.response.status, {
      status: 'Failure',
      code: 403,
      reason: 'Forbidden',
      message: 'there is no group "web"',
      details: { causes: [{ reason: 'UnknownGroup' }] },
    });
  });

  for (const [query, timeoutMs] of [
    ['?timeout=3s', 3000],
    ['?timeout=1m0s', 30_000],
    ['?timeout=1.5s', 1500],
    ['?timeout=soon', 10_000],
    ['', 10_000],
  ] as const) {
    it(`tells the rules how long the API server waits: ${query || 'no query'}`, async () => {
      let seen = 0;
      decide = (_request, context) => ((seen = context.timeoutMs), allow);
      await send(served, podReview(), { path: `/mutate/pods${query}` });
      assert.equal(seen, timeoutMs);
    });
  }

  it('is logged in one line', async () => {
    decide = () => ({ ...allow, outcome: 'patched', reason: 'Injected', message: 'injected frpc', details: { groups: ['web'] } });
    await send(served, podReview({ uid: 'logged', dryRun: true }));
    const lines = served.lines().filter(({ uid }) => uid === 'logged');
    assert.equal(lines.length, 1);
    const { time, durationMs, ...line } = lines[0]!;
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(typeof durationMs, 'number');
    assert.deepEqual(line, {
      level: 'info',
      event: 'decision',
      webhook: 'pods',
      operation: 'CREATE',
      namespace: 'prod',
      name: 'web-',
      dryRun: true,
      uid: 'logged',
      decision: 'patched',
      reason: 'Injected',
      details: { groups: ['web'] },
      msg: 'injected frpc',
    });
    for (const name of Object.keys(lines[0]!)) assert.ok(name in decisionFields, `docs/reference/logs.md does not have ${name}`);
  });
});

describe('a rule that fails', () => {
  for (const [how, fail] of [
    [
      'throws',
      () => {
        throw new TypeError('no such thing');
      },
    ],
    ['rejects', () => Promise.reject(new TypeError('no such thing'))],
  ] as const) {
    it(`is an HTTP error when it ${how}, so that failurePolicy decides, and is logged with its stack`, async () => {
      decide = fail;
      const { status, json } = await send(served, podReview({ uid: `failed-${how}` }));
      assert.equal(status, 500);
      assert.equal(json.kind, 'Status');
      assert.equal(json.code, 500);
      assert.equal(
        json.message,
        `pods: internal error in review failed-${how}: no such thing; the log of the frp-k8s webhook has its stack`,
      );
      const [line] = served.lines().filter(({ uid }) => uid === `failed-${how}`);
      assert.equal(line!.level, 'error');
      assert.match((line!.err as { stack: string }).stack, /TypeError: no such thing\n {4}at /);
      decide = () => allow;
      assert.equal((await send(served, podReview())).status, 200);
    });
  }
});

describe('what is no review', () => {
  const refused: [name: string, body: string | Buffer | object | undefined, status: number, message: RegExp][] = [
    ['no body', undefined, 400, /^the body is empty; expected an AdmissionReview as JSON$/],
    ['half a body', '{"kind":"AdmissionReview",', 400, /^the body is not JSON: /],
    ['a list', [], 400, /^the body is a list; expected an AdmissionReview object$/],
    ['null', 'null', 400, /^the body is null; expected an AdmissionReview object$/],
    ['another kind', { ...podReview(), kind: 'Pod' }, 400, /^kind is "Pod"; expected "AdmissionReview"$/],
    [
      'an older version',
      { ...podReview(), apiVersion: 'admission.k8s.io/v1beta1' },
      400,
      /^apiVersion is "admission.k8s.io\/v1beta1"; only "admission.k8s.io\/v1" is served: set admissionReviewVersions: \["v1"\] in the webhook configuration$/,
    ],
    ['a response', { ...podReview(), request: undefined, response: {} }, 400, /^request is missing$/],
    ['a review without uid', podReview({ uid: undefined }), 400, /^request\.uid is missing; expected the review's identifier$/],
    ['a uid that is no text', podReview({ uid: 7 }), 400, /^request\.uid is number 7; /],
    [
      'an unknown operation',
      podReview({ operation: 'PATCH' }),
      400,
      /^request\.operation is "PATCH"; expected CREATE, UPDATE, DELETE or CONNECT$/,
    ],
    ['more than 7 MiB', Buffer.alloc(7 * 1024 * 1024 + 1, ' '), 413, /^the body is larger than 7340032 bytes \(7 MiB\)/],
  ];
  for (const [name, body, status, message] of refused) {
    it(`is refused with a text: ${name}`, async () => {
      decide = () => assert.fail('the rules must not be asked');
      const answer = await send(served, body);
      assert.equal(answer.status, status);
      assert.equal(answer.json.kind, 'Status');
      assert.equal(answer.json.code, status);
      assert.match(String(answer.json.message), message);
    });
  }

  it('is not what has 7 MiB', async () => {
    decide = () => allow;
    const review = JSON.stringify(podReview());
    assert.equal((await send(served, review + ' '.repeat(7 * 1024 * 1024 - review.length))).status, 200);
  });

  it('closes its connection, on which more of it may come', async () => {
    const agent = keepAlive(served);
    const { status, headers } = await send(served, Buffer.alloc(7 * 1024 * 1024 + 1, ' '), { agent });
    assert.deepEqual([status, headers.connection], [413, 'close']);
    agent.destroy();
  });

  it('is refused by its size when that is not told in advance', async () => {
    const { status, json } = await send(served, Buffer.alloc(7 * 1024 * 1024 + 1, ' '), { headers: { 'transfer-encoding': 'chunked' } });
    assert.equal(status, 413);
    assert.match(String(json.message), /^the body is larger than 7340032 bytes/);
  });

  it('is forgotten when it breaks off', async () => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port: served.port,
      ca: served.ca,
      method: 'POST',
      path: '/mutate/pods',
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': 1000 },
    });
    request.on('error', () => {});
    request.write('{"kind":');
    await once(request, 'socket');
    await once(request.socket!, 'secureConnect');
    request.destroy();
    decide = () => allow;
    assert.equal((await send(served, podReview())).status, 200);
  });

  for (const [type, text] of [
    ['application/yaml', '"application/yaml"'],
    ['text/plain', '"text/plain"'],
  ] as const) {
    it(`is refused by its content type: ${type}`, async () => {
      const answer = await send(served, podReview(), { headers: { 'content-type': type } });
      assert.equal(answer.status, 415);
      assert.equal(answer.json.message, `the content type is ${text}; expected "application/json"`);
    });
  }

  it('may name a charset', async () => {
    const answer = await send(served, podReview(), { headers: { 'content-type': 'application/json; charset=utf-8' } });
    assert.equal(answer.status, 200);
  });

  for (const [method, path] of [
    ['POST', '/mutate'],
    ['GET', '/mutate/pods'],
  ] as const) {
    it(`is told what is served: ${method} ${path}`, async () => {
      const answer = await send(served, undefined, { method, path });
      assert.equal(answer.status, 404);
      assert.equal(answer.json.message, `nothing is served at ${method} ${path}; served are POST /mutate/pods, POST /validate/workloads`);
    });
  }
});

describe('metrics', () => {
  it('count each decision by what and why, and its duration', async () => {
    const own = await serving(({ uid }) => {
      if (uid === 'wrong') throw new Error('wrong');
      return { ...allow, ...(uid === 'no' ? { outcome: 'denied', reason: 'UnknownGroup' } : { outcome: 'allowed', reason: 'UpToDate' }) };
    });
    for (const uid of ['yes', 'yes', 'no', 'wrong']) await send(own, podReview({ uid }));
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await own.metrics.registry.metrics();
      const counts = text.split('\n').filter((line) => line.startsWith('frp_webhook_requests_total{'));
      assert.deepEqual(counts.sort(), [
        'frp_webhook_requests_total{webhook="pods",operation="CREATE",decision="allowed",reason="UpToDate"} 2',
        'frp_webhook_requests_total{webhook="pods",operation="CREATE",decision="denied",reason="UnknownGroup"} 1',
        'frp_webhook_requests_total{webhook="pods",operation="CREATE",decision="failed",reason="InternalError"} 1',
      ]);
      assert.match(text, /^frp_webhook_request_duration_seconds_count\{webhook="pods"\} 4$/m);
    }
    await own.close(0);
  });
});
