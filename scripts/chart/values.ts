/** The values of the chart: their defaults, what they mean, and what they may be. From here come values.yaml and values.schema.json. */
import * as z from 'zod';

const anything = z.record(z.string(), z.unknown());
const list = z.array(anything);
const map = z.record(z.string(), z.string());
const count = (most: number) => z.int().min(1).max(most);

const resources = (cpu: string, memory: string, limit: string) =>
  anything.default({ requests: { cpu, memory }, limits: { memory: limit } }).describe('Requests and limits of the container.');

const spread = (app: string, ...keys: string[]) =>
  list
    .default(
      keys.map((topologyKey) => ({
        maxSkew: 1,
        topologyKey,
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { app } },
      })),
    )
    .describe('How the replicas are spread over nodes and zones.');

const scheduling = {
  nodeSelector: map.default({}).describe('Labels of the nodes that it may run on.'),
  tolerations: list.default([]).describe('Taints that it tolerates.'),
  affinity: anything.default({}).describe('Affinity and anti-affinity.'),
  podAnnotations: map.default({}).describe('Annotations of its Pods.'),
  podLabels: map.default({}).describe('Further labels of its Pods.'),
};

const disruption = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether there is one.'),
    maxUnavailable: z
      .union([z.int().min(0), z.string()])
      .default(1)
      .describe('Pods that may be away by a voluntary disruption.'),
  })
  .prefault({})
  .describe('PodDisruptionBudget.');

const imageValue = (repository: string, tag: string, what: string) =>
  z
    .strictObject({
      repository: z.string().min(1).default(repository).describe('With its registry, where it is not the default one.'),
      tag: z
        .string()
        .default(tag)
        .describe(tag === '' ? "Default: the chart's appVersion." : 'Tag.'),
      digest: z
        .union([z.literal(''), z.string().regex(/^sha256:[0-9a-f]{64}$/)])
        .default('')
        .describe('sha256:… pins the image, whatever the tag says.'),
      pullPolicy: z.enum(['', 'Always', 'IfNotPresent', 'Never']).default('').describe("Default: Kubernetes' own choice."),
    })
    .prefault({})
    .describe(what);

const tcp = (port: number) => ({ protocol: 'TCP', port });

const destination = (peers: Record<string, unknown>[], ports: Record<string, unknown>[], what: string) =>
  z
    .strictObject({
      peers: list.default(peers).describe('As in a NetworkPolicy: {ipBlock}, {namespaceSelector, podSelector}.'),
      ports: list.min(1).default(ports).describe('As in a NetworkPolicy: {protocol, port}.'),
    })
    .prefault({})
    .describe(what);

const condition = z.strictObject({ name: z.string().min(1), expression: z.string().min(1) });

const webhook = z.strictObject({
  replicas: count(20).default(2).describe('Two or more answer while one is replaced.'),
  failurePolicy: z
    .enum(['Fail', 'Ignore'])
    .default('Fail')
    .describe(
      'Ignore: while no replica answers, annotated Pods start without their sidecar, and services are neither checked nor defaulted.',
    ),
  timeoutSeconds: z.int().min(1).max(30).default(10).describe('How long the API server waits for an answer.'),
  matchConditions: z
    .array(condition)
    .max(32)
    .default([])
    .describe('Further CEL conditions on Pods that the webhooks are asked for (a Pod is asked for when all are true).'),
  namespaceSelector: list.default([]).describe('Further matchExpressions on namespaces whose Pods the webhooks are asked for.'),
  resources: resources('50m', '128Mi', '384Mi'),
  podDisruptionBudget: disruption,
  topologySpreadConstraints: spread('frp-webhook', 'kubernetes.io/hostname', 'topology.kubernetes.io/zone'),
  ...scheduling,
});

const controller = z.strictObject({
  replicas: count(5).default(2).describe('One leads; the others take over.'),
  resources: resources('50m', '128Mi', '512Mi'),
  topologySpreadConstraints: spread('frp-controller', 'kubernetes.io/hostname'),
  ...scheduling,
});

const gateway = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe('A gateway in this cluster. Without it and without a join token, services go through a plain frp server.'),
  namespace: z.string().min(1).max(63).default('frp-gateway').describe('Its own namespace: the agent may read the Secrets in it.'),
  createNamespace: z.boolean().default(true).describe('Whether the chart makes that namespace, with Pod Security restricted.'),
  replicas: count(20)
    .default(2)
    .describe('Each is an address that sidecars dial (config.gateway.addresses, which follows unless it is set).'),
  service: z
    .strictObject({
      type: z
        .enum(['ClusterIP', 'NodePort', 'LoadBalancer'])
        .default('ClusterIP')
        .describe('LoadBalancer for users outside of the cluster.'),
      annotations: map.default({}).describe("For the cloud's load balancer."),
      loadBalancerClass: z.string().default('').describe('Which implementation makes it.'),
      ports: list.default([]).describe('Further ports, one for each service with expose.port: {name, port, protocol}.'),
    })
    .prefault({})
    .describe('Service frp-gateway-users, which users come to.'),
  haproxy: imageValue('docker.io/library/haproxy', '2.6', 'HAProxy, 2.6 or newer.'),
  frps: imageValue('docker.io/fatedier/frps', 'v0.71.0', 'The frp server inside of the gateway.'),
  resources: z
    .strictObject({
      agent: resources('100m', '128Mi', '1Gi'),
      frps: resources('100m', '64Mi', '2Gi'),
      tunnel: resources('100m', '64Mi', '2Gi'),
      users: resources('100m', '128Mi', '1Gi'),
    })
    .prefault({})
    .describe('Of its four containers. What may be held follows from the limits of memory.'),
  podDisruptionBudget: disruption,
  topologySpreadConstraints: spread('frp-gateway', 'kubernetes.io/hostname'),
  ...scheduling,
});

