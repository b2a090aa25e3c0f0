/** Alerts of the programs themselves: webhook, controller, gateway, links, certificates. */
import type { Alert, RuleGroup } from './rule.ts';

/** Whoever was there, within six hours. */
const isGone = (job: string): string => `(absent(up{job="${job}"}) and on() count_over_time(up{job="${job}"}[6h]))`;

const webhookDown: Alert = {
  alert: 'FrpWebhookDown',
  expr: `sum by (job) (up{job="frp-webhook"}) == 0 or ${isGone('frp-webhook')}`,
  for: '2m',
  severity: 'critical',
  summary: 'No replica of the webhook answers',
  description:
    'Prometheus reaches no replica of frp-webhook. Annotated Pods are not created, or come without a sidecar, as failurePolicy says.',
  meaning:
    'New Pods with `frp.io/` annotations are refused or lack their sidecar; changes of DistributedServices are not checked. What runs serves on.',
  look: [
    '`kubectl -n frp-system get pods -l app=frp-webhook` and `kubectl -n frp-system describe pods -l app=frp-webhook`',
    '`kubectl -n frp-system logs -l app=frp-webhook --tail=50`',
  ],
  act: [
    'Mend what keeps the Pods from running (image, quota, node).',
    'Where Prometheus alone is kept out, let its namespace in: `kubectl label namespace NAMESPACE frp.io/metrics=true`.',
  ],
};

const controllerDown: Alert = {
  alert: 'FrpControllerDown',
  expr: `sum by (job) (up{job="frp-controller"}) == 0 or ${isGone('frp-controller')}`,
  for: '5m',
  severity: 'warning',
  summary: 'No replica of the controller answers',
  description: 'Prometheus reaches no replica of frp-controller. Statuses stand still and certificates are not renewed.',
  meaning: 'Users are served on. Nothing new is provisioned: Secrets of new services, renewed certificates, statuses.',
  look: ['`kubectl -n frp-system get pods -l app=frp-controller`', '`kubectl -n frp-system logs -l app=frp-controller --tail=50`'],
  act: [
    'Mend what keeps the Pods from running.',
    'Where Prometheus alone is kept out by the NetworkPolicy: `kubectl label namespace NAMESPACE frp.io/metrics=true`.',
  ],
};

const gatewayDown: Alert = {
  alert: 'FrpGatewayDown',
  expr: `up{job="frp-gateway"} == 0 or ${isGone('frp-gateway')}`,
  for: '1m',
  severity: 'critical',
  summary: 'A replica of the gateway does not answer: {{ $labels.pod }}',
  description: 'Prometheus does not reach the agent of {{ $labels.pod }} ({{ $labels.instance }}). Its HAProxy may serve on as it was.',
  meaning:
    'Without its agent a replica serves on with the configuration it has; without the Pod the other replicas take its users. With one replica only, users are without service.',
  look: ['`kubectl -n frp-gateway get pods -o wide`', '`kubectl -n frp-gateway logs POD -c agent --tail=50`, and with `--previous`'],
  act: ['Mend the node or what keeps the Pod from running.', 'If one replica is up, users are served: take your time.'],
};

const haproxyDown: Alert = {
  alert: 'FrpGatewayHaproxyDown',
  expr: 'frp_gateway_haproxy_up == 0',
  for: '1m',
  severity: 'critical',
  summary: "The users' HAProxy of {{ $labels.pod }} does not answer its agent",
  description: 'The agent of {{ $labels.pod }} ({{ $labels.instance }}) has had no answer of HAProxy for a minute.',
  meaning: 'This replica serves no users by itself; the agent hands their connections to the other replicas.',
  look: ['`kubectl -n frp-gateway logs POD -c haproxy --tail=50`', '`kubectl -n frp-gateway describe pod POD`: OOMKilled?'],
  act: ['Where memory was short, raise the limit of container `haproxy`.', 'Else delete the Pod: `kubectl -n frp-gateway delete pod POD`.'],
};

const linkDown: Alert = {
  alert: 'FrpLinkDown',
  expr: 'max by (gateway) (frp_operator_gateway_link_up) == 0',
  for: '5m',
  severity: 'warning',
  summary: 'The link to the gateway at {{ $labels.gateway }} is down',
  description: 'This cluster cannot tell the gateway at {{ $labels.gateway }} what it wants, nor hear how its services are.',
  meaning:
    'The gateway serves on with what it knows. Changes of services, Secrets and Pods do not reach it, and tunnels of new Pods are refused.',
  look: [
    '`kubectl get dsvc -A -o wide`: condition NetworkReady has why',
    '`kubectl -n frp-system logs -l app=frp-controller --tail=200 | grep -i link`',
  ],
  act: [
    'Mend the way to the gateway (address, port, proxy, certificate), as the message says.',
    'Where the cluster was removed from the gateway, join it again with a new token.',
  ],
};

