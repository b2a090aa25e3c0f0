/** Pods whose frpc is configured by hand, as somebody would who is no Pod of the webhook's. */
import { gatewayNamespace } from './places.ts';
import type { Json, Manifest } from './kubectl.ts';
import { pod } from './objects.ts';

export interface Handmade {
  namespace: string;
  name: string;
  /** frpc reads templates in it, of POD_NAME and POD_UID */
  proxyName: string;
  /** Secret with the client certificate, and in `ca.crt` of whom the gateway's must be */
  certificates: string;
  /** the token, under `token`: a source of a projected volume; default: the Pod's own for the gateway */
  token?: object;
  /** of the gateway; default: the first */
  replicas?: number[];
  /** frp.io/… annotations, without the prefix */
  frp?: Record<string, string>;
}

/** An echo with a container `handmade-N` beside it for each replica that it dials. */
export function handmade({ namespace, name, proxyName, certificates, token = ownToken, replicas = [0], frp = {} }: Handmade): Manifest {
  const made = pod({ namespace, name, frp }) as Manifest & { spec: Json };
  const containers = made.spec.containers as Json[];
  const { securityContext } = containers[0] as { securityContext: object };
  containers.push(...replicas.map((ordinal) => frpc(ordinal, proxyName, securityContext)));
  made.spec.volumes = [{ name: 'certs', projected: { sources: [{ secret: { name: certificates } }, token] } }];
  return made;
}

const ownToken = { serviceAccountToken: { path: 'token', audience: 'frp.io/gateway', expirationSeconds: 3600 } };

function frpc(ordinal: number, name: string, securityContext: object): object {
  const config = {
    serverAddr: `frp-gateway-${ordinal}.frp-gateway.${gatewayNamespace}.svc`,
    serverPort: 7000,
    loginFailExit: false,
    auth: { method: 'oidc', oidc: { tokenSource: { type: 'file', file: { path: '/certs/token' } } } },
    transport: { tls: { enable: true, certFile: '/certs/tls.crt', keyFile: '/certs/tls.key', trustedCaFile: '/certs/ca.crt' } },
    proxies: [{ name, type: 'tcp', localIP: '127.0.0.1', localPort: 8080 }],
  };
  const field = (env: string, fieldPath: string) => ({ name: env, valueFrom: { fieldRef: { fieldPath } } });
  return {
    name: `handmade-${ordinal}`,
    image: 'fatedier/frpc:v0.71.0',
    command: ['sh', '-c', 'printf %s "$CONFIG" > /tmp/frpc.json && exec /usr/bin/frpc -c /tmp/frpc.json'],
    env: [{ name: 'CONFIG', value: JSON.stringify(config) }, field('POD_NAME', 'metadata.name'), field('POD_UID', 'metadata.uid')],
    securityContext,
    volumeMounts: [{ name: 'certs', mountPath: '/certs', readOnly: true }],
  };
}
