/** The configuration of every part: one YAML file and the environment, read with zod. */
import * as z from 'zod';
import { isCidr } from '../net/addresses.ts';
import { isProxy } from '../net/proxy-url.ts';
import { frpsSchema } from './frps.ts';
import { accessLogSchema, tracingSchema } from './telemetry.ts';
import { portNumber, text } from './values.ts';

/** A duration as in Go, of one unit: 30s, 10m, 720h, 30d. Parsed to milliseconds. */
const duration = z
  .string()
  .regex(/^[0-9]+(ms|s|m|h|d)$/, 'must be a duration such as 30s, 10m, 720h or 30d')
  .transform(milliseconds);
/** A Kubernetes quantity, kept as text. */
export const quantity = z
  .string()
  .max(64)
  .regex(/^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/, 'must be a Kubernetes quantity such as 10m, 64Mi or 1');
export const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error']);
/** Where the sidecar finds the app: `podIP` for one that listens on the Pod's own address only. */
export const appAddress = z.enum(['localhost', 'podIP']);
const portRange = z.union([
  portNumber.transform(String),
  z.string().regex(/^[0-9]{1,5}(-[0-9]{1,5})?$/, 'must be a port or a range such as 6000-6100'),
]);

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration of one unit, such as 90s or 7d; the caller has checked its form. */
export function milliseconds(value: string): number {
  const unit = value.replace(/^[0-9]+/, '') as keyof typeof units;
  return Number.parseInt(value, 10) * units[unit];
}

const minute = 60_000;
const certificateLife = duration.refine((ms) => ms >= minute, 'must be at least 1m');
/** The kubelet rewrites a mounted Secret within 90 s, and the frp server's liveness probe takes another 90 s to restart it. */
const rotationPause = duration.refine(
  (ms) => ms >= 3 * minute,
  'must be at least 3m, the time from a Secret into the last process; with less, somebody meets a certificate that they do not trust yet',
);

interface Lives {
  lifetime: number;
  renewBefore: number;
  serverLifetime: number;
  authorityLifetime: number;
}

