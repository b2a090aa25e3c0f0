/** The frpc sidecar of one group: a native sidecar container, its two volumes and its configuration annotation. */
import { basename } from 'node:path';
import {
  certificateDirectory,
  configDirectory,
  configPath,
  exportProxy,
  frpsAuthorityPath,
  frpsTokenPath,
  proxyPath,
  tokenPath,
} from '../../src/frp/client-config.ts';
import type { Config } from '../../src/config/schema.ts';
import { externalSecretName, frpsAuthorityKey, frpsTokenKey, groupSecretName, proxyKey, tlsSecretName } from '../../src/model/names.ts';
import type { DistributedService } from '../../src/model/types.ts';
import type { Container, EnvVar, Volume } from './pod.ts';
import type { Resources } from './resources.ts';

export interface SidecarInput {
  /** position among the Pod's sidecars: 0 is `frpc`, 1 is `frpc-1` */
  index: number;
  service: DistributedService;
  localPort: number;
  /** audience of the Pod's token where the sidecar dials the gateway; undefined: the plain frp server */
  audience: string | undefined;
  /** image, security context and address of the app come from here */
  config: Config;
  image: string;
  appAddress: Config['sidecar']['appAddress'];
  resources: Resources;
  /** seconds; 0 means no preStop hook */
  drain: number;
  /** text of frpc's configuration */
  text: string;
}

export interface Sidecar {
  container: Container;
  volumes: Volume[];
  annotation: [key: string, value: string];
}

export const containerName = (index: number): string => (index === 0 ? 'frpc' : `frpc-${index}`);
/** Annotation with the configuration of a Pod's sidecar. */
export const configAnnotation = (index: number): string => `frp.io/${containerName(index)}.json`;

/**
 * Waits for the Secrets and for the app to listen, then becomes frpc. A container's environment is fixed when it
 * starts, so a group key that the controller makes later is read from the volume; until then the app runs without its
 * tunnel. The app starts after its sidecar: without the wait frpc's first health check would always fail, and the
 * second comes one interval later. After 30 s the health check is left to itself.
 */
export function plainStart({ tls, caSecret, auth }: Config['frps']): string[] {
  const awaited = [
    ...(tls === 'mutual' ? [{ what: 'the certificate', is: '[ -s $d/tls.crt ]' }] : []),
    ...(caSecret === undefined ? [] : [{ what: "the server's authority", is: `[ -s ${frpsAuthorityPath} ]` }]),
    ...(auth === undefined ? [] : [{ what: "the server's token", is: `[ -s ${frpsTokenPath} ]` }]),
    { what: 'the group key', is: '{ [ "$FRP_GROUP_KEY" ] || [ -s $d/group.key ]; }' },
  ];
  const listed = awaited
    .map(({ what }) => what)
    .join(', ')
    .replace(/, (?=[^,]*$)/, ' and ');
  return [
    `trap 'exit 0' TERM`,
    `d=${certificateDirectory}`,
    `until ${awaited.map(({ is }) => is).join(' && ')}; do`,
    `[ "$said" ] || echo "waiting for ${listed} of DistributedService $FRP_GROUP (made by frp-k8s controller)"; said=1`,
    `sleep 1`,
    `done`,
    `[ "$FRP_GROUP_KEY" ] || export FRP_GROUP_KEY="$(cat $d/group.key)"`,
    ...(auth === undefined ? [] : endWithToken),
  ];
}
/**
 * frpc reads the server's token at its start alone: it is started anew for another one. The shell becomes frpc, so its
 * process id is frpc's; of `$$` Kubernetes would leave one `$`.
 */
const endWithToken = [
  `read -r self rest </proc/self/stat`,
  `(was=$(cat ${frpsTokenPath}); while sleep 5; do now=$(cat ${frpsTokenPath} 2>/dev/null); [ -z "$now" ] || [ "$now" = "$was" ] || kill $self; done) &`,
];
/** The same for the gateway, where a token of the Pod stands in for the group key; and there may be a proxy on the way. */
export const gatewayStart = ({ gateway: { proxySecret } }: Config): string[] => [
  `trap 'exit 0' TERM`,
  `until [ -s ${certificateDirectory}/tls.crt ] && [ -s ${tokenPath} ]${proxySecret === undefined ? '' : ` && [ -s ${proxyPath} ]`}; do`,
  `[ "$said" ] || echo "waiting for the certificate of DistributedService $FRP_GROUP (made by frp-k8s controller) and the Pod's token"; said=1`,
  `sleep 1`,
  `done`,
  ...(proxySecret === undefined ? [] : [exportProxy]),
];
/** A socket that listens on the port, as the kernel lists it (proc(5), /proc/net/tcp: state 0A): the app is not touched. */
const awaitApp = [
  `listens=":$(printf %04X "$LOCAL_SERVICE_PORT") [0-9A-F]*:0000 0A"`,
  `i=0`,
  `until grep -qs "$listens" /proc/net/tcp /proc/net/tcp6 || [ $i -ge 60 ]; do i=$((i + 1)); sleep 0.5; done`,
];
const become = `exec frpc -c ${configPath}`;
const startOf = (start: readonly string[], isUdp: boolean): string => [...start, ...(isUdp ? [] : awaitApp), become].join('\n');

/** Pod Security "restricted", whatever the Pod says. Without a configured user it is the Pod's, the platform's or the image's. */
export const securityContextOf = ({ sidecar: { runAsUser } }: Config): object => ({
  ...(runAsUser !== null && { runAsUser, runAsGroup: runAsUser }),
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
});

