/** The dashboard of an installation. */
import type { Dashboard, Panel } from './panel.ts';
import { errorRatio, p99 } from './service-rules.ts';

const prefix = 'frp_distributed_service';
const window = '[$__rate_interval]';
const rate = (name: string, by: string): string => `sum by (${by}) (rate(${name}${window}))`;
const top = (expr: string): string => `topk(10, ${expr})`;
const serviceName = '{{namespace}}/{{name}}';

const services: Panel[] = [
  {
    title: 'Services',
    description: 'By state.',
    unit: 'short',
    kind: 'stat',
    queries: [{ expr: 'max by (state) (frp_operator_managed_services)', legend: '{{state}}' }],
  },
  {
    title: 'Request rate',
    description: 'The ten services with the most.',
    unit: 'reqps',
    queries: [{ expr: top(rate(`${prefix}_requests_total`, 'namespace, name')), legend: serviceName }],
  },
  {
    title: 'Error ratio',
    description: 'Answers with 5xx over five minutes; the ten worst services.',
    unit: 'percentunit',
    queries: [{ expr: top(errorRatio('5m')), legend: serviceName }],
  },
  {
    title: 'Latency',
    description: '99th percentile over five minutes; the ten slowest services.',
    unit: 's',
    queries: [{ expr: top(p99), legend: serviceName }],
  },
  {
    title: 'Backends',
    description: 'Healthy and unhealthy, of all services; and those that are not registered.',
    unit: 'short',
    queries: [
      { expr: `sum by (state) (max by (namespace, name, state) (${prefix}_backends))`, legend: '{{state}}' },
      { expr: `sum(max by (namespace, name) (${prefix}_unregistered_backends))`, legend: 'not registered' },
    ],
  },
  {
    title: 'Traffic',
    description: 'Bytes from users (in) and to users (out).',
    unit: 'Bps',
    queries: [{ expr: rate(`${prefix}_bytes_total`, 'direction'), legend: '{{direction}}' }],
  },
];

const gateway: Panel[] = [
  {
    title: 'Connections',
    description: "Of each replica's HAProxy, and what it may have.",
    unit: 'short',
    queries: [
      { expr: 'frp_gateway_connections', legend: '{{pod}}' },
      { expr: 'min(frp_gateway_connections_max)', legend: 'limit' },
    ],
  },
  {
    title: 'Members',
    description: 'Backends that are connected to each replica. Replicas that differ: some sidecars reach one only.',
    unit: 'short',
    queries: [{ expr: 'sum by (pod) (frp_gateway_members)', legend: '{{pod}}' }],
  },
  {
    title: 'Answers',
    description: 'Of HAProxy and of the agent, by replica.',
    unit: 'short',
    queries: [
      { expr: 'up{job="frp-gateway"}', legend: 'agent {{pod}}' },
      { expr: 'frp_gateway_haproxy_up', legend: 'HAProxy {{pod}}' },
    ],
    max: 1,
  },
  {
    title: 'Reloads and old processes',
    description: 'Reloads a second of the users’ HAProxy, and its processes from before reloads that still have connections.',
    unit: 'short',
    queries: [
      { expr: rate('frp_gateway_reloads_total', 'pod'), legend: 'reloads/s {{pod}}' },
      { expr: 'frp_gateway_old_processes', legend: 'old processes {{pod}}' },
    ],
  },
  {
    title: 'Handed over',
    description: 'Requests and connections that a replica handed to another, and those that the agent took for HAProxy.',
    unit: 'reqps',
    queries: [
      { expr: `sum(rate(${prefix}_handed_over_total${window}))`, legend: 'requests' },
      { expr: `sum(rate(frp_gateway_handed_over_connections_total${window}))`, legend: 'connections' },
      { expr: `sum(rate(frp_gateway_fallback_connections_total${window}))`, legend: 'taken by the agent' },
    ],
  },
  {
    title: 'Left out',
    description: 'Services that HAProxy does not take, and backends without series of their own.',
    unit: 'short',
    queries: [
      { expr: 'max(frp_gateway_services_refused)', legend: 'services refused' },
      { expr: 'max(frp_gateway_merged_backends)', legend: 'merged backends' },
    ],
  },
];

const control: Panel[] = [
  {
    title: 'Webhook: reviews',
    description: 'By decision.',
    unit: 'reqps',
    queries: [{ expr: rate('frp_webhook_requests_total', 'webhook, decision'), legend: '{{webhook}} {{decision}}' }],
  },
  {
    title: 'Webhook: latency',
    description: '99th percentile.',
    unit: 's',
    queries: [
      { expr: `histogram_quantile(0.99, ${rate('frp_webhook_request_duration_seconds_bucket', 'webhook, le')})`, legend: '{{webhook}}' },
    ],
  },
  {
    title: 'Controller: reconciles',
    description: 'Reconciles a second, and how long one in a hundred takes at least.',
    unit: 'short',
    queries: [
      { expr: `sum(rate(frp_operator_reconcile_duration_seconds_count${window}))`, legend: 'reconciles/s' },
      { expr: `histogram_quantile(0.99, ${rate('frp_operator_reconcile_duration_seconds_bucket', 'le')})`, legend: 'p99, s' },
    ],
  },
  {
    title: 'Controller: calls',
    description: 'Requests to the API server, without watches.',
    unit: 'reqps',
    queries: [{ expr: rate('frp_operator_api_requests_total', 'method'), legend: '{{method}}' }],
  },
  {
    title: 'Certificates',
    description: 'What is left of each.',
    unit: 's',
    queries: [
      { expr: 'min(frp_webhook_certificate_expiry_timestamp_seconds) - time()', legend: 'webhook' },
      { expr: 'min by (certificate) (frp_gateway_certificate_expiry_timestamp_seconds) - time()', legend: 'gateway {{certificate}}' },
    ],
  },
  {
    title: 'CPU and memory',
    description: 'Of the programs, without HAProxy and frps.',
    unit: 'short',
    queries: [
      { expr: rate('process_cpu_seconds_total{job=~"frp-.+"}', 'job'), legend: 'cores {{job}}' },
      { expr: 'sum by (job) (process_resident_memory_bytes{job=~"frp-.+"}) / 2^30', legend: 'GiB {{job}}' },
    ],
  },
];

export const fleetDashboard: Dashboard = {
  uid: 'frp-k8s-fleet',
  title: 'frp-k8s fleet',
  description: 'All services, the gateway’s replicas, webhook and controller.',
  variables: [],
  rows: [
    { title: 'Services', panels: services },
    { title: 'Gateway', panels: gateway },
    { title: 'Webhook, controller, certificates', panels: control },
  ],
};
