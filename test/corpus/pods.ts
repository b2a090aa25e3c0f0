/**
 * Pods and what must become of them. The same cases go through the decision, `frp-k8s inject` offline and, in the
 * cluster suite, `kubectl apply` on a real API server: same verdicts, same texts.
 */
export interface PodCase {
  name: string;
  pod: Record<string, unknown>;
  /** texts that the refusal contains; absent where the Pod is admitted */
  refused?: string[];
  /** texts that the warnings contain */
  warned?: string[];
  /** names of the sidecars; empty for a Pod that is left alone */
  sidecars?: string[];
}

const container = { name: 'app', image: 'lab/echo:1', ports: [{ name: 'http', containerPort: 8080 }] };

function pod(name: string, annotations: Record<string, string>, spec: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'corpus', labels: { app: name }, annotations },
    spec: { containers: [container], ...spec },
  };
}

const service = (name: string, spec: Record<string, unknown>) => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name, namespace: 'corpus' },
  spec: { backends: { discovery: { mode: 'auto' } }, ...spec },
});

/** What the cases refer to; they are in namespace `corpus`. */
export const podServices = [
  service('web', { serviceType: 'http', expose: { type: 'domain', domain: 'web.corpus.example.com' } }),
  service('admin', { serviceType: 'http', expose: { type: 'domain', domain: 'admin.corpus.example.com' } }),
  service('db', { serviceType: 'tcp', backends: { discovery: { mode: 'auto', port: 5432 } }, expose: { type: 'port', port: 20432 } }),
  service('dns-udp', { serviceType: 'udp', expose: { type: 'port', port: 20053 } }),
  service('guarded', {
    serviceType: 'http',
    expose: { type: 'domain', domain: 'guarded.corpus.example.com' },
    security: { authentication: { type: 'apikey', tokenSecret: 'keys' } },
  }),
];

const group = (value: string, more: Record<string, string> = {}) => ({ 'frp.io/group': value, ...more });
const invalid = (key: string, value: string) => `annotation frp.io/${key}: invalid value ${JSON.stringify(value)}`;

/** A wrong value of one annotation. */
const wrongValue = (key: string, value: string, remedy: string): PodCase => ({
  name: `${key} ${JSON.stringify(value)}`,
  pod: pod(`wrong-${key}`, group('web', { [`frp.io/${key}`]: value })),
  refused: [invalid(key, value), remedy],
});

