/** Configuration keys `frps`: the plain frp server, one that manifests/frps runs or one that was there before. */
import * as z from 'zod';
import { isProxy } from '../net/proxy-url.ts';
import { portNumber, text } from './values.ts';

/** Bytes. */
export const largestPacket = 7_000;

const fields = z.strictObject({
  address: text.default('frp-server.frp-system.svc'),
  port: portNumber.default(7000),
  /** name that the server's certificate must carry; default: address */
  serverName: text.optional(),
  /** how it knows its clients, besides their certificates */
  auth: z
    .strictObject({
      /** Secret of the installation's namespace with the label frp.io/use: "true"; its key token is frps' auth.token */
      tokenSecret: text,
      /** frps' auth.additionalScopes */
      additionalScopes: z.array(z.enum(['HeartBeats', 'NewWorkConns'])).default([]),
    })
    .optional(),
  /**
   * `mutual`: sidecars show a certificate and verify the server's. `server`: they verify the server's. `unverified`: the
   * tunnel is encrypted to whoever answers, as frps' own certificate cannot be verified. `off`: nothing is encrypted
   */
  tls: z.enum(['mutual', 'server', 'unverified', 'off']).default('mutual'),
  /**
   * Secret of the installation's namespace with the label frp.io/use: "true"; its key ca.crt has who signed the server's
   * certificate. Absent: the installation's authority for `mutual`, the authorities in the sidecar's image for `server`
   */
  caSecret: text.optional(),
  /** frpc's user: the server has every proxy as USER.NAME */
  user: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, _ and -')
    .optional(),
  /** told to the server at login, for its plugins; they are in annotations, so nothing secret */
  metadatas: z.record(z.string().min(1).max(253), z.string().max(4096)).default({}),
  transport: z
    .strictObject({
      protocol: z.enum(['tcp', 'websocket', 'wss', 'quic', 'kcp']).default('tcp'),
      /** proxy by which sidecars reach the server; without user and password, because annotations have it */
      proxyURL: text.refine(isProxy, 'must be http://HOST:PORT or socks5://HOST:PORT, without user and password').optional(),
      useCompression: z.boolean().default(false),
    })
    .prefault({}),
  /**
   * frps' udpPacketSize, which must be the same at both ends; default: 1500, as frp's own. A message of frp's has 10,240 bytes
   * at most, and packets are Base64 in it
   */
  udpPacketSize: z.number().int().min(1).max(largestPacket).optional(),
  /** frps' transport.maxPoolCount; larger pools give a warning. frp's own default is 5. */
  maxPoolCount: z.number().int().min(0).default(5),
  /** its own API, where health comes from; absent: health is not known. User and password: Secret frp-server-api */
  api: z.strictObject({ url: z.url().default('http://frp-server.frp-system.svc:7500') }).optional(),
  /** where users reach its ports, for the status; absent: what its Service says, or `address` where that is outside */
  publicAddress: text.optional(),
  /** ports that services may not claim (frps' own) */
  reservedPorts: z.array(portNumber).default([7000]),
});

/** What frpc would refuse, or would do other than it reads. */
function check({ tls, caSecret, transport: { protocol, proxyURL } }: z.output<typeof fields>, context: z.RefinementCtx): void {
  const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (caSecret !== undefined && (tls === 'off' || tls === 'unverified'))
    problem(['caSecret'], `verifies nothing where frps.tls is ${tls}; set frps.tls: server, or remove it`);
  if (tls === 'off' && (protocol === 'quic' || protocol === 'wss'))
    problem(['tls'], `must not be off for frps.transport.protocol ${protocol}, which is TLS itself`);
  if (proxyURL !== undefined && (protocol === 'quic' || protocol === 'kcp'))
    problem(['transport', 'proxyURL'], `takes no ${protocol}, which is UDP; set frps.transport.protocol to tcp, websocket or wss`);
}

export const frpsSchema = fields.superRefine(check).prefault({});
