/**
 * What is told over a link, by kind of item. Up, to the gateway: what a cluster wants of it. Down: what has become of it.
 * Fields that only a newer minor version knows are left out here; sets are bounded by the link's own limits.
 */
import * as z from 'zod';

const text = z.string().max(2000);

/** key: namespace/name. Without status: what a cluster says of its own services decides nothing here. */
const service = z.object({
  metadata: z.object({
    name: z.string().min(1).max(253),
    namespace: z.string().min(1).max(63),
    uid: z.string().max(128).optional(),
    generation: z.number().optional(),
    creationTimestamp: z.iso.datetime().optional(),
    deletionTimestamp: z.string().max(64).optional(),
    annotations: z.record(z.string().max(317), z.string().max(262_144)).optional(),
  }),
  spec: z.record(z.string(), z.unknown()),
});

const port = z.int().min(1).max(65_535);
/** key: UID */
const pod = z.object({
  namespace: z.string().min(1).max(63),
  name: z.string().min(1).max(253),
  /** its containers are ready, and it is not being deleted */
  isReady: z.boolean(),
  weight: z.int().min(0).max(9_999_999).optional(),
  ip: z.string().max(64).optional(),
  profile: z.string().max(63).optional(),
  /** port of the app, by name of the service */
  ports: z.record(z.string().max(253), port),
});

/**
 * key: kind of use (credentials, tls, client-ca), a space, namespace/name of the Secret. Of credentials the digests alone.
 * Or `challenges`, a space, namespace/name of a service: what ACME servers are answered for its hosts, by token.
 */
const secret = z.object({ data: z.record(z.string().max(253), z.string().max(1_048_576)) });

/** key: name of the list. Fingerprint → text (model/revocation.ts). */
const revoked = z.object({ data: z.record(z.string().regex(/^[0-9a-f]{64}$/), z.string().max(300)) });

/** key: `tokens`. By which the cluster's Pods are known: RFC 7517, at most 20 keys. */
const keys = z.object({ issuer: z.string().min(1).max(2000), keys: z.array(z.record(z.string(), z.unknown())).max(20) });

/** key: `clients`. Who has signed the certificates of the cluster's sidecars; PEM. */
const authority = z.object({ bundle: z.string().max(131_072) });

export const upKinds = { service, pod, secret, revoked, keys, authority } as const;

/** key: name of a proxy of this cluster's */
const proxy = z.object({
  status: z.enum(['online', 'offline']),
  /** its Pod is turned away, for the reason */
  isRefused: z.literal(true).optional(),
  reason: text.optional(),
  isPrimary: z.literal(true).optional(),
});
/** key: one of several pools of a service of this cluster's (partKey of model/pools.ts); with the backends of all clusters */
const pool = z.object({ up: z.int().min(0) });
/** key: namespace/name of a service of this cluster's that is not served as it is, or kind and key of another item */
const refused = z.object({ reason: z.string().max(64), message: text });
/** key: namespace/name of a service whose Pods, this cluster's, want more tunnels than they may have; the reason is one word */
const refusedTunnels = z.object({ reason: z.string().max(64), message: text });
/** key: namespace/name of a service that another cluster, which joined first, says of what users get */
const differs = z.object({
  fields: z.array(z.string().max(300)).max(50),
  /** by the gateway's name */
  cluster: z.string().max(64).optional(),
});
/** key: `gateway` */
const gateway = z.object({
  /** the gateway's name of the cluster */
  cluster: z.string().max(64),
  /** HOST:PORT, as sidecars dial them */
  addresses: z.array(z.string().max(300)).max(16),
  /** as in the answer to joining (joining.ts) */
  isReplicated: z.boolean().default(false),
  /** PEM: by which the gateway is known, to the cluster and to its sidecars */
  authority: z.string().max(131_072),
  /** what the cluster may have, for people */
  grant: text,
});
/** key: what this gateway does not understand of what it is told */
const unknown = z.object({});

export const downKinds = { proxy, pool, refused, refusedTunnels, differs, gateway, unknown } as const;

export type Up<K extends keyof typeof upKinds> = z.infer<(typeof upKinds)[K]>;
export type Down<K extends keyof typeof downKinds> = z.infer<(typeof downKinds)[K]>;
