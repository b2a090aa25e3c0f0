import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Registry } from '@prometheus-io/client';
import { backendOf } from '../../../src/gateway/haproxy/index.ts';
import { parseStats, type ServerStats, type Stats } from '../../../src/gateway/haproxy/runtime/stats.ts';
import type { ServedService } from '../../../src/gateway/ir/ir.ts';
import { BackendSeries, otherBackend } from '../../../src/gateway/telemetry/backend-series.ts';
import { CountedSince } from '../../../src/gateway/telemetry/counted-since.ts';
import { parseRequestLine } from '../../../src/gateway/telemetry/request-log.ts';
import { TrafficMetrics } from '../../../src/gateway/telemetry/traffic-metrics.ts';

const served = (name: string, ...addresses: string[]): ServedService => ({
  service: {
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { namespace: 'shop', name },
    spec: { serviceType: 'http', backends: { discovery: { mode: 'auto' } } },
  },
  exposures: [],
  access: { kind: 'none' },
  certificate: undefined,
  backends: addresses.map((address) => ({ name: `s-${address}`, port: 1, weight: 1, isDraining: false, address })),
});

describe('what HAProxy has counted', () => {
  it('is counted once, through reloads and restarts of the agent, and never falls', () => {
    const step = fc.record({
      requests: fc.nat(1000),
      event: fc.constantFrom('none', 'none', 'reload', 'server made anew', 'agent restarts'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let [now, started, pid, total, truth, counted] = [100, 0, 1, 0, 0, 0];
        const agent = () => new CountedSince(() => now);
        let counting = agent();
        const read = () => {
          const [since = 0] = counting.take({ pid: `${pid}`, uptime: now - started }, new Map([['be/s', [total]]])).get('be/s')!;
          assert.ok(since >= 0);
          counted += since;
        };
        for (const { requests, event } of steps) {
          // Whatever happens happens just after a reading, so that nothing is lost.
          read();
          if (event === 'reload') [pid, started, total] = [pid + 1, now, 0];
          if (event === 'server made anew') total = 0;
          if (event === 'agent restarts') {
            counting = agent();
            now += 1;
            read();
          }
          now += 2;
          total += requests;
          truth += requests;
          read();
        }
        return counted <= truth && (steps.some(({ event }) => event === 'server made anew') || counted === truth);
      }),
    );
  });

  it('begins at zero with a process that started after the agent', () => {
    let now = 0;
    const counting = new CountedSince(() => now);
    now = 5;
    assert.deepEqual(counting.take({ pid: '1', uptime: 4 }, new Map([['be/s', [7]]])).get('be/s'), [7]);
  });

  it('begins where a process is that ran before the agent did', () => {
    let now = 0;
    const counting = new CountedSince(() => now);
    now = 1;
    assert.deepEqual(counting.take({ pid: '1', uptime: 60 }, new Map([['be/s', [7]]])).get('be/s'), [0]);
    assert.deepEqual(counting.take({ pid: '1', uptime: 62 }, new Map([['be/s', [9]]])).get('be/s'), [2]);
  });
});

