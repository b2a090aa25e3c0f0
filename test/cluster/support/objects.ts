/** Manifests as a user writes them. Everything fits Pod Security `restricted`. */
import type { Json, Manifest } from './kubectl.ts';

export const images = {
  program: process.env.FRPK8S_IMAGE ?? 'frp-k8s:dev',
  echo: process.env.FRPK8S_ECHO_IMAGE ?? 'lab/echo:1',
  client: process.env.FRPK8S_CLIENT_IMAGE ?? 'lab/client:1',
  postgres: process.env.FRPK8S_POSTGRES_IMAGE ?? 'postgres:15',
};

export const podSecurity = { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } };
const containerSecurity = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

export const namespace = (name: string, labels: Record<string, string> = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'frp-k8s-test': 'true', 'pod-security.kubernetes.io/enforce': 'restricted', ...labels } },
});

export const service = (namespace: string, name: string, spec: Json): Manifest => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name, namespace },
  spec,
});

/** An http service of annotated Pods at a host of its own. */
export const httpService = (namespace: string, name: string, domain: string, port?: number): Manifest =>
  service(namespace, name, { serviceType: 'http', backends: { discovery: { mode: 'auto', port } }, expose: { domain } });

export interface App {
  namespace: string;
  name: string;
  /** frp.io/… annotations, without the prefix */
  frp?: Record<string, string>;
  replicas?: number;
  /** of lab/echo: HTTP here, TCP echo on the next port, UDP echo on the one after */
  port?: number;
  container?: Json;
  pod?: Json;
}

/** The Pod template of an echo server. */
export function template({ name, frp = {}, port = 8080, container = {}, pod = {} }: App): Json {
  return {
    metadata: { labels: { app: name }, annotations: prefixed(frp) },
    spec: {
      securityContext: podSecurity,
      terminationGracePeriodSeconds: 10,
      containers: [
        {
          name: 'app',
          image: images.echo,
          env: [{ name: 'PORT', value: String(port) }],
          ports: [{ name: 'http', containerPort: port }],
          readinessProbe: { httpGet: { path: '/health', port }, periodSeconds: 1 },
          securityContext: containerSecurity,
          ...container,
        },
      ],
      ...pod,
    },
  };
}

export const pod = (app: App): Manifest => {
  const { metadata, spec } = template(app);
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: app.name, namespace: app.namespace }, spec };
};

export const deployment = (app: App): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: app.name, namespace: app.namespace },
  spec: { replicas: app.replicas ?? 1, selector: { matchLabels: { app: app.name } }, template: template(app) },
});

export const job = (app: App): Manifest => {
  const pods = template(app);
  delete pods.spec.containers[0].readinessProbe;
  pods.spec.restartPolicy = 'Never';
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: app.name, namespace: app.namespace },
    spec: { backoffLimit: 0, template: pods },
  };
};

/** Node.js in the program's own image, running a script. */
export const script = (source: string): Json => ({
  image: images.program,
  command: ['node', '-e', source],
  readinessProbe: undefined,
});

const prefixed = (frp: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(frp).map(([key, value]) => [`frp.io/${key}`, value]));
