/** A page server as a process of its own: 1,000 services with 5,000 backends, one of them with 5,000 itself, at two replicas whose numbers never rest. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localVoice } from '../../src/explain/gateway-voice.ts';
import type { InstallationReport, ServiceReport, Summary } from '../../src/gateway/api/report-types.ts';
import { serviceKey, ServiceStore } from '../../src/model/store.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { createPage } from '../../src/page/server.ts';
import { sourceOf } from '../../src/page/source.ts';
import { service } from '../support/services.ts';
import { backend, report } from '../unit/page/setup.ts';

const namespaces = 50;
const now = new Date().toISOString();
const unhealthy = '1 of 5 backends is not healthy: GET /health answered 503';

const services = Array.from({ length: 1000 }, (_, index): DistributedService => {
  const base = service(`service-${String(index).padStart(4, '0')}`);
  const isWell = index % 7 !== 0;
  const condition = { type: 'Ready', status: isWell ? 'True' : 'False', reason: isWell ? 'BackendsReady' : 'BackendsUnhealthy' } as const;
  return {
    ...base,
    metadata: { ...base.metadata, namespace: `team-${index % namespaces}` },
    status: {
      state: isWell ? 'Running' : 'Degraded',
      activeBackends: isWell ? 5 : 4,
      totalBackends: 5,
      conditions: (['Ready', 'BackendsAvailable', 'ConfigurationValid', 'CertificatesReady'] as const).map((type) => ({
        ...condition,
        type,
        message: isWell ? 'all is well' : unhealthy,
        lastTransitionTime: now,
      })),
      endpoints: Array.from({ length: 5 }, (__, at) => ({ name: `pod-${at}`, address: '10.0.0.1', port: 8080, healthy: isWell || at > 0 })),
    },
  };
});
const store = new ServiceStore();
store.replace(services);
const keys = services.map(serviceKey);
export const large = keys[0]!;

let turn = 0;
/** Of another length from one time to the next. */
const rate = (index: number) => ((index * 37 + turn * 7919) % 20_000) / 10;
const traffic = (index: number) => ({ current: turn % 30, perSecond: rate(index), p50: 0.004, p99: 0.01 + rate(index) / 1000 });

const answers: Record<string, (replica: string) => Summary | InstallationReport | ServiceReport> = {
  '/api/summary': (replica) => ({
    replica,
    services: keys.map((key, index) => ({ service: key, up: index % 7 === 0 ? 4 : 5, registered: 5, ...traffic(index) })),
  }),
  '/api/installation': (replica) => ({
    replica,
    clusters: Array.from({ length: 10 }, (_, index) => ({ cluster: `cluster-${index}`, up: 480 + (turn % 20), registered: 500 })),
    certificates: keys
      .slice(0, 200)
      .map((key) => ({ name: `users of ${key}`, subject: 'www.example.com', expires: '2099-01-01T00:00:00.000Z' })),
    joined: Array.from({ length: 10 }, (_, index) => ({
      cluster: `cluster-${index}`,
      isLinked: true,
      seen: now,
      services: 100,
      backends: 500,
    })),
    refusals: [],
  }),
  [`/api/services/${large}`]: (replica) => ({
    ...report(Array.from({ length: 5000 }, (_, index) => ({ ...backend(`web-${index}`), ...traffic(index) }))),
    service: large,
    replica,
  }),
};

const directory = mkdtempSync(join(tmpdir(), 'frp-k8s-page-'));
const voices = ['frp-gateway-0', 'frp-gateway-1'].map((replica) => {
  const socket = join(directory, replica);
  createServer(({ url = '' }, response) => {
    turn++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answers[url]?.(replica)));
  }).listen(socket);
  return { ...localVoice(socket), replica };
});

const page = createPage({
  source: sourceOf({
    title: 'installation frp-system',
    reach: () => ({ voices, problems: [] }),
    cluster: {
      config: {},
      services: () => store.all(),
      service: (key) => store.byKey(key),
      certificates: () => keys.map((key) => ({ name: `Secret of ${key}`, subject: key, expires: '2098-01-01T00:00:00.000Z' })),
      links: () => [],
    },
  }),
  log: { warn: (_fields: object, text: string) => console.error(text) } as never,
  everyMs: 100,
});

process.on('message', () => {
  globalThis.gc?.();
  process.send?.({ heapUsed: process.memoryUsage().heapUsed, rss: process.memoryUsage().rss, cpu: process.cpuUsage() });
});
process.on('disconnect', () => {
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
});
process.send?.({ port: await page.listen('127.0.0.1', 0), large });