describe('series of backends', () => {
  it('are bounded for a service and in all; those beyond share one, and come to their own when there is room', () => {
    const series = new BackendSeries({ ofService: 2, inAll: 3 });
    const [a, b] = [served('a', '1', '2', '3', '4'), served('b', '5', '6')];
    assert.deepEqual(series.follow([a, b]), { backends: [], services: [] });
    assert.equal(series.merged, 3);
    const labels = [...series.all()].map(([{ name, backend }]) => `${name} ${backend}`);
    assert.deepEqual(labels, ['a 1', 'a 2', `a ${otherBackend}`, 'b 5', `b ${otherBackend}`]);

    const gone = series.follow([served('a', '3', '4'), served('b', '5', '6')]);
    assert.deepEqual(gone.backends.map(({ name, backend }) => `${name} ${backend}`).sort(), ['a 1', 'a 2', `a ${otherBackend}`]);
    assert.equal(series.merged, 1);
    const after = series.follow([served('b', '5', '6')]);
    assert.deepEqual(after.services, [{ namespace: 'shop', name: 'a' }]);
    assert.deepEqual(after.backends.map(({ name, backend }) => `${name} ${backend}`).sort(), ['a 3', 'a 4', `b ${otherBackend}`]);
    assert.equal(series.merged, 0);
  });

  it('are never more than the limits, whatever comes and goes', () => {
    const addresses = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 8 });
    const views = fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c'), addresses), { maxLength: 12 });
    fc.assert(
      fc.property(views, (all) => {
        const series = new BackendSeries({ ofService: 3, inAll: 5 });
        const known = new Set<string>();
        for (const view of all) {
          const { backends } = series.follow(Object.entries(view).map(([name, list]) => served(name, ...list)));
          for (const { name, backend } of backends) assert.ok(known.delete(`${name}/${backend}`));
          for (const [{ name, backend }] of series.all()) known.add(`${name}/${backend}`);
          const now = [...series.all()].map(([{ name, backend }]) => `${name}/${backend}`);
          assert.deepEqual([...known].sort(), now.sort());
          const own = now.filter((each) => !each.endsWith(otherBackend));
          assert.ok(own.length <= 5);
          for (const name of ['a', 'b', 'c']) assert.ok(own.filter((each) => each.startsWith(name)).length <= 3);
        }
      }),
    );
  });

  it('tell the cluster of a backend', () => {
    const series = new BackendSeries();
    series.follow([served('a', '10.0.0.1:80', 'home/10.0.0.1:80')]);
    assert.deepEqual(
      [...series.all()].map(([{ cluster }]) => cluster),
      ['', 'home'],
    );
  });
});

describe('times of requests', () => {
  it("are read from HAProxy's log, where a server was reached", () => {
    const line = 'be-97375646b1deb3d2/s-8342ce17136ab1a0 0 1 2 37 10';
    assert.deepEqual(parseRequestLine(line), {
      server: 'be-97375646b1deb3d2/s-8342ce17136ab1a0',
      firstByte: 0.003,
      duration: 0.037,
      weight: 10,
    });
    // The backend gave no answer.
    assert.equal(parseRequestLine(line.replace('2 37', '-1 37'))?.firstByte, undefined);
    assert.equal(parseRequestLine(line.replace('s-8342ce17136ab1a0', '<NOSRV>')), undefined);
    assert.equal(parseRequestLine('nonsense'), undefined);
  });

  it('count for as many requests as they stand for', async () => {
    const { metrics, text } = await traffic();
    metrics.setView({ services: [web] });
    metrics.observe({ server: `${section}/s-10.0.0.1:80`, firstByte: 0.02, duration: 4, weight: 10 });
    metrics.observe({ server: `${section}/s-10.0.0.1:80`, firstByte: undefined, duration: 400, weight: 1 });
    const of = 'namespace="shop",name="web",backend="10.0.0.1:80",cluster=""';
    assert.match(await text(), new RegExp(`request_duration_seconds_bucket\\{le="5",${of}\\} 10\n`));
    assert.match(await text(), new RegExp(`request_duration_seconds_bucket\\{le="300",${of}\\} 10\n`));
    assert.match(await text(), new RegExp(`request_duration_seconds_count\\{${of}\\} 11\n`));
    assert.match(await text(), new RegExp(`time_to_first_byte_seconds_bucket\\{le="0.025",${of}\\} 10\n`));
  });
});

const web = served('web', '10.0.0.1:80');
const section = backendOf(web.service);
const server = (more: Partial<ServerStats>): ServerStats => ({
  backend: section,
  server: 's-10.0.0.1:80',
  status: 'up',
  current: 0,
  queued: 0,
  total: 0,
  bytesIn: 0,
  bytesOut: 0,
  retries: 0,
  failures: 0,
  responses: [0, 0, 0, 0, 0, 0],
  idleConnections: 0,
  check: 'L7OK',
  checkCode: 200,
  ...more,
});
const read = (more: Partial<Stats>): Stats => ({
  pid: '1',
  uptime: 0,
  connections: 3,
  maxConnections: 100,
  servers: [server({})],
  services: [],
  handedRequests: new Map(),
  handedStreams: 0,
  ...more,
});

async function traffic() {
  const registry = new Registry();
  const metrics = new TrafficMetrics(registry, () => Promise.reject(new Error('not there')));
  await metrics.close();
  return { metrics, text: () => registry.metrics() };
}

