/**
 * Alerts of services. Objectives are those below, or for a service what a rule of the user's own records under the names
 * here with the labels namespace and name (docs/operations/monitoring.md).
 */
import type { Alert, Recording, RuleGroup } from './rule.ts';

/** Of answers that are not 5xx; seconds that 99 of 100 requests take at most. */
export const defaultObjectives = { availability: 0.999, latency: 2.5 };
export const objectiveNames = { availability: 'frp:availability_objective', latency: 'frp:latency_objective_seconds' } as const;

const prefix = 'frp_distributed_service';
export const errorRatio = (window: string): string => `${prefix}:error_ratio:rate${window}`;
export const p99 = `${prefix}:request_duration_seconds:p99_5m`;
const windows = ['5m', '30m', '1h', '6h', '3d'] as const;
type Window = (typeof windows)[number];

const ratio = (window: Window): Recording => ({
  record: errorRatio(window),
  expr: `sum by (namespace, name) (rate(${prefix}_responses_total{code="5xx"}[${window}])) / sum by (namespace, name) (rate(${prefix}_responses_total[${window}]))`,
});
const latency: Recording = {
  record: p99,
  expr: `histogram_quantile(0.99, sum by (namespace, name, le) (rate(${prefix}_request_duration_seconds_bucket[5m])))`,
};

/** The objective of each service that `of` has. */
const objective = (name: keyof typeof objectiveNames, of: string): string =>
  `(${objectiveNames[name]} or ${of} * 0 + ${defaultObjectives[name]})`;
/** Errors so many times as fast as the objective allows over its month. */
const burns = (window: Window, times: number): string =>
  `${errorRatio(window)} > on (namespace, name) ${times} * (1 - ${objective('availability', errorRatio(window))})`;
const bothBurn = (long: Window, short: Window, times: number): string => `(${burns(long, times)} and ${burns(short, times)})`;

const service = '{{ $labels.namespace }}/{{ $labels.name }}';
const describe = '`kubectl -n NAMESPACE describe dsvc NAME`: conditions and Events name each backend and why';
const panel = 'Dashboard frp-k8s service, with the service chosen';

const noHealthyBackend: Alert = {
  alert: 'FrpNoHealthyBackend',
  expr: `max by (namespace, name) (${prefix}_backends{state=~"healthy|partial"}) == 0`,
  for: '2m',
  severity: 'critical',
  summary: `${service} has no healthy backend`,
  description: 'Users get 503, or no connection.',
  meaning: 'No Pod, endpoint or machine of the service is online and passes its health check.',
  look: [
    describe,
    '`kubectl -n NAMESPACE get pods`: are they Ready, is the sidecar up?',
    '`kubectl -n NAMESPACE logs POD -c frpc --tail=20`',
  ],
  act: [
    '`GET … answered …`: mend the app, or `loadBalancing.healthCheck`.',
    'No Pods: scale the Deployment up; or mend what the webhook says when they are created.',
    'Sidecars do not reach the server: FrpGatewayDown, NetworkPolicies, DNS.',
  ],
};

const primary: Alert = {
  alert: 'FrpNoPrimary',
  expr: `max by (namespace, name) (${prefix}_primaries) != 1`,
  for: '2m',
  severity: 'critical',
  summary: `{{ $value }} backends of ${service} say that they are the primary`,
  description: 'Nobody can begin to write: that takes one that says so.',
  meaning: 'Who writes already goes on where several say so; new connections to the port for writing are closed. Reading goes on.',
  look: [describe, '`kubectl -n NAMESPACE get pods`: is the primary Ready, and has another one been promoted?'],
  act: [
    'None: promote a replica, or mend what answers for the role (`spec.backends.readWrite.roleCheck`).',
    'Several: end or demote all but the right one. What promotes is to fence; the gateway cannot know which one is right.',
  ],
};

const unregistered: Alert = {
  alert: 'FrpBackendsUnregistered',
  expr: `max by (namespace, name) (${prefix}_unregistered_backends) > 0`,
  for: '5m',
  severity: 'warning',
  summary: `{{ $value }} backends of ${service} are not registered`,
  description: 'Their Pods run, but the frp server or the gateway does not have them.',
  meaning: 'They take no traffic; the others take it all.',
  look: [describe, '`kubectl -n NAMESPACE logs POD -c frpc --tail=20`: what the server answers', 'Alert FrpSidecarsRefused'],
  act: [
    'Where the sidecar cannot reach the server: NetworkPolicy, DNS, address.',
    'Where it is refused: the reason has its remedy in the guide of the gateway.',
    'Else restart the Pod.',
  ],
};

