/** What an agent finds in the cluster, on an API server of the test's own. */
import { issue, type Authority } from '../../certs/authority.ts';
import type { Config } from '../../src/config/schema.ts';
import { base64 } from '../../src/kube/authority-secret.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { replicaSecretName } from '../../src/model/names.ts';
import type { DistributedService } from '../../src/model/types.ts';
import { issuer, type Pod, type Signer } from '../unit/gateway/agent-tokens.ts';
import type { ApiServer } from '../unit/kube/api-server.ts';
import { replicaTls } from './haproxy-harness.ts';

const hour = 3_600_000;

export interface Installation {
  api: ApiServer;
  signer: Signer;
  authority: Authority;
  config: Config;
}

/** The keys of its tokens, and the Secrets of the installation. */
export async function putInstallation({ api, signer, authority, config }: Installation) {
  api.intercept = ({ path }) => {
    if (path === '/.well-known/openid-configuration') return { status: 200, body: { issuer } };
    if (path === '/openid/v1/jwks') return { status: 200, body: signer.keys };
    return undefined;
  };
  const server = await issue(authority, {
    commonName: 'frp-gateway',
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
    usages: ['serverAuth'],
    lifetimeMs: hour,
    now: Date.now(),
  });
  const secret = (name: string, data: Record<string, string>) =>
    api.put(`/api/v1/namespaces/${config.namespace}/secrets/${name}`, {
      metadata: { name, namespace: config.namespace },
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
    } as KubeObject);
  secret('frp-gateway-tls', { 'tls.crt': server.certPem, 'tls.key': server.keyPem, 'ca.crt': authority.bundlePem });
  secret('frp-server-api', { user: 'frp-k8s', password: 'status' });
  const { identityPem, authorityPem } = (await replicaTls())!;
  const [, cert = '', key = ''] = /^(.*?-----END CERTIFICATE-----\n)(.*)$/s.exec(identityPem) ?? [];
  const { namespace } = config.gateway;
  api.put(`/api/v1/namespaces/${namespace}/secrets/${replicaSecretName}`, {
    metadata: {
      name: replicaSecretName,
      namespace,
      labels: { 'frp.io/gateway-copy': 'true' },
      annotations: { 'frp.io/copy-of': replicaSecretName, 'frp.io/copy-kind': 'replicas' },
    },
    data: { 'tls.crt': base64(cert), 'tls.key': base64(key), 'ca.crt': base64(authorityPem) },
  } as KubeObject);
}

export function putService(api: ApiServer, service: DistributedService): void {
  const { namespace, name } = service.metadata;
  api.put(`/apis/frp.io/v1beta1/namespaces/${namespace}/distributedservices/${name}`, service);
}

export function putPod(
  api: ApiServer,
  { namespace, name, uid }: Pod,
  isReady = true,
  metadata: Partial<KubeObject['metadata']> = {},
): void {
  const status = { phase: 'Running', podIP: '10.0.0.9', conditions: [{ type: 'ContainersReady', status: isReady ? 'True' : 'False' }] };
  const labels = { 'frp.io/sidecar': 'injected' };
  api.put(`/api/v1/namespaces/${namespace}/pods/${name}`, {
    metadata: { name, namespace, uid, labels, ...metadata },
    status,
  } as KubeObject);
}