const filesFull: Alert = {
  alert: 'FrpOpenFilesNearLimit',
  expr: 'process_open_fds{job=~"frp-(webhook|controller|gateway)"} / process_max_fds{job=~"frp-(webhook|controller|gateway)"} > 0.8',
  for: '10m',
  severity: 'warning',
  summary: '{{ $labels.pod }} of {{ $labels.job }} has {{ $value | humanizePercentage }} of the files open that it may have',
  description:
    'Connections count as files. {{ $labels.pod }} ({{ $labels.instance }}) opens more of them than its limit (RLIMIT_NOFILE) has room for.',
  meaning:
    'Nothing is wrong yet. At the limit the webhook, the controller or the agent takes no further connection and reads no further file.',
  look: [
    '`process_open_fds{job=~"frp-.+"}`: does it grow all the time, or with the number of Pods?',
    '`kubectl -n NAMESPACE logs POD --tail=200`: errors with EMFILE',
  ],
  act: [
    'It grows with the number of Pods: raise the limit of open files of the container runtime on the nodes (LimitNOFILE).',
    'It grows all the time: delete the Pod, the others serve meanwhile, and report it with the log.',
  ],
};

const webhookErrors: Alert = {
  alert: 'FrpWebhookErrors',
  expr: 'sum by (webhook) (rate(frp_webhook_requests_total{decision="failed"}[5m])) / sum by (webhook) (rate(frp_webhook_requests_total[5m])) > 0.01',
  for: '5m',
  severity: 'critical',
  summary: 'The webhook {{ $labels.webhook }} fails at {{ $value | humanizePercentage }} of its reviews',
  description: 'Reviews by {{ $labels.webhook }} end with an error of the program itself, not with a refusal.',
  meaning: 'Objects are refused, or pass unchanged, for no fault of theirs.',
  look: ['`kubectl -n frp-system logs -l app=frp-webhook | grep \'"decision":"failed"\'`: reason and details'],
  act: ['Mend what the reason names (the API server out of reach, memory).', 'Where there is no such reason, report it with the log line.'],
};

const webhookSlow: Alert = {
  alert: 'FrpWebhookSlow',
  expr: 'histogram_quantile(0.99, sum by (webhook, le) (rate(frp_webhook_request_duration_seconds_bucket[5m]))) > 2.5',
  for: '10m',
  severity: 'warning',
  summary: 'One review in a hundred by {{ $labels.webhook }} takes more than 2.5 s',
  description:
    'The 99th percentile is {{ $value | humanizeDuration }}. The API server waits 10 s, and two of them are allowed for a group that is not there yet.',
  meaning: 'Creating Pods is slow, and fails when reviews take longer than the API server waits.',
  look: ['Panels "Webhook: latency" and "CPU" of dashboard frp-k8s fleet', '`kubectl -n frp-system top pods -l app=frp-webhook`'],
  act: [
    'More replicas, or a higher CPU request of frp-webhook.',
    'Many reviews that wait for a group: create DistributedServices before the Pods that name them.',
  ],
};

const reconcileErrors: Alert = {
  alert: 'FrpReconcileErrors',
  expr: 'sum by (error_type) (increase(frp_operator_reconcile_errors_total[15m])) > 10',
  for: '10m',
  severity: 'warning',
  summary: 'The controller keeps failing: {{ $labels.error_type }}',
  description: '{{ $value | humanize }} reconciles of the last 15 minutes ended with {{ $labels.error_type }}.',
  meaning:
    'Some services are not brought to what they say, and their status may be old. Single failures are tried again and are nothing unusual.',
  look: ["`kubectl -n frp-system logs -l app=frp-controller | grep 'reconciling failed'`: `key` is the service, `err` the reason"],
  act: [
    'Forbidden: apply the manifests again, the rights are not those of this version.',
    'Conflict, again and again: another program writes the same objects; find it by `kubectl get … -o yaml --show-managed-fields`.',
  ],
};

const expiry =
  '(frp_webhook_certificate_expiry_timestamp_seconds or frp_gateway_certificate_expiry_timestamp_seconds or frp_gateway_users_certificate_expiry_timestamp_seconds)';
const whose = '{{ $labels.certificate }}{{ if $labels.name }}of {{ $labels.namespace }}/{{ $labels.name }}{{ end }}';

