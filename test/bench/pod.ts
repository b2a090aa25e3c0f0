/** Pods as the API server sends them for review. */

export type Size = 'small' | 'typical' | 'large';

export const namespace = 'bench';
const hash = '6d5f9c7b8';

function envs(n: number, p: string) {
  return Array.from({ length: n }, (_, i) => ({ name: `${p}_ENV_${String(i).padStart(4, '0')}`, value: `value-of-${i}` }));
}
const tokenMount = { name: 'kube-api-access-x7k2p', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
const common = { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', imagePullPolicy: 'IfNotPresent' };

function web(i: number, env: number, rich: boolean) {
  return {
    name: 'web',
    image: `registry.local/shop/web:1.${i}.0`,
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    ...(env ? { env: envs(env, 'A') } : {}),
    resources: rich ? { requests: { cpu: '250m', memory: '256Mi' }, limits: { cpu: '1', memory: '512Mi' } } : {},
    volumeMounts: [
      ...(rich
        ? [
            { name: 'config', mountPath: '/etc/web' },
            { name: 'tmp', mountPath: '/tmp' },
            { name: 'cache', mountPath: '/var/cache/web' },
          ]
        : []),
      tokenMount,
    ],
    ...(rich
      ? {
          livenessProbe: {
            httpGet: { path: '/healthz', port: 'http', scheme: 'HTTP' },
            initialDelaySeconds: 5,
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          readinessProbe: {
            httpGet: { path: '/readyz', port: 'http', scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 5,
            successThreshold: 1,
            failureThreshold: 3,
          },
          lifecycle: { preStop: { exec: { command: ['/bin/sh', '-c', 'sleep 5'] } } },
          securityContext: {
            runAsNonRoot: true,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        }
      : {}),
    ...common,
  };
}

/** The Pod of a review, as a ReplicaSet's controller creates it: 2 KB, 8 KB, or 97 KB by 2,000 variables. */
export function pod(size: Size, i: number) {
  const rich = size !== 'small';
  const spec = {
    volumes: [
      ...(rich
        ? [
            { name: 'config', configMap: { name: 'web-config', defaultMode: 420 } },
            { name: 'tmp', emptyDir: {} },
            { name: 'cache', emptyDir: { sizeLimit: '1Gi' } },
          ]
        : []),
      {
        name: 'kube-api-access-x7k2p',
        projected: {
          defaultMode: 420,
          sources: [
            { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
            { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
          ],
        },
      },
    ],
    ...(rich
      ? {
          initContainers: [
            {
              name: 'migrate',
              image: 'registry.local/shop/migrate:2.3.1',
              command: ['/bin/migrate', 'up'],
              env: envs(6, 'M'),
              resources: {},
              volumeMounts: [{ name: 'config', mountPath: '/etc/web' }, tokenMount],
              ...common,
            },
          ],
        }
      : {}),
    containers: [
      web(i, { small: 0, typical: 40, large: 2000 }[size], rich),
      ...(rich
        ? [
            {
              name: 'exporter',
              image: 'registry.local/shop/exporter:0.9',
              args: ['--listen=:9100', '--log=json'],
              env: envs(12, 'X'),
              ports: [{ name: 'metrics', containerPort: 9100, protocol: 'TCP' }],
              resources: { requests: { cpu: '10m', memory: '32Mi' } },
              volumeMounts: [tokenMount],
              ...common,
            },
          ]
        : []),
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    serviceAccountName: 'web',
    serviceAccount: 'web',
    securityContext: rich ? { fsGroup: 2000, seccompProfile: { type: 'RuntimeDefault' } } : {},
    schedulerName: 'default-scheduler',
    tolerations: [
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ],
    ...(rich
      ? {
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                { weight: 100, podAffinityTerm: { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' } },
              ],
            },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'topology.kubernetes.io/zone',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: { app: 'web' } },
            },
          ],
        }
      : {}),
    priority: 0,
    enableServiceLinks: true,
    preemptionPolicy: 'PreemptLowerPriority',
  };
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      generateName: `web-${hash}-`,
      namespace,
      creationTimestamp: null,
      labels: {
        app: 'web',
        'pod-template-hash': hash,
        ...(rich ? { 'app.kubernetes.io/part-of': 'shop', 'app.kubernetes.io/version': `1.${i}.0`, team: 'checkout' } : {}),
      },
      annotations: {
        'bench/variant': String(i),
        ...(rich
          ? {
              'prometheus.io/scrape': 'true',
              'prometheus.io/port': '9100',
              'checksum/config': '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
            }
          : {}),
        'frp.io/group': 'web',
      },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `web-${hash}`,
          uid: '11111111-2222-3333-4444-555555555555',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      ...(rich
        ? {
            managedFields: [
              {
                manager: 'kube-controller-manager',
                operation: 'Update',
                apiVersion: 'v1',
                time: '2026-11-20T00:00:00Z',
                fieldsType: 'FieldsV1',
                fieldsV1: {
                  'f:metadata': {
                    'f:generateName': {},
                    'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} },
                    'f:ownerReferences': { '.': {} },
                  },
                  'f:spec': {
                    'f:containers': {
                      'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:imagePullPolicy': {}, 'f:name': {}, 'f:resources': {} },
                    },
                    'f:dnsPolicy': {},
                    'f:restartPolicy': {},
                    'f:schedulerName': {},
                  },
                },
              },
            ],
          }
        : {}),
    },
    spec,
    status: {},
  };
}
