import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { configFromText } from '../../../src/config/load.ts';
import { defaultConfig } from '../../../src/config/schema.ts';
import { accessLine } from '../../../src/gateway/telemetry/access-log.ts';
import { parseToldRequest } from '../../../src/gateway/telemetry/request-line.ts';
import { ServedNames } from '../../../src/gateway/telemetry/served-names.ts';
import { spanOf, type Span } from '../../../src/gateway/telemetry/span.ts';
import { mostWaiting, SpanExporter, SpanMetrics } from '../../../src/gateway/telemetry/span-exporter.ts';
import { until } from '../../support/until.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const now = 1_700_000_000_123;

function spanFor({ flags = '01', status = '200', method = 'GET', parent = '' } = {}): Span | undefined {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const line = [
    ...[
      'request-http',
      '203.0.113.77',
      '1',
      '1',
      '--',
      '0',
      'svc-0123456789abcdef',
      'here',
      '0123456789abcdef',
      '',
      status,
      '1',
      '1',
      '1',
      '250',
    ],
    ...[
      base64(method),
      base64('a.example.com'),
      base64('/a'),
      '',
      base64('req-1'),
      '',
      '',
      `00-${traceId}-${spanId}-${flags}`,
      parent,
      'https',
    ],
  ].join('|');
  const request = parseToldRequest(line)!;
  return spanOf(
    request,
    accessLine(request, { settings: defaultConfig.gateway.accessLog, names: new ServedNames(), replica: 'gw-0' }),
    now,
  );
}

describe('a span of a request', () => {
  it('is of the trace, from the beginning to the end of the request, below the span that it came from', () => {
    const span = spanFor({ parent: 'b7ad6b7169203331' })!;
    assert.deepEqual([span.traceId, span.spanId, span.parentSpanId, span.kind, span.name], [traceId, spanId, 'b7ad6b7169203331', 2, 'GET']);
    assert.equal(span.endTimeUnixNano, '1700000000123000000');
    assert.equal(span.startTimeUnixNano, '1699999999873000000');
    const values = Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
    assert.equal(values['http.response.status_code'], '200');
    assert.deepEqual([values['server.address'], values['url.scheme'], values['url.path']], ['a.example.com', 'https', '/a']);
    assert.equal(values['client.address'], '203.0.113.0/24');
  });

  it('is none where the trace is not sampled', () => {
    assert.equal(spanFor({ flags: '00' }), undefined);
    assert.equal(spanFor({ flags: '02' }), undefined);
    assert.ok(spanFor({ flags: '03' }));
  });

  it('says that the gateway or the backend failed, and takes no word of a user for a name', () => {
    const failed = spanFor({ status: '503', method: 'BREW', parent: '' })!;
    assert.deepEqual([failed.status, failed.name, failed.parentSpanId], [{ code: 2, message: 'NoBackend' }, 'HTTP', undefined]);
    assert.deepEqual(spanFor({ status: '404' })!.status, {});
  });
});