export const valuesSchema = z.strictObject({
  image: imageValue('frp-k8s', '', 'Image of webhooks, controller and the agent of the gateway.'),
  imagePullSecrets: list.default([]).describe('Secrets for the registry, {name: …}, in each namespace that the chart has Pods in.'),
  config: anything
    .default({})
    .describe(
      'The configuration, as docs/reference/configuration.md says. What the chart sets follows from the values below; what is set here wins.',
    ),
  openshift: z
    .boolean()
    .default(false)
    .describe('Users and groups of the processes are chosen by the platform (security context constraints).'),
  crds: z
    .strictObject({
      install: z.boolean().default(true).describe('Whether the chart installs and updates the CRD.'),
      keep: z.boolean().default(true).describe('Whether helm uninstall leaves the CRD, and with it every DistributedService.'),
    })
    .prefault({})
    .describe('CustomResourceDefinition distributedservices.frp.io.'),
  priorityClass: z
    .strictObject({
      create: z.boolean().default(true).describe('Whether the chart makes PriorityClass frp-k8s.'),
      value: z.int().max(1_000_000_000).default(1_000_000).describe('Its value.'),
      name: z.string().default('').describe('Another one that is there already; default: frp-k8s.'),
    })
    .prefault({})
    .describe('Without the webhooks no annotated Pod is created: they go before ordinary workloads.'),
  networkPolicy: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Who may ask the controller for its metrics.'),
      everyPart: z
        .boolean()
        .default(false)
        .describe('For every part, ingress and egress: what docs/guide/security.md lists ("Who dials whom"), and nothing else.'),
      apiServer: destination([], [tcp(443), tcp(6443)], 'The API server, which is no Pod. Without peers: these ports of every address.'),
      dns: destination(
        [
          { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } },
          { ipBlock: { cidr: '169.254.20.10/32' } },
        ],
        [{ protocol: 'UDP', port: 53 }, tcp(53)],
        'The DNS: of kube-system, or NodeLocal DNSCache.',
      ),
      tunnelsFrom: list.default([]).describe('Peers whose tunnels are let in. None: everybody, and their certificates decide.'),
      controllerEgress: list.default([]).describe('Further rules: an API of an frps of yours, a proxy on the way to a gateway.'),
      gatewayEgress: list.default([]).describe('Further rules: issuers at another port than 443, the collector of config.gateway.tracing.'),
    })
    .prefault({})
    .describe('NetworkPolicies.'),
  certManager: z
    .strictObject({
      enabled: z.boolean().default(false).describe("The webhooks' certificate is cert-manager's, which must be there before."),
      issuerRef: anything.default({}).describe('Another issuer than one that the chart makes: {name, kind, group}.'),
    })
    .prefault({})
    .describe('cert-manager.'),
  secretsByNamespace: z
    .boolean()
    .default(false)
    .describe('The controller reads Secrets only where a RoleBinding to ClusterRole frp-k8s-secrets allows it.'),
  webhook: webhook.prefault({}).describe('Deployment frp-webhook.'),
  controller: controller.prefault({}).describe('Deployment frp-controller.'),
  gateway: gateway.prefault({}).describe('StatefulSet frp-gateway.'),
  join: z
    .strictObject({
      token: z
        .string()
        .default('')
        .describe('What `frp-k8s gateway token create` printed. Used once; the chart leaves it out when this cluster has joined.'),
    })
    .prefault({})
    .describe('A gateway elsewhere, which this cluster joins.'),
  frpServer: z
    .strictObject({
      enabled: z.boolean().default(false).describe('Deployment frp-server, for those who need nothing that takes a gateway.'),
      image: imageValue('docker.io/fatedier/frps', 'v0.71.0', 'Its image.'),
      resources: resources('100m', '64Mi', '1Gi'),
      ports: list.default([]).describe('Further ports of its Service, one for each service with expose.port: {name, port, protocol}.'),
    })
    .prefault({})
    .describe('A plain frp server in this cluster.'),
});

interface Node {
  type?: string;
  description?: string;
  default?: unknown;
  properties?: Record<string, Node>;
  enum?: unknown[];
  required?: string[];
}

/** JSON Schema, draft 7, as Helm reads it. */
export function valuesJsonSchema(): object {
  const schema = z.toJSONSchema(valuesSchema, { target: 'draft-7', io: 'input' }) as Node & { properties: Record<string, Node> };
  // Helm gives subcharts `global`.
  schema.properties.global = { type: 'object', description: "Helm's own." };
  return schema;
}

/** values.yaml, with what each one means above it. */
export function valuesYaml(): string {
  const lines: string[] = ['# Values of the chart frp-k8s. Generated by `npm run generate` from scripts/chart/values.ts.'];
  const defaults = valuesSchema.parse({}) as Record<string, unknown>;
  const schema = z.toJSONSchema(valuesSchema, { io: 'input' }) as Node;
  write(lines, schema, defaults, '');
  return `${lines.join('\n')}\n`;
}

function write(lines: string[], { properties = {} }: Node, defaults: Record<string, unknown>, indent: string): void {
  for (const [name, node] of Object.entries(properties)) {
    if (indent === '') lines.push('');
    const values = node.enum ? ` One of: ${node.enum.map((value) => (value === '' ? '""' : String(value))).join(', ')}.` : '';
    if (node.description !== undefined) lines.push(`${indent}# ${node.description}${values}`);
    const value = defaults[name];
    if (node.properties) {
      lines.push(`${indent}${name}:`);
      write(lines, node, value as Record<string, unknown>, `${indent}  `);
    } else lines.push(`${indent}${name}: ${JSON.stringify(value)}`);
  }
}
