/** What the chart's values change in the objects of the kustomize bases. */
import { networkPolicyConditions, networkPolicyEdits } from './network-policies.ts';
import type { Edit, Json, Manifest, Template } from './template.ts';

const at = (object: Json, ...path: (string | number)[]): Manifest => {
  let node: Json = object;
  for (const key of path) node = (node as Record<string | number, Json>)[key]!;
  return node as Manifest;
};
const podOf = (object: Manifest): Manifest => at(object, 'spec', 'template', 'spec');
const containersOf = (pod: Manifest): Manifest[] => [...((pod.initContainers ?? []) as Manifest[]), ...(pod.containers as Manifest[])];
const only = (template: Template, node: Manifest, key: string, condition: string): void => {
  node[key] = template.only(condition, node[key]!);
};
const image = (template: Template, values: string, fallback = '""'): string =>
  template.value(`include "frp-k8s.image" (dict "image" ${values} "tag" ${fallback}) | quote`);

/** What every Pod of the chart has alike. @param values such as `.Values.webhook` */
function workload(object: Manifest, template: Template, values: string, config: string): void {
  const pod = podOf(object);
  const metadata = at(object, 'spec', 'template', 'metadata');
  // A changed configuration rolls the Pods.
  metadata.annotations = template.block(`merge (dict "checksum/config" (include "${config}" . | sha256sum)) ${values}.podAnnotations`);
  metadata.labels = template.block(
    `merge (dict ${Object.entries(metadata.labels as Record<string, string>)
      .flatMap(([key, value]) => [JSON.stringify(key), JSON.stringify(value)])
      .join(' ')}) ${values}.podLabels`,
  );
  pod.priorityClassName = template.value('include "frp-k8s.priorityClass" .');
  pod.imagePullSecrets = template.optional('.Values.imagePullSecrets');
  for (const key of ['nodeSelector', 'tolerations', 'affinity']) pod[key] = template.optional(`${values}.${key}`);
  if (pod.topologySpreadConstraints !== undefined) pod.topologySpreadConstraints = template.optional(`${values}.topologySpreadConstraints`);
  platformUsers(pod, template);
}

function platformUsers(pod: Manifest, template: Template): void {
  const context = pod.securityContext as Manifest;
  for (const key of ['runAsUser', 'runAsGroup', 'fsGroup'])
    if (context[key] !== undefined) only(template, context, key, 'not .Values.openshift');
}

function ofProgram(container: Manifest, template: Template, image_: string, resources: string, pull: string): void {
  container.image = image_;
  container.imagePullPolicy = template.optional(pull);
  container.resources = template.block(resources);
}

const program = (template: Template): string => image(template, '.Values.image', '$.Chart.AppVersion');

const webhook: Edit = (object, template) => {
  at(object, 'spec').replicas = template.value('.Values.webhook.replicas');
  workload(object, template, '.Values.webhook', 'frp-k8s.config');
  const pod = podOf(object);
  const [container] = containersOf(pod) as [Manifest];
  ofProgram(container, template, program(template), '.Values.webhook.resources', '.Values.image.pullPolicy');
  const isManaged = '.Values.certManager.enabled';
  (pod.securityContext as Manifest).fsGroup = template.only(`and ${isManaged} (not .Values.openshift)`, 65532);
  container.env = template.only(isManaged, [
    { name: 'FRPK8S_TLS_CERT_FILE', value: '/etc/frp-k8s-tls/tls.crt' },
    { name: 'FRPK8S_TLS_KEY_FILE', value: '/etc/frp-k8s-tls/tls.key' },
  ]);
  (container.volumeMounts as Json[]).unshift(template.only(isManaged, { name: 'tls', mountPath: '/etc/frp-k8s-tls', readOnly: true }));
  (pod.volumes as Json[]).unshift(template.only(isManaged, { name: 'tls', secret: { secretName: 'frp-webhook-tls', defaultMode: 0o440 } }));
};

const controller: Edit = (object, template) => {
  at(object, 'spec').replicas = template.value('.Values.controller.replicas');
  workload(object, template, '.Values.controller', 'frp-k8s.config');
  const [container] = containersOf(podOf(object)) as [Manifest];
  ofProgram(container, template, program(template), '.Values.controller.resources', '.Values.image.pullPolicy');
  container.env = template.only('.Values.secretsByNamespace', [{ name: 'FRPK8S_CONTROLLER_SECRETS', value: 'namespaces' }]);
};