export const podCases: PodCase[] = [
  { name: 'one group', pod: pod('one', group('web')), sidecars: ['frpc'] },
  { name: 'several groups', pod: pod('several', group('web, admin')), sidecars: ['frpc'] },
  { name: 'a group named twice', pod: pod('twice', group('web,web')), sidecars: ['frpc'] },
  { name: 'a numeric port', pod: pod('numeric', group('web', { 'frp.io/port': '9999' })), sidecars: ['frpc'] },
  { name: 'a named port', pod: pod('named', group('web', { 'frp.io/port': 'http' })), sidecars: ['frpc'] },
  { name: 'a port for one group', pod: pod('port-of', group('web,admin', { 'frp.io/port.admin': '9000' })), sidecars: ['frpc'] },
  {
    name: 'the port of the service',
    pod: pod('service-port', group('db'), { containers: [{ name: 'app', image: 'lab/echo:1' }] }),
    sidecars: ['frpc'],
  },
  { name: 'opted out', pod: pod('out', group('web', { 'frp.io/inject': 'false' })), sidecars: [] },
  { name: 'no annotation', pod: pod('none', {}), sidecars: [] },
  {
    name: 'every annotation',
    pod: pod(
      'every',
      group('web', {
        'frp.io/drain': '2s',
        'frp.io/profile': 'ollama',
        'frp.io/sidecar-image': 'fatedier/frpc:v0.71.0',
        'frp.io/sidecar-cpu-request': '5m',
        'frp.io/sidecar-cpu-limit': '1',
        'frp.io/sidecar-memory-request': '16Mi',
        'frp.io/sidecar-memory-limit': '64Mi',
        'frp.io/sidecar-log-level': 'debug',
      }),
    ),
    sidecars: ['frpc'],
  },
  {
    name: 'a drain longer than the grace period',
    pod: pod('clamped', group('web', { 'frp.io/drain': '2m' })),
    sidecars: ['frpc'],
    warned: ['is not below terminationGracePeriodSeconds (30 s), so 29 s are used'],
  },
  {
    name: 'a weight',
    pod: pod('weight', group('web', { 'frp.io/weight': '3' })),
    sidecars: ['frpc'],
    warned: ['frp.io/weight has no effect on a plain frp server'],
  },
  {
    name: 'an annotation that nobody knows',
    pod: pod('typo', group('web', { 'frp.io/prot': '80' })),
    sidecars: ['frpc'],
    warned: ['annotation frp.io/prot is not known to frp-k8s'],
  },
  {
    name: 'a port for a group that the Pod is not in',
    pod: pod('stray', group('web', { 'frp.io/port.admin': '80' })),
    sidecars: ['frpc'],
    warned: ['the Pod is not in group "admin"'],
  },
  {
    name: "the host's network without cluster DNS",
    pod: pod('host-network', group('web', { 'frp.io/port': '18080' }), {
      hostNetwork: true,
      containers: [{ name: 'app', image: 'lab/echo:1' }],
    }),
    sidecars: ['frpc'],
    warned: ['set dnsPolicy: ClusterFirstWithHostNet'],
  },

  {
    name: 'a group that does not exist',
    pod: pod('unknown', group('nothing-like-it')),
    refused: ['there is no DistributedService "nothing-like-it" in namespace "corpus"', 'kubectl get distributedservices -n corpus lists'],
  },
  {
    name: 'a misspelt group',
    pod: pod('misspelt', group('wbe')),
    refused: ['there is no DistributedService "wbe"', 'did you mean "web"?'],
  },
  {
    name: 'one unknown group of two',
    pod: pod('half', group('web,admim')),
    refused: ['there is no DistributedService "admim"', 'did you mean "admin"?'],
  },
  { name: 'an empty group', pod: pod('empty', group('')), refused: [invalid('group', '')] },
  { name: 'a group with a comma too many', pod: pod('comma', group('web,')), refused: [invalid('group', 'web,')] },
  {
    name: 'a group of another namespace',
    pod: pod('other', group('shop/web')),
    refused: [invalid('group', 'shop/web'), "in the Pod's namespace"],
  },
  { name: 'a template in the group', pod: pod('template', group('{{ .Envs.X }}')), refused: [invalid('group', '{{ .Envs.X }}')] },
  {
    name: 'a service that asks for protection',
    pod: pod('guarded', group('guarded')),
    refused: ['GatewayRequired', 'spec.security.authentication (type apikey)'],
  },
  {
    name: 'no port at all',
    pod: pod('no-port', group('web'), { containers: [{ name: 'app', image: 'lab/echo:1' }] }),
    refused: ['cannot tell which port', 'declare none', 'add the annotation frp.io/port'],
  },
  {
    name: 'two ports and no word which',
    pod: pod('two-ports', group('web'), {
      containers: [
        {
          ...container,
          ports: [
            { name: 'a', containerPort: 1 },
            { name: 'b', containerPort: 2 },
          ],
        },
      ],
    }),
    refused: ['cannot tell which port', 'a (1), b (2)'],
  },
  { name: 'a tcp port for a udp service', pod: pod('tcp-for-udp', group('dns-udp')), refused: ['cannot tell which port'] },
  wrongValue('port', '0', 'from 1 to 65535'),
  wrongValue('port', '70000', 'from 1 to 65535'),
  wrongValue('port', 'HTTP!', 'must be a port number or the name of a container port'),
  wrongValue('port', 'grpc', 'no container of the Pod has a port of that name (declared: http (8080))'),
  wrongValue('inject', 'no', 'must be "true" or "false"'),
  wrongValue('weight', '-1', 'must be a whole number'),
  wrongValue('drain', '5', 'must be a duration such as 5s'),
  wrongValue('profile', 'llama', 'must be one of: ollama'),
  wrongValue('readiness-gate', 'yes', 'must be "true" or "false"'),
  wrongValue('sidecar-image', 'a b', 'must be an image'),
  wrongValue('sidecar-cpu-request', '10 m', 'must be a Kubernetes quantity'),
  wrongValue('sidecar-memory-limit', 'lots', 'must be a Kubernetes quantity'),
  wrongValue('sidecar-log-level', 'loud', 'must be one of: trace, debug, info, warn, error'),
  {
    name: 'a request above the limit',
    pod: pod('request', group('web', { 'frp.io/sidecar-cpu-request': '2', 'frp.io/sidecar-cpu-limit': '1' })),
    refused: [invalid('sidecar-cpu-request', '2'), 'must not be above frp.io/sidecar-cpu-limit'],
  },
  {
    name: 'a container that is named frpc',
    pod: pod('taken', group('web'), { containers: [container, { name: 'frpc', image: 'lab/echo:1' }] }),
    refused: ['already has a container "frpc"', 'rename it'],
  },
  {
    name: "a volume that is named as the sidecar's",
    pod: pod('volume', group('web'), { volumes: [{ name: 'frpc-certs', emptyDir: {} }] }),
    refused: ['already has a volume "frpc-certs"'],
  },
  { name: 'a Windows Pod', pod: pod('windows', group('web'), { os: { name: 'windows' } }), refused: ['the frpc sidecar needs Linux'] },
  {
    name: 'annotations too large',
    pod: pod('large', group('web', { 'example.com/blob': 'x'.repeat(261_000) })),
    refused: ['Kubernetes allows 262144'],
  },
];
