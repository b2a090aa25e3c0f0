/** The dashboard of a service. */
import type { Dashboard, Panel, Row } from './panel.ts';
import { errorRatio, p99 } from './service-rules.ts';

const prefix = 'frp_distributed_service';
/** Grafana's: at least four scrapes. */
const window = '[$__rate_interval]';

/** @param of matchers of labels */
const rows = (of: string): Row[] => {
  const rate = (name: string, by: string, more = '') => `sum by (${by}) (rate(${prefix}_${name}{${of}${more}}${window}))`;
  const quantile = (name: string, share: number) => `histogram_quantile(${share}, ${rate(`${name}_seconds_bucket`, 'le')})`;
  const quantiles = (name: string) => [0.5, 0.9, 0.99].map((share) => ({ expr: quantile(name, share), legend: `p${share * 100}` }));
  const gauge = (name: string, by = 'backend') => `sum by (${by}) (${prefix}_${name}{${of}})`;
  const users: Panel[] = [
    {
      title: 'Request rate',
      description: 'Requests or connections that backends were given, by backend.',
      unit: 'reqps',
      queries: [{ expr: rate('requests_total', 'backend'), legend: '{{backend}}' }],
      width: 12,
    },
    {
      title: 'Latency',
      description: 'Until the end of the answer. http and grpc.',
      unit: 's',
      queries: quantiles('request_duration'),
      width: 12,
    },
    {
      title: 'Error rate',
      description: 'Share of the answers to users that are 5xx, whoever gave them.',
      unit: 'percentunit',
      queries: [
        { expr: `${rate('responses_total', 'name', ',code="5xx"')} / ${rate('responses_total', 'name')}`, legend: 'now' },
        { expr: `${errorRatio('1h')}{${of}}`, legend: 'last hour' },
      ],
      width: 12,
    },
    {
      title: 'Backend health',
      description: 'As the controller judges them, and ways that each replica of the gateway has up.',
      unit: 'short',
      queries: [
        { expr: `max by (state) (${prefix}_backends{${of}})`, legend: '{{state}}' },
        { expr: gauge('backend_up', 'pod'), legend: 'up at {{pod}}' },
      ],
      width: 12,
    },
  ];
  const answers: Panel[] = [
    {
      title: 'Answers',
      description: 'To users, by class of status: of backends, access rules, limits and the gateway itself.',
      unit: 'reqps',
      queries: [{ expr: rate('responses_total', 'code'), legend: '{{code}}' }],
    },
    {
      title: 'Answers of backends',
      description: 'By backend and class of status.',
      unit: 'reqps',
      queries: [{ expr: rate('backend_responses_total', 'backend, code'), legend: '{{backend}} {{code}}' }],
    },
    {
      title: 'Time to first byte',
      description: 'How long backends think before they answer.',
      unit: 's',
      queries: quantiles('time_to_first_byte'),
    },
    {
      title: 'Latency by backend',
      description: '99th percentile.',
      unit: 's',
      queries: [
        { expr: `histogram_quantile(0.99, ${rate('request_duration_seconds_bucket', 'backend, le')})`, legend: '{{backend}}' },
        { expr: `${p99}{${of}}`, legend: 'all, five minutes' },
      ],
    },
    {
      title: 'Latency by cluster',
      description: '90th percentile, by the cluster of the backend; empty: the gateway’s own.',
      unit: 's',
      queries: [{ expr: `histogram_quantile(0.9, ${rate('request_duration_seconds_bucket', 'cluster, le')})`, legend: '{{cluster}}' }],
    },
    {
      title: 'Traffic',
      description: 'Bytes from users (in) and to users (out).',
      unit: 'Bps',
      queries: [{ expr: rate('bytes_total', 'direction'), legend: '{{direction}}' }],
    },
  ];
  const backends: Panel[] = [
    {
      title: 'Active and queued',
      description: 'Requests or connections under way by backend, and those that wait for one.',
      unit: 'short',
      queries: [
        { expr: gauge('active_connections'), legend: '{{backend}}' },
        { expr: gauge('queued_requests', 'name'), legend: 'queued' },
      ],
    },
    {
      title: 'Pool usage',
      description: 'Part of the open connections that is in use.',
      unit: 'percentunit',
      queries: [{ expr: `avg by (backend) (${prefix}_connection_pool_usage{${of}})`, legend: '{{backend}}' }],
      max: 1,
    },
    {
      title: 'Retries and failures',
      description: 'Attempts beyond the first, failed checks, and requests handed to another replica of the gateway.',
      unit: 'short',
      queries: [
        { expr: rate('retries_total', 'backend'), legend: 'retries {{backend}}' },
        { expr: rate('backend_failures_total', 'backend'), legend: 'failed checks {{backend}}' },
        { expr: rate('handed_over_total', 'name'), legend: 'handed over' },
      ],
    },
  ];
  return [
    { title: 'Users', panels: users },
    { title: 'Answers', panels: answers },
    { title: 'Backends', panels: backends },
  ];
};

const description = 'What users of a service behind the gateway get, and how its backends are.';

export const serviceDashboard: Dashboard = {
  uid: 'frp-k8s-service',
  title: 'frp-k8s service',
  description,
  variables: [
    { name: 'namespace', query: `label_values(${prefix}_requests_total, namespace)` },
    { name: 'name', query: `label_values(${prefix}_requests_total{namespace="$namespace"}, name)` },
  ],
  rows: rows('namespace="$namespace",name="$name"'),
};

/** Of one service, without anything to choose. */
export const dashboardOf = (namespace: string, name: string): Dashboard => ({
  // Grafana takes 40 characters.
  uid: `frp-${namespace}-${name}`.slice(0, 40),
  title: `frp-k8s: ${namespace}/${name}`,
  description,
  variables: [],
  rows: rows(`namespace="${namespace}",name="${name}"`),
});
