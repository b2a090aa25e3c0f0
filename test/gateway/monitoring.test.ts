/**
 * A real Prometheus scrapes a gateway under load, a webhook, and the metrics of a controller, which are told what the gateway
 * says: every question of every panel has an answer, and alerts fire on their faults and on nothing else.
 */
import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectDefaultMetrics, Registry } from '@prometheus-io/client';
import { stringify } from 'yaml';
import type { JudgedBackend } from '../../src/controller/backends/health.ts';
import { ControllerMetrics } from '../../src/controller/metrics.ts';
import { fleetDashboard } from '../../src/monitoring/fleet-dashboard.ts';
import { modelDashboard } from '../../src/monitoring/model-dashboard.ts';
import { queriesOf } from '../../src/monitoring/panel.ts';
import { isAlert } from '../../src/monitoring/rule.ts';
import { ruleFile, ruleGroups } from '../../src/monitoring/rule-objects.ts';
import { dashboardOf, serviceDashboard } from '../../src/monitoring/service-dashboard.ts';
import { createOperationsServer } from '../../src/process/operations.ts';
import { Readiness } from '../../src/process/readiness.ts';
import { service } from '../support/services.ts';
import { allow, podReview, serving, type ServiceConfig } from '../unit/server/harness.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { freePort } from './haproxy-harness.ts';
import { ollama, sglang, vllm } from './model-servers.ts';
import { get } from './requests.ts';

const uid = (end: number) => `3f2a6c1e-0000-4000-8000-${String(end).padStart(12, '0')}`;
const pod = (end: number) => ({ namespace: 'shop', name: `web-${end}`, uid: uid(end) });
const web = service('web', { loadBalancing: { algorithm: 'round-robin', healthCheck: { type: 'http', path: '/', interval: '1s' } } });
const ofWeb = 'namespace="shop",name="web"';

let gateway: Gateway;
let webhook: ServiceConfig;
let prometheus: number;
const closing: (() => unknown)[] = [];

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}
/** What Prometheus answers now. */
async function ask(expr: string): Promise<Sample[]> {
  const { status, body } = await get(prometheus, `/api/v1/query?query=${encodeURIComponent(expr)}`);
  assert.equal(status, 200, `${expr}: ${body}`);
  return (JSON.parse(body) as { data: { result: Sample[] } }).data.result;
}
const firing = async (): Promise<string[]> =>
  [...new Set((await ask('ALERTS{alertstate="firing"}')).map(({ metric }) => metric.alertname!))].sort();

/** Those that the certificates of this test, which live for an hour, are the fault of. */
const expected = ['FrpCertificateExpires', 'FrpCertificateExpiresSoon'];