const outdated: Alert = {
  alert: 'FrpPodsOutdated',
  expr: `count by (namespace, name) (${prefix}_outdated_pods) > 0`,
  for: '1h',
  severity: 'info',
  summary: `{{ $value }} Pods of ${service} run an older configuration`,
  description: 'What the service says now and what their sidecars were given have drifted apart.',
  meaning: 'They serve as the service was before its last change.',
  look: [`\`${prefix}_outdated_pods{namespace="NAMESPACE",name="NAME"}\` names them`, describe],
  act: ['`kubectl -n NAMESPACE rollout restart deployment/NAME`, when it suits.'],
};

const failed: Alert = {
  alert: 'FrpServicesFailed',
  expr: 'max by (state) (frp_operator_managed_services{state="Failed"}) > 0',
  for: '10m',
  severity: 'warning',
  summary: '{{ $value }} services are Failed',
  description: 'Their configuration is not valid, certificates are missing, or every backend is gone.',
  meaning: 'Users of these services are not served.',
  look: ['`kubectl get dsvc -A | grep Failed`', describe],
  act: ['Do what the message of condition Ready says.'],
};

const errors: Alert = {
  alert: 'FrpErrorRatioHigh',
  expr: `${errorRatio('5m')} > 0.05`,
  for: '5m',
  severity: 'critical',
  summary: `{{ $value | humanizePercentage }} of the answers of ${service} are errors`,
  description: 'Answers with 5xx, by the app or by the gateway, over five minutes.',
  meaning: 'Users see errors now.',
  look: [
    panel,
    `\`sum by (backend, code) (rate(${prefix}_backend_responses_total{namespace="NAMESPACE",name="NAME"}[5m]))\`: the app itself, or one backend of many?`,
    describe,
  ],
  act: [
    'The app answers 5xx: its log; roll back.',
    'No backend answers 5xx: it is the gateway that does, because none is up or none answers in time (`advanced.timeout`).',
    'One backend: delete its Pod.',
  ],
};

const slow: Alert = {
  alert: 'FrpLatencyHigh',
  expr: `${p99} > on (namespace, name) ${objective('latency', p99)}`,
  for: '10m',
  severity: 'warning',
  summary: `One request in a hundred of ${service} takes more than {{ $value | humanizeDuration }}`,
  description: 'The 99th percentile over five minutes is above the objective of the service.',
  meaning: 'Users wait longer than they should.',
  look: [
    panel,
    'Panel "Active and queued": do requests wait for a backend?',
    'Panel "Time to first byte": the app is slow, or its answers are long?',
  ],
  act: [
    'More backends, or a higher `loadBalancing` weight of the faster ones.',
    'A service that is slow by nature, such as a model: record an objective of its own.',
  ],
};

const fastBurn: Alert = {
  alert: 'FrpErrorBudgetBurnsFast',
  expr: `${bothBurn('1h', '5m', 14.4)} or ${bothBurn('6h', '30m', 6)}`,
  for: '2m',
  severity: 'critical',
  summary: `${service} uses up its error budget within days`,
  description:
    'Over an hour and five minutes errors come 14.4 times as fast as the objective allows, or 6 times over six hours and half an hour.',
  meaning: 'At this pace the budget of a month is gone in two to five days.',
  look: errors.look,
  act: errors.act,
};

const slowBurn: Alert = {
  alert: 'FrpErrorBudgetBurnsSlowly',
  expr: bothBurn('3d', '6h', 1),
  for: '1h',
  severity: 'warning',
  summary: `${service} uses up its error budget before the month ends`,
  description: 'Over three days and six hours there were more errors than the objective allows.',
  meaning: 'Nothing burns, and the objective will not be met.',
  look: errors.look,
  act: ['Find what fails now and then: by backend, by time of day, at deployments.', 'Or record another objective for the service.'],
};

export const serviceGroups: readonly RuleGroup[] = [
  { name: 'frp-k8s-objectives', title: 'Objectives', rules: [...windows.map(ratio), latency, errors, slow, fastBurn, slowBurn] },
  { name: 'frp-k8s-services', title: 'Services', rules: [noHealthyBackend, primary, unregistered, outdated, failed] },
];