/** What frpc's configuration and its start read of the environment. The group key is the plain frp server's. */
export const memberEnv = (group: string, hasKey: boolean, more: EnvVar[] = []): EnvVar[] => [
  { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
  { name: 'POD_UID', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.uid' } } },
  { name: 'FRP_GROUP', value: group },
  ...more,
  ...(hasKey ? [{ name: 'FRP_GROUP_KEY', valueFrom: { secretKeyRef: { name: groupSecretName(group), key: 'key', optional: true } } }] : []),
];

const podIP: EnvVar = { name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } };

export function sidecarOf(input: SidecarInput): Sidecar {
  const name = containerName(input.index);
  const group = input.service.metadata.name;
  const { imagePullPolicy } = input.config.sidecar;
  const isPlain = input.audience === undefined;
  const start = isPlain ? plainStart(input.config.frps) : gatewayStart(input.config);
  return {
    container: {
      name,
      image: input.image,
      ...(imagePullPolicy && { imagePullPolicy }),
      restartPolicy: 'Always',
      command: ['/bin/sh', '-c', startOf(start, input.service.spec.serviceType === 'udp')],
      env: memberEnv(group, isPlain, [
        { name: 'LOCAL_SERVICE_PORT', value: String(input.localPort) },
        ...(input.appAddress === 'podIP' ? [podIP] : []),
      ]),
      resources: input.resources,
      ...(input.drain > 0 && { lifecycle: { preStop: { sleep: { seconds: input.drain } } } }),
      securityContext: securityContextOf(input.config),
      volumeMounts: [
        { name: `${name}-config`, mountPath: configDirectory, readOnly: true },
        { name: `${name}-certs`, mountPath: certificateDirectory, readOnly: true },
      ],
    },
    volumes: [
      {
        name: `${name}-config`,
        downwardAPI: {
          defaultMode: 0o444,
          items: [
            { path: 'frpc.json', fieldRef: { apiVersion: 'v1', fieldPath: `metadata.annotations['${configAnnotation(input.index)}']` } },
          ],
        },
      },
      {
        name: `${name}-certs`,
        projected: { defaultMode: 0o444, sources: certificateSources(input.service, input.audience, input.config) },
      },
    ],
    annotation: [configAnnotation(input.index), input.text],
  };
}

/** Seconds; the kubelet renews a token when four fifths of its life are over (kubelet, pkg/kubelet/token). */
const tokenSeconds = 3600;

/**
 * Every Secret is optional: a slow controller delays the tunnel, never the app. In mode manual the client certificate
 * is the user's, in mode external cert-manager's, and the server is still verified against the installation's CA.
 * @param audience of the token that the gateway is shown; undefined: the plain frp server, which is shown the group key
 */
export function certificateSources(
  { metadata, spec }: DistributedService,
  audience: string | undefined,
  { frps, gateway }: Config,
): object[] {
  const mtls = spec.security?.mtls;
  const own = tlsSecretName(metadata.name);
  const certSecret = mtls?.enabled
    ? { auto: undefined, manual: mtls.certSecret, external: externalSecretName(metadata.name) }[mtls.mode ?? 'auto']
    : undefined;
  const from = (secret: string, items: Record<string, string>) => ({
    secret: { name: secret, optional: true, items: Object.entries(items).map(([key, path]) => ({ key, path })) },
  });
  const pair = { 'tls.crt': 'tls.crt', 'tls.key': 'tls.key' };
  return [
    ...(certSecret === undefined
      ? [from(own, { ...pair, 'ca.crt': 'ca.crt' })]
      : [from(certSecret, pair), from(own, { 'ca.crt': 'ca.crt' })]),
    audience === undefined
      ? from(groupSecretName(metadata.name), {
          key: 'group.key',
          ...(frps.auth && { [frpsTokenKey]: frpsTokenKey }),
          ...(frps.caSecret !== undefined && { [frpsAuthorityKey]: frpsAuthorityKey }),
        })
      : { serviceAccountToken: { path: 'token', audience, expirationSeconds: tokenSeconds } },
    ...(audience === undefined || gateway.proxySecret === undefined
      ? []
      : [from(groupSecretName(metadata.name), { [proxyKey]: basename(proxyPath) })]),
  ];
}

/**
 * Whether an init container is a sidecar of ours, of any version: by its shape, never by an annotation. Webhooks that
 * decode a Pod into older types drop `restartPolicy` and `preStop.sleep`, so these do not count.
 */
export function isSidecar(container: Container): boolean {
  return (
    /^frpc(-[1-9][0-9]*)?$/.test(container.name) &&
    (container.env ?? []).some(({ name }) => name === 'FRP_GROUP') &&
    (container.volumeMounts ?? []).some(({ name, mountPath }) => mountPath === configDirectory && name === `${container.name}-config`)
  );
}

/** Whether a volume is one of a sidecar's. */
export function isSidecarVolume(volume: Volume, sidecarNames: ReadonlySet<string>): boolean {
  const [, owner] = /^(frpc(?:-[1-9][0-9]*)?)-(?:config|certs)$/.exec(volume.name) ?? [];
  return owner !== undefined && sidecarNames.has(owner) && ('downwardAPI' in volume || 'projected' in volume);
}

export const isConfigAnnotation = (key: string): boolean => /^frp\.io\/frpc(-[1-9][0-9]*)?\.json$/.test(key);