const gateway: Edit = (object, template) => {
  at(object, 'spec').replicas = template.value('.Values.gateway.replicas');
  workload(object, template, '.Values.gateway', 'frp-gateway.files');
  const pod = podOf(object);
  const byName = new Map(containersOf(pod).map((container) => [container.name as string, container]));
  const haproxy = image(template, '.Values.gateway.haproxy');
  byName.get('haproxy-program')!.image = haproxy;
  const pull = '.Values.gateway.haproxy.pullPolicy';
  ofProgram(byName.get('haproxy')!, template, haproxy, '.Values.gateway.resources.users', pull);
  ofProgram(byName.get('tunnel')!, template, haproxy, '.Values.gateway.resources.tunnel', pull);
  ofProgram(
    byName.get('frps')!,
    template,
    image(template, '.Values.gateway.frps'),
    '.Values.gateway.resources.frps',
    '.Values.gateway.frps.pullPolicy',
  );
  ofProgram(byName.get('agent')!, template, program(template), '.Values.gateway.resources.agent', '.Values.image.pullPolicy');
};

const users: Edit = (object, template) => {
  const spec = at(object, 'spec');
  spec.type = template.value('.Values.gateway.service.type');
  spec.loadBalancerClass = template.optional('.Values.gateway.service.loadBalancerClass');
  at(object, 'metadata').annotations = template.optional('.Values.gateway.service.annotations');
  (spec.ports as Json[]).push(template.more('.Values.gateway.service.ports'));
};

const budget =
  (values: string): Edit =>
  (object, template) => {
    at(object, 'spec').maxUnavailable = template.value(`${values}.podDisruptionBudget.maxUnavailable`);
  };

/** Both configurations: what API server and cert-manager are told of the webhooks. */
const webhooks: Edit = (object, template) => {
  at(object, 'metadata').annotations = template.only('.Values.certManager.enabled', {
    'cert-manager.io/inject-ca-from': 'frp-system/frp-webhook',
  });
  for (const each of object.webhooks as Manifest[]) {
    each.timeoutSeconds = template.value('.Values.webhook.timeoutSeconds');
    if (each.failurePolicy === 'Fail') each.failurePolicy = template.value('.Values.webhook.failurePolicy');
    if (!/pods|workloads/.test(each.name as string)) continue;
    (at(each, 'namespaceSelector').matchExpressions as Json[]).push(template.more('$.Values.webhook.namespaceSelector'));
    if (/pods/.test(each.name as string)) (each.matchConditions as Json[]).push(template.more('$.Values.webhook.matchConditions'));
  }
};

/** What frp-k8s does not write with cert-manager, it has no right to. */
const webhookRights: Edit = (object, template) => {
  const rules = object.rules as Json[];
  const index = rules.findIndex((rule) => JSON.stringify(rule).includes('mutatingwebhookconfigurations'));
  rules[index] = template.only('not .Values.certManager.enabled', rules[index]!);
};

const frpServer: Edit = (object, template) => {
  const pod = podOf(object);
  platformUsers(pod, template);
  at(object, 'spec', 'template', 'metadata').annotations = template.block(
    'dict "checksum/config" (.Files.Get "files/frp-server/frps.toml" | sha256sum)',
  );
  pod.priorityClassName = template.value('include "frp-k8s.priorityClass" .');
  pod.imagePullSecrets = template.optional('.Values.imagePullSecrets');
  const [container] = containersOf(pod) as [Manifest];
  ofProgram(
    container,
    template,
    image(template, '.Values.frpServer.image'),
    '.Values.frpServer.resources',
    '.Values.frpServer.image.pullPolicy',
  );
};

const customResource: Edit = (object, template) => {
  const metadata = at(object, 'metadata');
  metadata.annotations = template.only('.Values.crds.keep', {
    ...(metadata.annotations as Manifest | undefined),
    'helm.sh/resource-policy': 'keep',
  });
};

