/**
 * The link between a cluster's controller and a gateway elsewhere: what the two say to each other, and how much of it.
 * Both ends say the same kinds of message: each tells the other a collection of items, and keeps a copy of the other's
 * (docs/reference/link.md).
 */
import * as z from 'zod';
import type { LinkReason } from '../model/reasons/links.ts';
import type { ReasonOfOthers } from '../model/reasons/text.ts';

/** In the ClientHello: tells a link from a tunnel at the one port, and is the major version. */
export const alpn = 'frp-k8s-link/1';
/** Ends of one major version understand each other; a newer minor version may say more. */
export const version = { major: 1, minor: 0 } as const;
export const paths = { link: '/link', join: '/join', renew: '/renew' } as const;

/** What the receiver of a collection takes. */
export interface Limits {
  /** of one message, in bytes */
  message: number;
  /** of the whole collection, in bytes of keys and values */
  bytes: number;
  items: number;
  /** items per second that it takes for long, and at once; more are not lost: they wait at the sender */
  rate: number;
  burst: number;
}

export const defaultLimits: Limits = { message: 2 ** 21, bytes: 2 ** 25, items: 50_000, rate: 500, burst: 50_000 };

/** How often each end asks whether the other is there, and how long it waits for the answer. Milliseconds. */
export const heartbeat = { everyMs: 4000, patienceMs: 9000 };

const name = z.string().max(600);
/** As it was parsed: a copy by z.json() loses keys such as __proto__, and then has another hash than the sender's. */
const json = z.custom<z.core.util.JSONType>((value) => value !== undefined);
const item = z.object({ kind: z.string().max(64), key: name, value: json });
const reference = z.object({ kind: z.string().max(64), key: name });
const hash = z.string().regex(/^[A-Za-z0-9_-]{22}$/);

/** The first of each end. */
export const hello = z.object({
  type: z.literal('hello'),
  version: z.object({ major: z.int().min(0), minor: z.int().min(0) }),
  /** version of the program, for people */
  program: z.string().max(100),
  /** milliseconds since the epoch */
  now: z.number(),
  /** of the collection that this end tells (Collection.digest) */
  digest: z.string().max(64),
  /** kinds of items that it understands of the other's */
  kinds: z.array(z.string().max(64)).max(100),
  limits: z.object({ message: z.int().min(1024), bytes: z.int().min(0), items: z.int().min(0) }),
});

/** The second: what it has of the other's collection, in parts; `isSame`: what the digest in the other's `hello` stands for. */
export const have = z.object({
  type: z.literal('have'),
  items: z.array(z.tuple([z.string().max(64), name, hash])).max(10_000),
  isSame: z.boolean(),
  isLast: z.boolean(),
});

/** From then on. Those before one with `isWhole` count only together with it: at the start there is no half of a collection. */
export const changes = z.object({
  type: z.literal('changes'),
  /** from 1, without a gap */
  number: z.int().min(1),
  set: z.array(item).max(10_000),
  delete: z.array(reference).max(10_000),
  isWhole: z.boolean(),
});

/** Everything up to that number has been taken, and outlives the receiver's process. */
export const acknowledged = z.object({ type: z.literal('acknowledged'), number: z.int().min(1) });

/** The last one: why this end ends the link. */
export const end = z.object({ type: z.literal('end'), reason: z.string().max(64), message: z.string().max(2000) });

const message = z.discriminatedUnion('type', [hello, have, changes, acknowledged, end]);

export type Message = z.infer<typeof message>;
export type Hello = z.infer<typeof hello>;
export type Have = z.infer<typeof have>;
export type Changes = z.infer<typeof changes>;
export type Item = z.infer<typeof item>;
export type Reference = z.infer<typeof reference>;
export type Json = Item['value'];

/** Why a link ends; each is a word that logs and metrics have, with a sentence for people. */
export class LinkError extends Error {
  readonly reason: LinkReason | ReasonOfOthers;
  constructor(reason: LinkReason | ReasonOfOthers, text: string, options?: ErrorOptions) {
    super(text, options);
    this.reason = reason;
  }
}

const known: Record<string, readonly string[]> = Object.fromEntries(
  [hello, have, changes, acknowledged, end].map((schema) => [schema.shape.type.value, Object.keys(schema.shape)]),
);

/** Objects of the API server have some ten levels. */
const mostLevels = 64;

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' && value !== null && (levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1)));

/**
 * A message, checked; undefined for one of a type that only a newer minor version knows.
 * @param unknown gets what is not understood, such as `changes.compression`
 * @throws LinkError where it is none
 */
export function parseMessage(value: unknown, unknown: (what: string) => void): Message | undefined {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  if (typeof type !== 'string') throw new LinkError('NotAMessage', 'the other end sent something that is no message of this protocol');
  if (!Object.hasOwn(known, type)) {
    unknown(type.slice(0, 64));
    return undefined;
  }
  if (isDeeper(value, mostLevels))
    throw new LinkError('NotAMessage', `the other end sent a message "${type}" with more than ${mostLevels} levels of objects in objects`);
  for (const field of Object.keys(value as object)) if (!known[type]!.includes(field)) unknown(`${type}.${field.slice(0, 64)}`);
  const parsed = message.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LinkError('NotAMessage', `the other end sent a message "${type}" that is none: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** @throws LinkError where the other end is of another major version */
export function checkVersion(other: Hello['version']): void {
  if (other.major === version.major) return;
  const [older, newer] = other.major < version.major ? ['other', 'this'] : ['this', 'other'];
  throw new LinkError(
    'VersionDiffers',
    `the ${newer} end speaks version ${Math.max(other.major, version.major)} of the link and the ${older} one only version ${Math.min(other.major, version.major)}; update the ${older} one`,
  );
}