/** Sums of a metric's series with these labels, at the agent. */
async function total(series: string): Promise<number> {
  const { body } = await gateway.get('/metrics', gateway.ports.operations);
  const lines = body.split('\n').filter((line) => line.startsWith(series));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Requests on a few connections, until it is told to end. @returns how many were answered */
function load(path = '/', host = 'web.example.com'): { end: () => Promise<number> } {
  const agent = new Agent({ keepAlive: true });
  let [isOver, answered] = [false, 0];
  const one = () =>
    new Promise<void>((resolve) => {
      const outgoing = httpRequest({ host: '127.0.0.1', port: gateway.ports.http, path, agent, headers: { host } }, (incoming) => {
        incoming.resume();
        incoming.on('end', () => {
          answered++;
          resolve();
        });
      });
      outgoing.on('error', () => resolve());
      outgoing.end();
    });
  const loops = [1, 2, 3].map(async () => {
    while (!isOver) {
      await one();
      await sleep(10);
    }
  });
  return {
    end: async () => {
      isOver = true;
      await Promise.all(loops);
      agent.destroy();
      return answered;
    },
  };
}

async function joins(end: number): Promise<void> {
  const { server, port } = await gateway.app(`app ${end}`);
  server.removeAllListeners('request');
  server.on('request', (incoming, response) => {
    response.statusCode = incoming.url === '/fails' ? 500 : 200;
    response.end('answer');
  });
  gateway.putPod(pod(end));
  await gateway.sidecar(pod(end), 'web', port);
}

/** Pools of models: their servers tell of themselves in two formats. */
async function modelsJoin(): Promise<void> {
  gateway.putService(service('llm', { metrics: { format: 'prometheus' } }));
  gateway.putService(service('ollama', { metrics: { format: 'ollama' } }));
  for (const [at, [name, server]] of (
    [
      ['llm', vllm()],
      ['llm', sglang()],
      ['ollama', ollama()],
    ] as const
  ).entries()) {
    const own = { namespace: 'shop', name: `${name}-${at}`, uid: uid(at + 10) };
    gateway.putPod(own);
    await gateway.sidecar(own, name, await gateway.listen(server));
  }
}

/** @returns the port at which it is scraped */
async function exposing(registry: Registry): Promise<number> {
  const server = createOperationsServer(new Readiness(), registry);
  closing.push(() => server.close());
  return server.listen('127.0.0.1', 0);
}

async function startPrometheus(ports: Record<string, number>): Promise<void> {
  prometheus = await freePort();
  const rules = ruleFile();
  // As the installation has them, but for how long a fault must last.
  for (const { rules: all } of rules.groups as { rules: { for?: string }[] }[]) for (const rule of all) if (rule.for) rule.for = '2s';
  await writeFile(join(gateway.directory, 'rules.yaml'), stringify(rules));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(gateway.directory, 'rules.yaml')],
    scrape_configs: Object.entries(ports).map(([name, port]) => ({
      job_name: name,
      honor_labels: true,
      static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { pod: `${name}-0` } }],
    })),
  };
  await writeFile(join(gateway.directory, 'prometheus.yaml'), stringify(config));
  gateway.run('prometheus', process.env.PROMETHEUS ?? 'prometheus', [
    `--config.file=${join(gateway.directory, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(gateway.directory, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  ]);
  await eventually('Prometheus is ready', async () => (await get(prometheus, '/-/ready').catch(() => undefined))?.status === 200);
}

describe('monitoring', { timeout: 300_000 }, () => {
  before(async () => {
    gateway = await Gateway.start();
    gateway.putService(web);
    await joins(1);
    await joins(2);
    await modelsJoin();
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const controller = new ControllerMetrics(registry, {
      services: () => [{ ...web, status: { state: 'Running' } }],
      requests: new Map([['GET', 1]]),
    });
    const judging = setInterval(() => void judge(controller), 500);
    closing.push(() => clearInterval(judging));
    webhook = await serving(() => allow);
    webhook.metrics.certificateExpires(Date.now() + 90 * 86_400_000);
    closing.push(() => webhook.close(0));
    const reviewing = setInterval(() => void review(), 500);
    closing.push(() => clearInterval(reviewing));
    await startPrometheus({
      'frp-gateway': gateway.ports.operations,
      'frp-controller': await exposing(registry),
      'frp-webhook': await exposing(webhook.metrics.registry),
    });
    for (const name of ['web', 'llm', 'ollama'])
      await eventually(`${name} serves`, async () => (await gateway.request(`${name}.example.com`)).status === 200);
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
    await gateway?.close();
  });

  it('has an answer to every question of every panel, and no alert, under load', async () => {
    const users = ['web', 'llm', 'ollama'].map((name) => load('/', `${name}.example.com`));
    const queries = [fleetDashboard, serviceDashboard, dashboardOf('shop', 'web')].flatMap(queriesOf);
    const fill = (expr: string, name: string, interval: string) =>
      expr.replaceAll('$__rate_interval', interval).replaceAll('$namespace', 'shop').replaceAll('$name', name);
    const filled = queries.map(({ expr }) => fill(expr, 'web', '10s'));
    // Backends are asked every 15 s, and of servers of one format nobody knows all of it.
    const ofModels = queriesOf(modelDashboard).map(({ expr }) => ['llm', 'ollama'].map((name) => fill(expr, name, '40s')).join(' or '));
    let empty: string[] = [];
    try {
      await eventually(
        'every panel shows something',
        async () => {
          empty = [];
          for (const expr of new Set([...filled, ...ofModels])) if ((await ask(expr)).length === 0) empty.push(expr);
          return empty.length === 0;
        },
        90_000,
      ).catch((error: Error) => assert.fail(`${error.message}: empty are\n${empty.join('\n')}`));
      for (const { rules } of ruleGroups) for (const rule of rules) if (isAlert(rule)) await ask(rule.expr);
      await sleep(5000);
      assert.deepEqual(await firing(), expected);
    } finally {
      for (const each of users) await each.end();
    }
  });

  it('counts what users were answered, through a reload of HAProxy, and begins at zero with another agent', async () => {
    const series = `frp_distributed_service_responses_total{${ofWeb}`;
    // What users were answered before is counted within the seconds from one reading of HAProxy to the next.
    let before = await total(series);
    await eventually('all of before is counted', async () => {
      await sleep(5000);
      const last = before;
      before = await total(series);
      return before === last;
    });
    const users = load();
    await sleep(3000);
    const reloads = await total('frp_gateway_reloads_total');
    gateway.putService({ ...web, spec: { ...web.spec, advanced: { compression: true } } });
    await eventually('HAProxy has reloaded', async () => (await total('frp_gateway_reloads_total')) > reloads);
    await sleep(3000);
    const answered = await users.end();
    await sleep(5000);
    const counted = (await total(series)) - before;
    assert.ok(counted <= answered, `${counted} of ${answered}`);
    assert.ok(counted > answered / 4, `${counted} of ${answered}`);

    await gateway.stopAgent();
    await gateway.startAgent();
    await eventually('it knows the members', async () => (await total('frp_gateway_members')) === 5);
    await sleep(3000);
    assert.equal(await total(series), 0);
    await gateway.request('web.example.com');
    await eventually('a request is counted', async () => (await total(series)) === 1);
  });

  it('warns of a backend that answers with errors', async () => {
    const users = load('/fails');
    try {
      await eventually('the alert fires', async () => (await firing()).includes('FrpErrorRatioHigh'), 60_000);
      const [alert] = await ask('ALERTS{alertname="FrpErrorRatioHigh",alertstate="firing"}');
      assert.deepEqual([alert?.metric.namespace, alert?.metric.name], ['shop', 'web']);
    } finally {
      await users.end();
    }
  });

  it('warns of a service without a backend, and of Pods that are not registered', async () => {
    await gateway.kill('frpc web-1');
    await gateway.kill('frpc web-2');
    await eventually('the alert fires', async () => (await firing()).includes('FrpNoHealthyBackend'), 60_000);
    await eventually('the other fires', async () => (await firing()).includes('FrpBackendsUnregistered'), 60_000);
  });

  it('warns of a HAProxy that is gone, and of an agent that is', async () => {
    await gateway.kill('users');
    await eventually('the alert fires', async () => (await firing()).includes('FrpGatewayHaproxyDown'), 60_000);
    await gateway.stopAgent();
    await eventually('the other fires', async () => (await firing()).includes('FrpGatewayDown'), 60_000);
  });
});

/** What the controller makes of the two Pods of web, by what the gateway says of them. */
async function judge(metrics: ControllerMetrics): Promise<void> {
  const all = (await gateway.agent?.listing().catch(() => undefined))?.proxies ?? [];
  const statuses = all.filter(({ name }) => name.includes('web-'));
  const healthy = statuses.filter(({ status }) => status === 'online').length;
  const missing = Array.from({ length: 2 - statuses.length }, (_, at): JudgedBackend => {
    return { id: `${at}`, name: `web-${at}`, address: '10.0.0.9', port: 80, health: 'unhealthy', isUnregistered: true };
  });
  await metrics.timed(async () => metrics.setBackends(web.metadata, { healthy, partial: 0, unhealthy: 2 - healthy, backends: missing }));
}

/** An admission review, as the API server would send it. */
async function review(): Promise<void> {
  const { request } = await import('node:https');
  const body = JSON.stringify(podReview());
  await new Promise<void>((resolve) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: webhook.port,
        path: '/mutate/pods',
        method: 'POST',
        ca: webhook.ca,
        agent: false,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (incoming) => incoming.resume().on('end', resolve),
    );
    outgoing.on('error', () => resolve());
    outgoing.end(body);
  });
}