describe('metrics of traffic', () => {
  it('have failures from the first answer on, so that the first one is an increase, and go with what they are of', async () => {
    const { metrics, text } = await traffic();
    metrics.setView({ services: [web] });
    metrics.take(read({}));
    metrics.take(
      read({
        servers: [server({ total: 5, queued: 2, failures: 1, responses: [0, 5, 0, 0, 0, 0] })],
        services: [{ backend: section, responses: [0, 5, 0, 1, 0, 0] }],
        handedRequests: new Map([[section, { attempts: 3, movedOn: 1 }]]),
      }),
    );
    const now = await text();
    for (const line of [
      'frp_distributed_service_requests_total{namespace="shop",name="web",backend="10.0.0.1:80",cluster=""} 5',
      'frp_distributed_service_backend_responses_total{namespace="shop",name="web",backend="10.0.0.1:80",cluster="",code="5xx"} 0',
      'frp_distributed_service_responses_total{namespace="shop",name="web",code="4xx"} 1',
      'frp_distributed_service_responses_total{namespace="shop",name="web",code="5xx"} 0',
      'frp_distributed_service_handed_over_total{namespace="shop",name="web"} 2',
      'frp_distributed_service_queued_requests{namespace="shop",name="web",backend="10.0.0.1:80",cluster=""} 2',
      'frp_distributed_service_backend_failures_total{namespace="shop",name="web",backend="10.0.0.1:80",cluster=""} 1',
      'frp_distributed_service_backend_up{namespace="shop",name="web",backend="10.0.0.1:80",cluster=""} 1',
      'frp_gateway_connections_max 100',
      'frp_gateway_haproxy_up 1',
    ])
      assert.ok(now.includes(`\n${line}\n`), line);
    assert.doesNotMatch(now, /code="3xx"/);

    metrics.setView({ services: [] });
    assert.doesNotMatch(await text(), /name="web"/);
  });
});

describe('statistics of HAProxy', () => {
  it('are read with what services answered and what other replicas were handed', () => {
    const row = (name: string, values: Record<string, string | number>) =>
      ['pxname', 'svname', 'stot', 'wredis', 'status', 'hrsp_2xx', 'hrsp_5xx', 'check_status']
        .map((column) => (column === 'pxname' ? name : (values[column] ?? '')))
        .join(',');
    const text = [
      'Name: HAProxy',
      'Uptime_sec: 12',
      'Pid: 77',
      'Maxconn: 200',
      'CurrConns: 4',
      '',
      '# pxname,svname,stot,wredis,status,hrsp_2xx,hrsp_5xx,check_status,',
      row('svc-1', { svname: 'here', stot: 9, status: 'no check' }),
      row('svc-1', { svname: 'gw-1', stot: 3, wredis: 2, status: 'UP' }),
      row('svc-1', { svname: 'gw-2', stot: 2, status: 'UP' }),
      row('svc-1', { svname: 'again', stot: 1, status: 'no check' }),
      row('svc-1', { svname: 'BACKEND', stot: 13, status: 'UP', hrsp_2xx: 11, hrsp_5xx: 2 }),
      row('be-1', { svname: 's-1', stot: 9, status: 'UP', hrsp_2xx: 8, check_status: 'L7OK' }),
      row('be-1', { svname: 'BACKEND', stot: 9, status: 'UP' }),
      row('frp-over', { svname: 'gw-1', stot: 6, status: 'UP' }),
      row('frp-over', { svname: 'BACKEND', stot: 6, status: 'UP' }),
      '',
    ].join('\n');
    const { servers, services, handedRequests, ...others } = parseStats(text);
    assert.deepEqual(others, { pid: '77', uptime: 12, connections: 4, maxConnections: 200, handedStreams: 6 });
    assert.deepEqual(services, [{ backend: 'be-1', responses: [0, 11, 0, 0, 2, 0] }]);
    assert.deepEqual([...handedRequests], [['be-1', { attempts: 5, movedOn: 2 }]]);
    assert.deepEqual(
      servers.map(({ server, total, responses, check }) => [server, total, responses[1], check]),
      [['s-1', 9, 8, 'L7OK']],
    );
  });
});
