/**
 * Traces at a real HAProxy and a real collector of OpenTelemetry: it takes the spans as OTLP, and what it has understood it sends
 * on to the test.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Registry } from '@prometheus-io/client';
import { defaultConfig } from '../../src/config/schema.ts';
import type { Span } from '../../src/gateway/telemetry/span.ts';
import { openTraffic } from '../../src/gateway/telemetry/traffic.ts';
import { logTo } from '../../src/log.ts';
import { app, directory, freePort, gateway, member, service, until, view } from './haproxy-harness.ts';
import { Processes, program } from './processes.ts';

const host = 'web.example.com';
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

interface Resource {
  resource: { attributes: { key: string; value: { stringValue?: string } }[] };
  scopeSpans: { spans: Span[] }[];
}

/** @returns its URL */
async function listener(t: TestContext, take: RequestListener): Promise<string> {
  const server = createServer(take).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** A collector that sends on what it gets. @returns where it takes OTLP/HTTP, and what came out of it */
async function collector(t: TestContext): Promise<{ endpoint: string; resources: Resource[] }> {
  const resources: Resource[] = [];
  const out = await listener(t, (request, response) => {
    void bodyOf(request).then((text) => {
      resources.push(...(JSON.parse(text) as { resourceSpans: Resource[] }).resourceSpans);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  const port = await freePort();
  const at = directory(t);
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { otlp_http: { endpoint: out, encoding: 'json', compression: 'none', sending_queue: { enabled: false } } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['otlp_http'] } },
    },
  };
  await writeFile(join(at, 'config.yaml'), JSON.stringify(config));
  const processes = new Processes();
  t.after(() => processes.killAll());
  processes.run('collector', program('COLLECTOR'), ['--config', join(at, 'config.yaml')]);
  const endpoint = `http://127.0.0.1:${port}`;
  await until(() =>
    fetch(`${endpoint}/v1/traces`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return { endpoint, resources };
}

/** A gateway that sends spans there. */
async function traced(t: TestContext, endpoint: string, port?: number) {
  const backend = await app(t, 'app', (request, response) => {
    response.statusCode = request.url === '/fails' ? 500 : 200;
    response.end('answer');
  });
  const wanted = view(service('web', { expose: { type: 'domain', domain: host } }, [member('shop/web', '1', port ?? backend.port)]));
  const { gateway: own } = defaultConfig;
  const config = {
    ...defaultConfig,
    gateway: { ...own, tracing: { endpoint, ratio: 1 }, accessLog: { ...own.accessLog, enabled: true } },
  };
  const registry = new Registry();
  const lines: Record<string, unknown>[] = [];
  const traffic = await openTraffic({
    config,
    registry,
    stats: () => Promise.reject(new Error('not asked here')),
    logPort: 0,
    replica: 'gw-0',
    write: (text) => lines.push(JSON.parse(text) as Record<string, unknown>) > 0,
    log: logTo({ write: () => {} }),
  });
  t.after(() => traffic.close());
  traffic.setView(wanted);
  const gw = await gateway(t, wanted, traffic.settings);
  const count = async (outcome: string) => {
    const text = await registry.getSingleMetricAsString('frp_gateway_spans_total');
    return Number(new RegExp(`outcome="${outcome}"\\} ([0-9]+)`).exec(text)?.[1]);
  };
  return { gw, backend, lines, count };
}

const attributesOf = (span: Span) =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, 'intValue' in value ? Number(value.intValue) : value.stringValue]));

test('a collector understands the span of a request: ids, times, status, and attributes by the conventions', async (t) => {
  const { endpoint, resources } = await collector(t);
  const { gw, backend, lines } = await traced(t, endpoint);
  const spans = () => resources.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  const spanOf = (path: string) => spans().find((span) => attributesOf(span)['url.path'] === path);
  const before = BigInt(Date.now()) * 1_000_000n;
  await gw.http(host, '/goes-on', { headers: { traceparent: `00-${traceId}-${parentId}-01` } });
  await gw.http(host, '/begins');
  await gw.http(host, '/fails', { method: 'POST' });
  await until(() => ['/goes-on', '/begins', '/fails'].every((path) => spanOf(path) !== undefined));
  const after = BigInt(Date.now()) * 1_000_000n;

  const goesOn = spanOf('/goes-on')!;
  assert.deepEqual([goesOn.traceId, goesOn.parentSpanId, goesOn.kind], [traceId, parentId, 2]);
  assert.ok(!spanOf('/begins')!.parentSpanId);
  for (const span of spans()) {
    const [start, end] = [BigInt(span.startTimeUnixNano), BigInt(span.endTimeUnixNano)];
    assert.ok(before - 1_000_000_000n <= start && start <= end && end <= after, span.name);
  }
  for (const path of ['/goes-on', '/begins', '/fails']) {
    const { headers } = backend.requests.find(({ url }) => url === path)!;
    assert.equal(headers.traceparent, `00-${spanOf(path)!.traceId}-${spanOf(path)!.spanId}-01`);
    assert.equal(lines.find((line) => line.path === path)!.traceparent, headers.traceparent);
  }
  const { 'http.request.method': method, 'http.response.status_code': status, ...more } = attributesOf(spanOf('/fails')!);
  assert.deepEqual([method, status, more['server.address'], more['url.scheme']], ['POST', 500, host, 'http']);
  assert.equal(more['error.type'], '500');
  assert.deepEqual([more['frp.namespace'], more['frp.service']], ['shop', 'web']);
  assert.equal(spanOf('/fails')!.status.code, 2);
  assert.ok(!spanOf('/begins')!.status.code);
  const resource = Object.fromEntries(resources[0]!.resource.attributes.map(({ key, value }) => [key, value.stringValue]));
  assert.deepEqual([resource['service.name'], resource['service.instance.id']], ['frp-gateway', 'gw-0']);
});

test('a collector that is away, busy or silent slows no request, and what it does not take is counted', async (t) => {
  const answers: Record<string, RequestListener> = {
    away: (request) => request.socket.destroy(),
    busy: (_, response) => response.writeHead(429, { 'retry-after': '1' }).end(),
    unavailable: (_, response) => response.writeHead(503).end(),
    silent: () => {},
  };
  let [answer, asked] = [answers.away!, 0];
  const endpoint = await listener(t, (request, response) => {
    asked++;
    void bodyOf(request).then(
      () => answer(request, response),
      () => {},
    );
  });
  const { gw, count } = await traced(t, endpoint);
  for (const [at, name] of Object.keys(answers).entries()) {
    answer = answers[name]!;
    const before = asked;
    for (let request = 0; request < 10; request++) assert.equal((await gw.http(host, `/${name}`)).status, 200);
    await until(() => asked > before);
    if (name !== 'silent') await until(async () => (await count('dropped')) === 10 * (at + 1));
    assert.equal(await count('sent'), 0, name);
  }
});