/** A collector, and what it was sent. */
async function collector(t: TestContext, answer: (response: ServerResponse, count: number) => void) {
  const batches: { path: string; type: string | undefined; spans: Span[]; resource: string[] }[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const body = JSON.parse(text) as {
        resourceSpans: { resource: { attributes: { key: string }[] }; scopeSpans: { spans: Span[] }[] }[];
      };
      const [{ resource, scopeSpans } = assert.fail()] = body.resourceSpans;
      batches.push({
        path: request.url!,
        type: request.headers['content-type'],
        spans: scopeSpans[0]!.spans,
        resource: resource.attributes.map(({ key }) => key),
      });
      answer(response, batches.length);
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { batches, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function exporterTo(endpoint: string) {
  const registry = new Registry();
  const told: string[] = [];
  const log = { warn: (_: unknown, text: string) => void told.push(text), info: (_: unknown, text: string) => void told.push(text) };
  const pauses = { gather: 1, again: [1, 1], end: 200 };
  const exporter = new SpanExporter({ endpoint, replica: 'gw-0', metrics: new SpanMetrics(registry), log: log as never, pauses });
  const count = async (outcome: string) =>
    Number(new RegExp(`frp_gateway_spans_total\\{outcome="${outcome}"\\} (\\d+)`).exec(await registry.metrics())![1]);
  return { exporter, told, count };
}

describe('spans', () => {
  it('go to the collector as OTLP in JSON, together', async (t) => {
    const { batches, endpoint } = await collector(t, (response) => response.end('{}'));
    const { exporter, count, told } = exporterTo(endpoint);
    for (let index = 0; index < 300; index++) exporter.add(spanFor()!);
    await until(async () => (await count('sent')) === 300);
    await exporter.close();
    assert.equal(batches.flatMap(({ spans }) => spans).length, 300);
    assert.ok(batches.length <= 3);
    const [{ path, type, resource } = assert.fail()] = batches;
    assert.deepEqual(
      [path, type, resource],
      ['/v1/traces', 'application/json', ['service.name', 'service.version', 'service.instance.id']],
    );
    assert.deepEqual([await count('sent'), await count('dropped'), told], [300, 0, []]);
  });

  it('are sent again to a collector that is busy, and no more to one that refuses them', async (t) => {
    const { batches, endpoint } = await collector(t, (response, number) => {
      response.writeHead(number === 1 ? 503 : number === 2 ? 200 : 400);
      response.end(number === 2 ? '{"partialSuccess":{"rejectedSpans":"1"}}' : '');
    });
    const { exporter, count, told } = exporterTo(`${endpoint}/custom/path`);
    exporter.add(spanFor()!);
    exporter.add(spanFor()!);
    await until(async () => (await count('sent')) === 1);
    exporter.add(spanFor()!);
    await until(async () => (await count('dropped')) === 2);
    await exporter.close();
    assert.equal(batches.length, 3);
    assert.equal(batches[0]!.path, '/custom/path');
    assert.match(told.join('\n'), /does not take them: HTTP status 400/);
  });

  it('are kept for as long as a busy collector asks for', async (t) => {
    const times: number[] = [];
    const { endpoint } = await collector(t, (response, number) => {
      times.push(performance.now());
      if (number === 1) response.writeHead(429, { 'retry-after': '1' });
      response.end(number === 1 ? '' : '{}');
    });
    const { exporter, count } = exporterTo(endpoint);
    exporter.add(spanFor()!);
    await until(async () => (await count('sent')) === 1);
    await exporter.close();
    assert.ok(times[1]! - times[0]! >= 990, `${times[1]! - times[0]!} ms`);
  });

  it('are dropped and counted where nobody takes them, and memory stays bounded', async () => {
    const { exporter, count, told } = exporterTo('http://127.0.0.1:9');
    for (let index = 0; index < mostWaiting + 500; index++) exporter.add(spanFor()!);
    assert.ok((await count('dropped')) >= 200);
    await exporter.close();
    assert.equal(await count('dropped'), mostWaiting + 500);
    assert.equal(told.length, 1, told.join('\n'));
  });
});

describe('an agent that stops', () => {
  it('waits for no collector that does not answer', async (t) => {
    const { batches, endpoint } = await collector(t, () => {});
    const { exporter, count } = exporterTo(endpoint);
    for (let index = 0; index < 1000; index++) exporter.add(spanFor()!);
    await until(() => batches.length > 0);
    await exporter.close();
    assert.equal(await count('dropped'), 1000);
  });
});

describe('gateway.tracing', () => {
  it('takes a collector’s URL and a ratio, and no password', () => {
    const read = (text: string) => configFromText(`gateway: { tracing: ${text} }`, 'test').gateway.tracing;
    assert.deepEqual(read('{ endpoint: "http://otel:4318" }'), { endpoint: 'http://otel:4318', ratio: 0.01 });
    for (const wrong of ['{}', '{ endpoint: otel:4318 }', '{ endpoint: "http://u:p@otel" }', '{ endpoint: "http://otel", ratio: 2 }'])
      assert.throws(() => read(wrong), wrong);
    assert.equal(defaultConfig.gateway.tracing, undefined);
  });
});
