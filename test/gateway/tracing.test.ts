/** Traces at a real HAProxy: what the backend gets, and what the collector does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { defaultConfig } from '../../src/config/schema.ts';
import type { Span } from '../../src/gateway/telemetry/span.ts';
import { openTraffic } from '../../src/gateway/telemetry/traffic.ts';
import { logTo } from '../../src/log.ts';
import { app, gateway, member, service, until, view, type App } from './haproxy-harness.ts';

const host = 'web.example.com';
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

async function traced(t: TestContext, ratio: number, hasLog = false) {
  const spans: Span[] = [];
  const collector = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const { resourceSpans } = JSON.parse(text) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)));
      response.end('{}');
    })();
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  t.after(() => {
    collector.close();
    collector.closeAllConnections();
  });
  const backend = await app(t, 'app');
  const wanted = view(service('web', { expose: { type: 'domain', domain: host } }, [member('shop/web', '1', backend.port)]));
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const { gateway: own } = defaultConfig;
  const config = { ...defaultConfig, gateway: { ...own, tracing: { endpoint, ratio }, accessLog: { ...own.accessLog, enabled: hasLog } } };
  const lines: string[] = [];
  const traffic = await openTraffic({
    config,
    registry: new Registry(),
    stats: () => Promise.reject(new Error('not asked here')),
    logPort: 0,
    replica: 'gw-0',
    write: (line) => lines.push(line) > 0,
    log: logTo({ write: () => {} }),
  });
  t.after(() => traffic.close());
  traffic.setView(wanted);
  return { gw: await gateway(t, wanted, traffic.settings), backend, spans, lines };
}

const traceOf = ({ requests }: App, url: string) =>
  String(requests.find((each) => each.url === url)!.headers.traceparent).split('-') as [string, string, string, string];
const spanAt = (spans: readonly Span[], path: string) =>
  spans.find(({ attributes }) => attributes.some(({ value }) => 'stringValue' in value && value.stringValue === path));

test('a request without a trace begins one: the backend is below the span that the collector gets', async (t) => {
  const { gw, backend, spans } = await traced(t, 1);
  await gw.http(host, '/new', { headers: { tracestate: 'stray=1' } });
  await until(() => spanAt(spans, '/new') !== undefined);
  const span = spanAt(spans, '/new')!;
  const [version, trace, parent, flags] = traceOf(backend, '/new');
  assert.deepEqual([version, trace, parent, flags], ['00', span.traceId, span.spanId, '01']);
  assert.match(trace, /^[0-9a-f]{32}$/);
  assert.equal(span.parentSpanId, undefined);
  assert.equal(span.name, 'GET shop/web');
  assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano));
  assert.equal(backend.requests.find(({ url }) => url === '/new')!.headers.tracestate, undefined);
});

test('a trace that a request brings goes on, with the gateway between, and its own word on sampling', async (t) => {
  const { gw, backend, spans } = await traced(t, 0);
  const bring = (path: string, flags: string) =>
    gw.http(host, path, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}`, tracestate: 'a=1' } });
  await bring('/unsampled', '00');
  await bring('/sampled', '01');
  await gw.http(host, '/none');
  await until(() => spanAt(spans, '/sampled') !== undefined);
  const span = spanAt(spans, '/sampled')!;
  assert.deepEqual([span.traceId, span.parentSpanId], [traceId, '00f067aa0ba902b7']);
  assert.deepEqual(traceOf(backend, '/sampled'), ['00', traceId, span.spanId, '01']);
  const [, trace, parent, flags] = traceOf(backend, '/unsampled');
  assert.deepEqual([trace, flags], [traceId, '00']);
  assert.notEqual(parent, '00f067aa0ba902b7');
  assert.equal(traceOf(backend, '/none')[3], '00');
  assert.equal(backend.requests.find(({ url }) => url === '/sampled')!.headers.tracestate, 'a=1');
  await bring('/last', '01');
  await until(() => spanAt(spans, '/last') !== undefined);
  assert.equal(spans.length, 2);
});

test('what is no traceparent begins a new trace', async (t) => {
  const { gw, backend } = await traced(t, 0);
  const wrong = [
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `ff-${traceId}-00f067aa0ba902b7-01`,
    `00-${traceId.toUpperCase()}-00f067aa0ba902b7-01`,
    'x'.repeat(5000),
  ];
  for (const [index, traceparent] of wrong.entries()) {
    await gw.http(host, `/${index}`, { headers: { traceparent } });
    const [version, trace, , flags] = traceOf(backend, `/${index}`);
    assert.deepEqual([version, flags, trace === traceId], ['00', '00', false], traceparent.slice(0, 60));
  }
});

test('beside an access log every request has its line, and the line its trace', async (t) => {
  const { gw, backend, lines, spans } = await traced(t, 0, true);
  await gw.http(host, '/logged');
  await until(() => lines.some((line) => line.includes('/logged')));
  const line = JSON.parse(lines.find((each) => each.includes('/logged'))!) as { traceparent: string };
  assert.equal(line.traceparent, traceOf(backend, '/logged').join('-'));
  assert.deepEqual(spans, []);
});
