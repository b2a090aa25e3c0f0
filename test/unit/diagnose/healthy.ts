/** A Snapshot of a healthy installation with a gateway and one service, made from the manifests themselves. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { configFromText } from '../../../src/config/load.ts';
import type { Probes } from '../../../src/diagnose/probes.ts';
import type { Read } from '../../../src/diagnose/read.ts';
import {
  publicSecret,
  type Binding,
  type Pod,
  type PublicSecret,
  type Role,
  type Webhooks,
  type Workload,
} from '../../../src/diagnose/shapes.ts';
import type { Place, Snapshot } from '../../../src/diagnose/snapshot.ts';
import type { ClusterService, ConfigMap, EndpointSlice, KubeObject } from '../../../src/kube/types.ts';
import { customResourceDefinition } from '../../../src/model/crd.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import '../../support/few-keys.ts';

const root = resolve(import.meta.dirname, '../../..');
const now = Date.now();
const iso = (at: number) => new Date(at).toISOString();

/** The objects of a folder of manifests. */
const manifests = (folder: string): KubeObject[] =>
  readdirSync(join(root, 'manifests', folder))
    .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml' && name !== 'config.yaml')
    .flatMap((name) =>
      parseAllDocuments(readFileSync(join(root, 'manifests', folder, name), 'utf8'), { merge: true }).map(
        (document) => document.toJS() as KubeObject,
      ),
    )
    .filter((object) => object?.kind !== undefined);

const of = <T extends KubeObject>(objects: readonly KubeObject[], ...kinds: string[]): T[] =>
  objects.filter(({ kind }) => kinds.includes(kind!)) as T[];
export const ok = <T>(value: T): Read<T> => ({ ok: value });

const authority = await createAuthority({ lifetimeMs: 3_650 * 86_400_000, now });
const webhookAuthority = await createAuthority({ lifetimeMs: 3_650 * 86_400_000, now });
const hosts = ['frp-gateway-0.frp-gateway.frp-gateway.svc', 'frp-gateway-1.frp-gateway.frp-gateway.svc'];
const served = await issue(authority, {
  commonName: 'frp-gateway',
  dnsNames: hosts,
  usages: ['serverAuth'],
  lifetimeMs: 365 * 86_400_000,
  now,
});
const base64 = (text: string) => Buffer.from(text).toString('base64');
export const foreign = { bundle: (await createAuthority({ lifetimeMs: 86_400_000, now })).bundlePem };

const secret = (namespace: string, name: string, data: Record<string, string>): Read<PublicSecret> =>
  ok(
    publicSecret({
      metadata: { namespace, name },
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
    }),
  );
const absent = { absent: 'Secret' };

const podsOf = (workload: Workload): Pod[] =>
  Array.from({ length: workload.spec?.replicas ?? 1 }, (_, index) => ({
    metadata: {
      namespace: workload.metadata.namespace!,
      name: workload.kind === 'StatefulSet' ? `${workload.metadata.name}-${index}` : `${workload.metadata.name}-7d9f-${index}`,
      labels: workload.spec?.template?.metadata?.labels ?? {},
    },
    spec: workload.spec?.template?.spec ?? {},
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  }));

const slicesOf = (services: readonly ClusterService[]): EndpointSlice[] =>
  services.map(({ metadata }) => ({
    metadata: { namespace: metadata.namespace!, name: `${metadata.name}-x`, labels: { 'kubernetes.io/service-name': metadata.name } },
    endpoints: [{ addresses: ['10.0.0.9'], conditions: { ready: true } }],
  }));

function place(name: string, objects: readonly KubeObject[], secrets: [string, Read<PublicSecret>][]): Place {
  const workloads = of<Workload>(objects, 'Deployment', 'StatefulSet').map((workload) => ({
    ...workload,
    status: { readyReplicas: workload.spec?.replicas ?? 1 },
  }));
  const services = of<ClusterService>(objects, 'Service');
  return {
    name,
    namespace: ok({ metadata: { name } }),
    workloads: ok(workloads),
    pods: ok(workloads.flatMap(podsOf)),
    services: ok(services),
    endpointSlices: ok(slicesOf(services)),
    events: ok([]),
    networkPolicies: ok(of(objects, 'NetworkPolicy')),
    quotas: ok([]),
    secrets: new Map(secrets),
  };
}

const trusted = (configuration: Webhooks): Webhooks => ({
  ...configuration,
  webhooks: configuration.webhooks!.map((webhook) => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, caBundle: base64(webhookAuthority.bundlePem) },
  })),
});

const template = {
  metadata: { labels: { app: 'web' }, annotations: { 'frp.io/group': 'web' } },
  spec: { containers: [{ name: 'app', image: 'app:1', ports: [{ containerPort: 8080 }] }] },
};

/** As the controller writes it. */
export const condition = (type: string, status: 'True' | 'False' | 'Unknown', reason: string, message = '') => ({
  type,
  status,
  reason,
  message,
});

