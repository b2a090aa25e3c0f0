/** Series by which each alert fires, and by which none does, in promtool's notation: a sample a minute. */

export interface AlertCase {
  alert: string;
  input: Record<string, string>;
  /** when it is looked at */
  at: string;
  /** that the alert then has */
  labels?: Record<string, string>;
}

const web = 'namespace="shop",name="web"';
const labels = { namespace: 'shop', name: 'web' };
const job = (name: string) => `up{job="${name}",instance="a:80",pod="${name}-0"}`;
const agent = 'job="frp-gateway",pod="frp-gateway-0"';
const responses = (code: string) => `frp_distributed_service_responses_total{${web},code="${code}"}`;
const bucket = (le: string) =>
  `frp_distributed_service_request_duration_seconds_bucket{${web},backend="10.0.0.1:80",cluster="",le="${le}"}`;
const reviews = (decision: string) => `frp_webhook_requests_total{webhook="pods",operation="CREATE",decision="${decision}",reason="Fine"}`;
const reviewTimes = (le: string) => `frp_webhook_request_duration_seconds_bucket{webhook="pods",le="${le}"}`;
/** Seconds since 1970, where the tests begin. */
const ends = (days: number) => `${days * 86_400}x400`;

export const alertCases: readonly AlertCase[] = [
  { alert: 'FrpWebhookDown', input: { [job('frp-webhook')]: '1 0x10' }, at: '5m', labels: { job: 'frp-webhook' } },
  // It is not there any more.
  { alert: 'FrpWebhookDown', input: { [job('frp-webhook')]: '1x10 _x20' }, at: '22m', labels: { job: 'frp-webhook' } },
  { alert: 'FrpControllerDown', input: { [job('frp-controller')]: '0x10' }, at: '6m' },
  { alert: 'FrpGatewayDown', input: { [job('frp-gateway')]: '0x10' }, at: '3m', labels: { pod: 'frp-gateway-0' } },
  { alert: 'FrpGatewayDown', input: { [job('frp-gateway')]: '1x10 _x20' }, at: '20m' },
  {
    alert: 'FrpGatewayHaproxyDown',
    input: { 'frp_gateway_haproxy_up{pod="frp-gateway-1"}': '0x10' },
    at: '3m',
    labels: { pod: 'frp-gateway-1' },
  },
  {
    alert: 'FrpOpenFilesNearLimit',
    input: { [`process_open_fds{${agent}}`]: '900x20', [`process_max_fds{${agent}}`]: '1024x20' },
    at: '11m',
    labels: { job: 'frp-gateway', pod: 'frp-gateway-0' },
  },
  {
    alert: 'FrpLinkDown',
    input: { 'frp_operator_gateway_link_up{gateway="gw.example.com"}': '0x10' },
    at: '6m',
    labels: { gateway: 'gw.example.com' },
  },
  {
    alert: 'FrpWebhookErrors',
    input: { [reviews('failed')]: '0+1x20', [reviews('allowed')]: '0+50x20' },
    at: '12m',
    labels: { webhook: 'pods' },
  },
  {
    alert: 'FrpWebhookSlow',
    input: { [reviewTimes('2.5')]: '0+90x30', [reviewTimes('10')]: '0+100x30', [reviewTimes('+Inf')]: '0+100x30' },
    at: '20m',
  },
  {
    alert: 'FrpReconcileErrors',
    input: { 'frp_operator_reconcile_errors_total{error_type="Forbidden"}': '0+2x60' },
    at: '30m',
    labels: { error_type: 'Forbidden' },
  },
  { alert: 'FrpCertificateExpiresSoon', input: { frp_webhook_certificate_expiry_timestamp_seconds: ends(4) }, at: '2h' },
  {
    alert: 'FrpCertificateExpiresSoon',
    input: { 'frp_gateway_certificate_expiry_timestamp_seconds{certificate="server"}': ends(4) },
    at: '2h',
    labels: { certificate: 'server' },
  },
  {
    alert: 'FrpCertificateExpires',
    input: { [`frp_gateway_users_certificate_expiry_timestamp_seconds{${web}}`]: '80000x100' },
    at: '1h',
    labels,
  },
  { alert: 'FrpConfigurationRefused', input: { 'frp_gateway_services_refused{pod="frp-gateway-0"}': '1x20' }, at: '6m' },
  {
    alert: 'FrpSidecarsRefused',
    input: { 'frp_gateway_refusals_total{reason="NoPod"}': '0+2x60' },
    at: '30m',
    labels: { reason: 'NoPod' },
  },
  {
    alert: 'FrpGatewayConnectionsNearLimit',
    input: { 'frp_gateway_connections{pod="a"}': '90x20', 'frp_gateway_connections_max{pod="a"}': '100x20' },
    at: '6m',
  },
  { alert: 'FrpSeriesMerged', input: { 'frp_gateway_merged_backends{pod="a"}': '3x100' }, at: '65m' },
  { alert: 'FrpNoHealthyBackend', input: { [`frp_distributed_service_backends{${web},state="healthy"}`]: '0x10' }, at: '4m', labels },
  { alert: 'FrpNoPrimary', input: { [`frp_distributed_service_primaries{${web}}`]: '2x10' }, at: '4m', labels },
  { alert: 'FrpNoPrimary', input: { [`frp_distributed_service_primaries{${web}}`]: '0x10' }, at: '4m', labels },
  { alert: 'FrpBackendsUnregistered', input: { [`frp_distributed_service_unregistered_backends{${web}}`]: '1x10' }, at: '6m', labels },
  { alert: 'FrpPodsOutdated', input: { [`frp_distributed_service_outdated_pods{${web},pod="web-0"}`]: '1x100' }, at: '62m', labels },
  { alert: 'FrpServicesFailed', input: { 'frp_operator_managed_services{state="Failed"}': '1x20' }, at: '12m' },
  { alert: 'FrpErrorRatioHigh', input: { [responses('2xx')]: '0+90x30', [responses('5xx')]: '0+10x30' }, at: '15m', labels },
  {
    alert: 'FrpLatencyHigh',
    input: { [bucket('2.5')]: '0+90x30', [bucket('5')]: '0+100x30', [bucket('+Inf')]: '0+100x30' },
    at: '20m',
    labels,
  },
  // An objective of its own.
  {
    alert: 'FrpLatencyHigh',
    input: {
      [bucket('0.5')]: '0+90x30',
      [bucket('1')]: '0+100x30',
      [bucket('+Inf')]: '0+100x30',
      [`frp:latency_objective_seconds{${web}}`]: '0.2x30',
    },
    at: '20m',
    labels,
  },
  { alert: 'FrpErrorBudgetBurnsFast', input: { [responses('2xx')]: '0+98x120', [responses('5xx')]: '0+2x120' }, at: '70m', labels },
  { alert: 'FrpErrorBudgetBurnsSlowly', input: { [responses('2xx')]: '0+998x500', [responses('5xx')]: '0+2x500' }, at: '480m', labels },
];

