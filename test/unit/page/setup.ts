/** An installation to look at, and pages of it. */
import type { Heard } from '../../../src/explain/reach.ts';
import type { ServiceStatus } from '../../../src/explain/status.ts';
import type { BackendReport, InstallationReport, ServiceReport } from '../../../src/gateway/api/report-types.ts';
import { documentOf } from '../../../src/page/document.ts';
import type { Overview, ServiceView } from '../../../src/page/model.ts';
import { overviewView } from '../../../src/page/overview.ts';
import { serviceView } from '../../../src/page/service-view.ts';

export const at = '2026-01-02T03:04:05.000Z';

export const status = (service: string, rest: Partial<ServiceStatus> = {}): ServiceStatus => ({
  service,
  type: 'http',
  state: 'Running',
  active: 2,
  total: 2,
  at: `${service.split('/')[1]}.example.com/`,
  perSecond: 14.2,
  current: 1,
  p99: 0.043,
  ...rest,
});

export const backend = (pod: string, rest: Partial<BackendReport> = {}): BackendReport => ({
  proxy: `shop.web.0a1b2c3d.${pod}.uid-${pod}`,
  pod,
  address: '10.0.0.7:8080',
  since: '2026-01-02T03:00:05.000Z',
  weight: 1,
  state: 'up',
  check: 'L7OK 200',
  current: 1,
  perSecond: 7.1,
  p50: 0.003,
  p99: 0.043,
  ...rest,
});

export const installation: Heard<InstallationReport> = {
  replica: 'frp-gateway-0',
  answer: {
    replica: 'frp-gateway-0',
    clusters: [
      { up: 2, registered: 2 },
      { cluster: 'edge', up: 1, registered: 3 },
    ],
    certificates: [{ name: 'users of shop/web', subject: 'web.example.com', expires: '2026-01-05T00:00:00.000Z' }],
    joined: [{ cluster: 'edge', isLinked: false, seen: '2026-01-02T03:00:00.000Z', services: 4, backends: 3 }],
    refusals: [
      {
        service: 'shop/web',
        pod: 'web-9',
        reason: 'NotYourGroup',
        message: 'refused by the gateway, NotYourGroup: it is of another namespace',
        at: '2026-01-02T03:03:00.000Z',
      },
    ],
  },
};

export const overview: Overview = {
  title: 'https://cluster.example.com',
  own: 'this cluster',
  at,
  services: [
    status('shop/api', {
      state: 'Degraded',
      active: 1,
      reason: 'BackendsUnhealthy',
      message: '1 of 2 backends is not healthy: api-1 (GET /health answered 404)',
    }),
    status('shop/web'),
  ],
  replicas: [installation],
  links: [
    {
      cluster: 'edge',
      gateway: 'this gateway',
      isUp: false,
      since: '2026-01-02T03:00:00.000Z',
      detail: '4 services, 3 backends',
    },
  ],
  certificates: [
    { name: 'users of shop/web', subject: 'web.example.com', expires: '2026-01-05T00:00:00.000Z' },
    { name: 'Secret frp-system/frp-ca', subject: 'frp-k8s authority', expires: '2036-01-01T00:00:00.000Z' },
  ],
  turns: [
    {
      at: '2026-01-02T03:02:00Z',
      service: 'shop/api',
      what: 'BackendsAvailable is False',
      reason: 'BackendsUnhealthy',
      message: '1 of 2 backends is not healthy',
    },
  ],
  unknown: ['frp-gateway-1: connect ECONNREFUSED 10.0.0.9:10004'],
};

export const report = (backends: BackendReport[]): ServiceReport => ({
  replica: 'frp-gateway-0',
  service: 'shop/web',
  up: backends.filter(({ state }) => state === 'up').length,
  registered: backends.length,
  current: 2,
  perSecond: 14.2,
  p99: 0.043,
  exposures: ['web.example.com/'],
  access: { kind: 'apikey', clients: 3 },
  rules: [],
  limits: {},
  algorithm: 'random',
  backends,
  routes: [{ at: 'web.example.com', entry: 'shop/web', order: 1, headers: {}, share: 1 }],
  refusals: [],
});

export const viewed: ServiceView = {
  title: overview.title,
  at,
  status: status('shop/web', { active: 1, state: 'Degraded', reason: 'BackendsUnhealthy', message: '1 of 2 backends is not healthy' }),
  conditions: [
    { level: 'error', text: 'BackendsAvailable, BackendsUnhealthy: 1 of 2 backends is not healthy', reason: 'BackendsUnhealthy' },
  ],
  access: [{ level: 'info', text: 'whoever has an API key (3 clients)' }],
  routes: ['web.example.com'],
  heard: [
    {
      replica: 'frp-gateway-0',
      answer: report([
        backend('web-1'),
        backend('web-2', {
          cluster: 'edge',
          state: 'down',
          check: 'L7STS 404',
          reason: 'GET /health answered 404',
          perSecond: 0,
          current: 0,
        }),
      ]),
    },
  ],
  backends: [],
  unknown: [],
};

export const overviewOf = (shown: Overview, page = 1) => overviewView(shown, { kind: 'overview', text: '', only: 'all', page });
export const overviewHtml = (shown: Overview): string => documentOf(overviewOf(shown), '/events?view=%2F').text;
export const serviceHtml = (shown: ServiceView): string => documentOf(serviceView(shown, shown.status.service, 1)).text;