const web = (): DistributedService =>
  ({
    apiVersion: 'frp.io/v1beta1',
    kind: 'DistributedService',
    metadata: { namespace: 'shop', name: 'web', generation: 1, creationTimestamp: iso(now - 600_000) },
    spec: { serviceType: 'http', backends: { discovery: { mode: 'auto' } }, expose: { type: 'domain', domain: 'web.example.com' } },
    status: {
      observedGeneration: 1,
      state: 'Running',
      conditions: [
        condition('Ready', 'True', 'Serving'),
        condition('BackendsAvailable', 'True', 'BackendsReady'),
        condition('ConfigurationValid', 'True', 'Valid'),
        condition('CertificatesReady', 'True', 'CertificatesProvisioned'),
        condition('NetworkReady', 'True', 'ServerReachable'),
      ],
      endpoints: [{ name: 'web-1', healthy: true }],
    },
  }) as unknown as DistributedService;

const proxies = JSON.stringify({
  auth: { method: 'oidc' },
  proxies: [{ name: 'shop.web.00000000.{{ .Envs.POD_NAME }}.{{ .Envs.POD_UID }}', localPort: 8080 }],
});

const webPod = (): Pod => ({
  metadata: {
    namespace: 'shop',
    name: 'web-1',
    labels: { app: 'web', 'frp.io/sidecar': 'injected' },
    annotations: { 'frp.io/group': 'web', 'frp.io/frpc.json': proxies },
  },
  spec: {
    initContainers: [{ name: 'frpc', image: 'frpc:1', restartPolicy: 'Always' }],
    containers: [{ name: 'app', image: 'app:1', ports: [{ containerPort: 8080 }] }],
  },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    initContainerStatuses: [{ name: 'frpc', started: true }],
    containerStatuses: [{ name: 'app' }],
  },
});

const webWorkload = (): Workload => ({
  kind: 'Deployment',
  metadata: { namespace: 'shop', name: 'web' },
  spec: { replicas: 1, template },
  status: { readyReplicas: 1 },
});

let made: Snapshot | undefined;

/** A copy of its own for each who asks. */
export const healthy = (): Snapshot => structuredClone((made ??= make()));

function make(): Snapshot {
  const install = manifests('install');
  const gateway = manifests('gateway');
  const text = readFileSync(join(root, 'manifests/gateway/config.yaml'), 'utf8');
  const configMap: ConfigMap = { metadata: { namespace: 'frp-system', name: 'frp-k8s-config' }, data: { 'config.yaml': text } };
  const ofTunnels = { 'tls.crt': authority.bundlePem, 'tls.key': 'private' };
  const certificate = { 'tls.crt': served.certPem, 'tls.key': 'private', 'ca.crt': authority.bundlePem };
  return {
    at: now,
    address: 'https://cluster.test',
    namespace: undefined,
    server: ok({ gitVersion: 'v1.30.1', major: '1', minor: '30' }),
    crd: ok({ ...customResourceDefinition(), status: { conditions: [{ type: 'Established', status: 'True' }] } }),
    mutating: ok(of<Webhooks>(install, 'MutatingWebhookConfiguration').map(trusted)),
    validating: ok(of<Webhooks>(install, 'ValidatingWebhookConfiguration').map(trusted)),
    roles: ok(of<Role>(install, 'ClusterRole')),
    bindings: ok(of<Binding>(install, 'ClusterRoleBinding')),
    installation: place('frp-system', install, [
      ['frp-ca', secret('frp-system', 'frp-ca', ofTunnels)],
      [
        'frp-webhook-authority',
        secret('frp-system', 'frp-webhook-authority', { 'tls.crt': webhookAuthority.bundlePem, 'tls.key': 'private' }),
      ],
      ['frp-server-tls', secret('frp-system', 'frp-server-tls', certificate)],
      ['frp-gateway-tls', secret('frp-system', 'frp-gateway-tls', certificate)],
      ['frp-gateway-join', absent],
      ['frp-gateway-link', absent],
    ]),
    gateway: place('frp-gateway', gateway, []),
    configMap: ok(configMap),
    config: ok(configFromText(text, 'config.yaml')),
    lease: ok({ metadata: { name: 'frp-controller' }, spec: { holderIdentity: 'a', leaseDurationSeconds: 15, renewTime: iso(now) } }),
    namespaces: ok([{ metadata: { name: 'shop' } }, { metadata: { name: 'frp-system' } }]),
    services: ok([web()]),
    pods: ok([webPod()]),
    workloads: ok([webWorkload()]),
    ownedSecrets: ok([{ metadata: { namespace: 'shop', name: 'frp-web-tls', labels: { 'frp.io/service': 'web' } } }]),
    events: ok([]),
    networkPolicies: ok([]),
    quotas: ok([]),
  };
}

/** Where everything that is tried works. */
export const working = (more: Partial<Probes> = {}): Probes => ({
  clock: () => Promise.resolve(ok(20)),
  mayI: () => Promise.resolve(ok(true)),
  dryRunPod: (pod) => Promise.resolve(ok({ ...pod, spec: { initContainers: [{ name: 'frpc' }] } })),
  getFromPod: () => Promise.resolve(ok({ status: 200, ms: 5, body: '', headers: {} })),
  dial: () => Promise.resolve(ok({ ms: 3, chain: [served.certPem] })),
  secretMetadata: (namespace, name) => Promise.resolve(ok({ metadata: { namespace, name } })),
  logOf: () => Promise.resolve(ok('')),
  resolve: (host) => Promise.resolve(ok([host])),
  ...more,
});