/** Where one life ends before another that depends on it, nothing could ever be renewed in time. */
function checkLives({ lifetime, renewBefore, serverLifetime, authorityLifetime }: Lives, context: z.RefinementCtx): void {
  const problem = (key: keyof Lives, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  if (renewBefore >= lifetime)
    problem('renewBefore', 'must be shorter than certificates.lifetime; a third of it or less leaves time to renew');
  for (const [key, life] of Object.entries({ lifetime, serverLifetime }))
    if (life >= authorityLifetime) problem('authorityLifetime', `must be longer than certificates.${key}; its certificates end with it`);
}

const proxyForm =
  'must be http://HOST:PORT or socks5://HOST:PORT, without user and password: Pods have it in an annotation, and gateway.proxySecret names a Secret for them';

/** What the sidecar's container is made of. */
const sidecar = {
  image: text,
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
  imagePullSecrets: z.array(text),
  cpuRequest: quantity,
  cpuLimit: quantity.nullable(),
  memoryRequest: quantity,
  memoryLimit: quantity.nullable(),
  ephemeralStorage: quantity,
  runAsUser: z.number().int().min(1).nullable(),
  logLevel,
  drain: duration,
  appAddress,
};
const optionalSidecar = z.strictObject(sidecar).partial().shape;

export const configSchema = z.strictObject({
  /** address that the HTTPS and the plain port listen on; absent: every one, IPv4 and IPv6 */
  host: text.optional(),
  port: portNumber.default(8443),
  metricsPort: portNumber.default(8080),
  logLevel: logLevel.default('info'),
  /** seconds that serving goes on after SIGTERM, while the API server finds another replica */
  drainSeconds: z.number().min(0).max(300).default(10),
  /** namespace of the installation: Secrets frp-ca, frp-webhook-authority and frp-server-tls are there */
  namespace: text.default('frp-system'),
  /** certificate from files; absent: self-managed */
  tls: z.strictObject({ certFile: text, keyFile: text }).optional(),
  /** who may ask the webhooks; by default everybody that reaches the port (docs/guide/security.md) */
  webhook: z
    .strictObject({
      /** PEM with the authority of the API server's client certificate: without such a certificate nobody is answered */
      clientCAFile: text.optional(),
      /** common names of which that certificate must have one; none: any that the authority has signed */
      clientNames: z.array(text).default([]),
    })
    .prefault({}),
  /** DNS names of the self-managed serving certificate */
  serviceName: text.default('frp-webhook'),
  /** DistributedServices from files instead of a cluster (embedded default) */
  servicesDir: text.optional(),
  /** domain that `expose.subdomain` is below */
  baseDomain: text.optional(),
  /** the frp server that every sidecar dials */
  frps: frpsSchema,
  /** the gateway: HAProxy above frps, in this cluster or elsewhere; without addresses the installation has none */
  gateway: z
    .strictObject({
      /** one for each replica, by ordinal; every sidecar joins each of them. Name or IP address, and port if not `tunnelPort` */
      addresses: z.array(text.regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+)(:[0-9]{1,5})?$/, 'must be HOST or HOST:PORT')).default([]),
      /**
       * where sidecars and links dial the gateway. Other than 7000, such as 443, it takes users' https too, told apart by the
       * ClientHello, for networks that let out nothing else (docs/guide/gateway-anywhere.md)
       */
      tunnelPort: portNumber.default(7000),
      /** proxy by which sidecars and the link reach the gateway; without user and password, because annotations have it */
      proxyURL: text.refine(isProxy, proxyForm).optional(),
      /** Secret of the installation's namespace with the proxy's `user` and `password`; label frp.io/use: "true" */
      proxySecret: text.optional(),
      /** where it is, if it is in this cluster; the controller copies there what it may read */
      namespace: text.default('frp-gateway'),
      /** where users reach its ports, for the status: a name or an IP address; absent: what the Service for users says */
      publicAddress: text.optional(),
      /** Service for users in `namespace`: a port that it does not publish is said in the status; empty: users come by another way */
      usersService: z.string().default('frp-gateway-users'),
      /** audience of the service account tokens that Pods present */
      audience: text.default('frp.io/gateway'),
      /** whether the keys of users' issuers may be fetched by http; without, only by https */
      allowHttpIssuers: z.boolean().default(false),
      /** ports for users */
      httpPort: portNumber.default(8080),
      httpsPort: portNumber.default(8443),
      /** port of each replica's own API (https), where the health of backends comes from. User and password: Secret frp-server-api */
      apiPort: portNumber.default(10_004),
      /** ports that services may not claim: the gateway's own, and 80 and 443, which lead to those for users; beside tunnelPort, httpPort and httpsPort */
      reservedPorts: z
        .array(portNumber)
        .default([80, 443, 7000, 7001, 7400, 7500, 7514, 8080, 8081, 8443, 10000, 10001, 10002, 10003, 10004, 10005]),
      /** networks whose X-Forwarded-For and PROXY protocol headers are believed */
      trustedProxies: z.array(text.refine(isCidr, 'must be an IP address or a CIDR such as 10.0.0.0/8')).default([]),
      /** whether user connections begin with a PROXY protocol header, from trustedProxies only */
      proxyProtocol: z.boolean().default(false),
      /** a line for each request of users; off by default */
      accessLog: accessLogSchema,
      /** spans of sampled requests for a collector; absent: none, and no header traceparent is made */
      tracing: tracingSchema,
    })
    .refine(({ proxyURL, proxySecret }) => proxyURL !== undefined || proxySecret === undefined, {
      path: ['proxySecret'],
      message: 'needs gateway.proxyURL, the proxy whose user and password it has',
    })
    .prefault({}),
  sidecar: z
    .strictObject({
      image: sidecar.image.default('docker.io/fatedier/frpc:v0.71.0'),
      /** absent: as Kubernetes chooses by the image's tag */
      imagePullPolicy: sidecar.imagePullPolicy.optional(),
      /** names of Secrets in the Pod's own namespace, which are added to the Pod's; nothing is copied */
      imagePullSecrets: sidecar.imagePullSecrets.default([]),
      cpuRequest: sidecar.cpuRequest.default('10m'),
      /** null: none. Less than 100m throttles the tunnel */
      cpuLimit: sidecar.cpuLimit.default(null),
      memoryRequest: sidecar.memoryRequest.default('32Mi'),
      /** null: none */
      memoryLimit: sidecar.memoryLimit.default('128Mi'),
      /** request and limit; absent: none */
      ephemeralStorage: sidecar.ephemeralStorage.optional(),
      /** null: the platform's choice, as on OpenShift, or the Pod's or the image's own user */
      runAsUser: sidecar.runAsUser.default(65532),
      logLevel: sidecar.logLevel.default('info'),
      drain: sidecar.drain.default(5000),
      appAddress: sidecar.appAddress.default('localhost'),
      /** other values of these keys for the Pods of some namespaces; the first entry that names a namespace counts */
      namespaces: z.array(z.strictObject({ namespaces: z.array(text).min(1), ...optionalSidecar })).default([]),
    })
    .prefault({}),
  /** further kinds with a Pod template at spec.template, as Kind.group such as Rollout.argoproj.io */
  workloadKinds: z
    .array(z.string().regex(/^[A-Z][A-Za-z0-9]*\.[a-z0-9][a-z0-9.-]*$/, 'must be Kind.group, such as Rollout.argoproj.io'))
    .default([]),
  certificates: z
    .strictObject({
      /** of client and serving certificates */
      lifetime: certificateLife.default(30 * 86_400_000),
      renewBefore: duration.default(7 * 86_400_000),
      /** of the frp server's certificate, which it loads at its start only: each renewal is a restart of it */
      serverLifetime: certificateLife.default(365 * 86_400_000),
      authorityLifetime: certificateLife.default(3650 * 86_400_000),
      /** how long each phase of a rotation of the authority lasts at least: the way from a Secret into every process; 3m or more */
      rotationPause: rotationPause.default(10 * minute),
      /** of cert-manager, for services with `mtls.mode: external` */
      issuer: z
        .strictObject({
          name: text.default('frp-ca-issuer'),
          kind: text.default('ClusterIssuer'),
          group: text.default('cert-manager.io'),
        })
        .prefault({}),
      /**
       * of cert-manager, for `expose.tls.issuerRef`, beside the Issuers of a service's own namespace (docs/guide/security.md,
       * "Issuers of users' certificates"); `namespaces`: whose services may name it, none for all
       */
      usersIssuers: z
        .array(
          z.strictObject({
            name: text,
            kind: text.default('ClusterIssuer'),
            group: text.default('cert-manager.io'),
            namespaces: z.array(text).default([]),
          }),
        )
        .default([]),
    })
    .superRefine(checkLives)
    .prefault({}),
  controller: z
    .strictObject({
      /**
       * whose Secrets it may read: of the cluster, or of the namespaces alone that have a RoleBinding of ClusterRole
       * frp-k8s-secrets (docs/guide/security.md)
       */
      secrets: z.enum(['cluster', 'namespaces']).default('cluster'),
      /** the web page (docs/guide/dashboard.md); absent: there is none */
      page: z
        .strictObject({
          /** on the loopback of the Pod alone, to which `frp-k8s dashboard` forwards */
          port: portNumber.default(8090),
        })
        .optional(),
    })
    .prefault({}),
  connectors: z
    .strictObject({
      /** addresses that a connector may dial although they are loopback, link-local, reserved or the API server's */
      allowAddresses: z.array(text.refine(isCidr, 'must be an IP address or a CIDR such as 10.0.0.0/8')).default([]),
      /** address or name of the API server, which no backend may be; in a Pod the environment says it */
      apiServer: text.optional(),
    })
    .prefault({}),
  /** hosts and ports that belong to namespaces; without an entry a host belongs to its oldest service's namespace */
  exposure: z
    .array(z.strictObject({ namespaces: z.array(text).min(1), hosts: z.array(text).default([]), ports: z.array(portRange).default([]) }))
    .default([]),
});

/** Durations are milliseconds. */
export type Config = z.output<typeof configSchema>;

/** The configuration without any file: the embedded default. */
export const defaultConfig: Config = configSchema.parse({});