export const silentCases: readonly AlertCase[] = [
  {
    alert: 'FrpOpenFilesNearLimit',
    input: { [`process_open_fds{${agent}}`]: '500x20', [`process_max_fds{${agent}}`]: '1024x20' },
    at: '15m',
  },
  // There never was a gateway.
  { alert: 'FrpGatewayDown', input: { [job('frp-webhook')]: '1x60' }, at: '50m' },
  { alert: 'FrpGatewayDown', input: { [job('frp-gateway')]: '1 1 0 1x60' }, at: '50m' },
  // One of two replicas.
  { alert: 'FrpWebhookDown', input: { [job('frp-webhook')]: '1x60', 'up{job="frp-webhook",instance="b:80"}': '0x60' }, at: '50m' },
  { alert: 'FrpCertificateExpiresSoon', input: { frp_webhook_certificate_expiry_timestamp_seconds: ends(8) }, at: '2h' },
  { alert: 'FrpErrorRatioHigh', input: { [responses('2xx')]: '0+990x30', [responses('5xx')]: '0+1x30' }, at: '15m' },
  // Nobody asks.
  { alert: 'FrpErrorRatioHigh', input: { [responses('2xx')]: '10x30', [responses('5xx')]: '10x30' }, at: '15m' },
  { alert: 'FrpLatencyHigh', input: { [bucket('2.5')]: '10x30', [bucket('+Inf')]: '100x30' }, at: '20m' },
  {
    alert: 'FrpLatencyHigh',
    input: {
      [bucket('2.5')]: '0+90x30',
      [bucket('5')]: '0+100x30',
      [bucket('+Inf')]: '0+100x30',
      [`frp:latency_objective_seconds{${web}}`]: '30x30',
    },
    at: '20m',
  },
  {
    alert: 'FrpErrorBudgetBurnsFast',
    input: { [responses('2xx')]: '0+98x120', [responses('5xx')]: '0+2x120', [`frp:availability_objective{${web}}`]: '0.9x120' },
    at: '70m',
  },
  { alert: 'FrpErrorBudgetBurnsSlowly', input: { [responses('2xx')]: '0+9999x500', [responses('5xx')]: '0+1x500' }, at: '480m' },
  { alert: 'FrpNoHealthyBackend', input: { [`frp_distributed_service_backends{${web},state="healthy"}`]: '1x10' }, at: '4m' },
  { alert: 'FrpReconcileErrors', input: { 'frp_operator_reconcile_errors_total{error_type="Conflict"}': '0 1 2 3x60' }, at: '30m' },
];