/** By kind and name. */
const edits: Readonly<Record<string, Edit>> = {
  'CustomResourceDefinition distributedservices.frp.io': customResource,
  'Deployment frp-webhook': webhook,
  'Deployment frp-controller': controller,
  'StatefulSet frp-gateway': gateway,
  'Deployment frp-server': frpServer,
  'Service frp-gateway-users': users,
  'Service frp-server': (object, template) =>
    void (at(object, 'spec').ports as unknown as Json[]).push(template.more('.Values.frpServer.ports')),
  'PodDisruptionBudget frp-webhook': budget('.Values.webhook'),
  'PodDisruptionBudget frp-gateway': budget('.Values.gateway'),
  'MutatingWebhookConfiguration frp-k8s': webhooks,
  'ValidatingWebhookConfiguration frp-k8s': webhooks,
  'ClusterRole frp-k8s-webhook': webhookRights,
  'Certificate frp-webhook': (object, template) => {
    const spec = at(object, 'spec');
    const own = Object.entries(spec.issuerRef as Record<string, string>).flatMap(([key, value]) => [
      JSON.stringify(key),
      JSON.stringify(value),
    ]);
    spec.issuerRef = template.block(`.Values.certManager.issuerRef | default (dict ${own.join(' ')})`);
  },
  ...networkPolicyEdits,
  'PriorityClass frp-k8s': (object, template) => void (object.value = template.value('int .Values.priorityClass.value')),
};

/** On which condition an object is there; absent: always. By kind and name, or by kind, name and namespace. */
const conditions: Readonly<Record<string, string>> = {
  'CustomResourceDefinition distributedservices.frp.io': '.Values.crds.install',
  'PriorityClass frp-k8s': 'and .Values.priorityClass.create (not .Values.priorityClass.name)',
  'PodDisruptionBudget frp-webhook': '.Values.webhook.podDisruptionBudget.enabled',
  'PodDisruptionBudget frp-gateway': '.Values.gateway.podDisruptionBudget.enabled',
  'NetworkPolicy frp-controller': '.Values.networkPolicy.enabled',
  ...networkPolicyConditions,
  'ClusterRoleBinding frp-k8s-secrets': 'not .Values.secretsByNamespace',
  'RoleBinding frp-k8s-secrets frp-system': '.Values.secretsByNamespace',
  'Role frp-k8s-webhook': 'not .Values.certManager.enabled',
  'RoleBinding frp-k8s-webhook': 'not .Values.certManager.enabled',
  'Namespace frp-gateway': '.Values.gateway.createNamespace',
  'Issuer frp-webhook': 'not .Values.certManager.issuerRef',
  'Issuer frp-webhook-ca': 'not .Values.certManager.issuerRef',
  'Certificate frp-webhook-ca': 'not .Values.certManager.issuerRef',
};

export const namesOf = (object: Manifest): string[] => {
  const { name, namespace } = object.metadata as Record<string, string>;
  return [`${object.kind as string} ${name} ${namespace}`, `${object.kind as string} ${name}`];
};

/** The object as a template. Changes the object. */
export function edited(object: Manifest, template: Template): string {
  const own = namesOf(object);
  for (const name of own) edits[name]?.(object, template);
  const condition = own.map((name) => conditions[name]).find((each) => each !== undefined);
  const text = template.text(inNamespaces(object, template));
  return condition === undefined ? text : `{{- if ${condition} }}\n${text}{{- end }}\n`;
}

/**
 * The namespaces that the release says. The installation's has a name that nothing else has; the gateway's is also what its
 * objects are called, so there it is told by where it stands: a namespace, or a name in quotation marks in an expression.
 */
function inNamespaces(object: Manifest, template: Template): Manifest {
  const release = template.value('$.Release.Namespace');
  const gatewayNamespace = template.value('$.Values.gateway.namespace');
  const visit = (value: Json, key: string): Json => {
    if (Array.isArray(value)) return value.map((item) => visit(item, key));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, visit(each, name)]));
    if (typeof value !== 'string') return value;
    const isGateway =
      value === 'frp-gateway' &&
      (key === 'namespace' || key === 'kubernetes.io/metadata.name' || (object.kind === 'Namespace' && key === 'name'));
    const text = isGateway ? gatewayNamespace : value.replaceAll('frp-system', release);
    return /Policy$/.test(object.kind as string) ? text.replaceAll("'frp-gateway'", `'${gatewayNamespace}'`) : text;
  };
  return visit(object, '') as Manifest;
}