const certificateSoon: Alert = {
  alert: 'FrpCertificateExpiresSoon',
  expr: `${expiry} - time() < 5 * 86400`,
  for: '1h',
  severity: 'warning',
  summary: `A certificate ends in {{ $value | humanizeDuration }}: {{ $labels.job }} ${whose}`,
  description: 'It should have been renewed: the installation renews its own with a week left.',
  meaning: 'Until it ends nothing is wrong. Then webhooks are not called, tunnels do not open, or users see a warning.',
  look: [
    '`kubectl get dsvc -A -o wide`: reason CertificateExpiresSoon',
    '`kubectl -n frp-system get secrets` and `kubectl get certificates -A` with cert-manager',
  ],
  act: [
    'A certificate of your own (expose.tls, mode manual): have it renewed, write the Secret; nothing is restarted.',
    'One of the installation: is the controller up, and may it write Secrets? Its log says so.',
    'Where `certificates.lifetime` is days only, raise the threshold in an overlay.',
  ],
};

const certificateEnds: Alert = {
  ...certificateSoon,
  alert: 'FrpCertificateExpires',
  expr: `${expiry} - time() < 86400`,
  for: '10m',
  severity: 'critical',
  description: 'Less than a day is left.',
};

const configurationRefused: Alert = {
  alert: 'FrpConfigurationRefused',
  expr: 'max by (pod, instance) (frp_gateway_services_refused) > 0',
  for: '5m',
  severity: 'warning',
  summary: '{{ $value }} services are left out by the gateway',
  description: 'HAProxy does not take their configuration. Everybody else is served.',
  meaning: 'Users of these services get 404, or what was there before.',
  look: [
    '`kubectl get dsvc -A | grep -v Running`: condition ConfigurationValid, reason GatewayRefused, has the words of HAProxy',
    "`kubectl -n frp-gateway logs POD -c agent | grep 'is not served'`",
  ],
  act: ['Change the service as the message says.', 'Where nothing is wrong with it, report it: the webhook should have refused it.'],
};

const sidecarsRefused: Alert = {
  alert: 'FrpSidecarsRefused',
  expr: 'sum by (reason) (increase(frp_gateway_refusals_total[10m])) > 5',
  for: '10m',
  severity: 'warning',
  summary: 'The gateway turns sidecars away: {{ $labels.reason }}',
  description: '{{ $value | humanize }} logins or proxies were refused in ten minutes, for {{ $labels.reason }}.',
  meaning: 'Some Pods do not become backends. Or a stranger tries to join.',
  look: ['`kubectl -n frp-gateway logs POD -c agent | grep \'"event":"refusal"\'`: who, from where, why'],
  act: [
    'Remedies by reason are in the guide of the gateway.',
    'Strangers: nothing gets in; keep the port of tunnels from where no cluster is.',
  ],
};

const connectionsFull: Alert = {
  alert: 'FrpGatewayConnectionsNearLimit',
  expr: 'frp_gateway_connections / frp_gateway_connections_max > 0.8',
  for: '5m',
  severity: 'warning',
  summary: 'The gateway has {{ $value | humanizePercentage }} of the connections that it may have',
  description: '{{ $labels.pod }} ({{ $labels.instance }}) is near its limit, which follows from the memory of container haproxy.',
  meaning: 'Beyond it, new users wait until others go.',
  look: ['Panel "Connections" of dashboard frp-k8s fleet', 'Panel "Active and queued" of the services: whose are they?'],
  act: ['Raise the memory limit of container `haproxy`, or add a replica.', 'One service has them all: give it `rateLimit`.'],
};

const merged: Alert = {
  alert: 'FrpSeriesMerged',
  expr: 'max by (pod, instance) (frp_gateway_merged_backends) > 0',
  for: '1h',
  severity: 'info',
  summary: '{{ $value }} backends have no series of their own',
  description: 'There are more backends than have metrics each; the others are together under backend="other" of their service.',
  meaning: 'Users notice nothing. Panels by backend are incomplete, sums are right.',
  look: ['`topk(10, sum by (namespace, name) (frp_gateway_members))`'],
  act: ['Nothing has to be done.'],
};

export const partGroups: readonly RuleGroup[] = [
  { name: 'frp-k8s-parts', title: 'Parts', rules: [webhookDown, controllerDown, gatewayDown, haproxyDown, linkDown, filesFull] },
  { name: 'frp-k8s-control', title: 'Webhook and controller', rules: [webhookErrors, webhookSlow, reconcileErrors] },
  { name: 'frp-k8s-certificates', title: 'Certificates', rules: [certificateSoon, certificateEnds] },
  { name: 'frp-k8s-gateway', title: 'Gateway', rules: [configurationRefused, sidecarsRefused, connectionsFull, merged] },
];
