/** Which annotations are ours, and which were meant to be: a slip in a name is told wherever annotations are read. */
import { closest } from '../../src/closest.ts';
import { annotation as names, group } from '../../src/model/names.ts';

const known = new Set<string>(Object.values(names));
const prefix = `${group}/`;
/** Written by the injector: whatever stands there is recomputed. */
const written = /^frp\.io\/(injected|frpc(-[0-9]+)?\.json)$/;
/** frp-io/group, frp.io.group, frpio/group: of another prefix, and meant for us all the same. */
const otherPrefix = /^frp[.-]?io[./-]/i;
/** Those that people write: none would mean the others. */
const ofPeople = [
  names.group,
  names.port,
  names.weight,
  names.inject,
  names.drain,
  names.profile,
  names.readinessGate,
  names.sidecarImage,
  names.sidecarCpuRequest,
  names.sidecarCpuLimit,
  names.sidecarMemoryRequest,
  names.sidecarMemoryLimit,
  names.sidecarLogLevel,
  names.appAddress,
];

/** Whether the key is an annotation of Pods: one that users write. */
export const isAnnotation = (key: string): boolean => known.has(key) || key.startsWith(names.portOf);

export const isWritten = (key: string): boolean => written.test(key);

export interface Slip {
  key: string;
  /** the one that was probably meant */
  near: string | undefined;
}

/** A Pod has few annotations; somebody's that has thousands gets the first told. */
const mostSlips = 10;

/** The annotations that look like ours and are none. */
export function slipsIn(annotations: Readonly<Record<string, unknown>> = {}): Slip[] {
  return Object.keys(annotations)
    .filter((key) => !isWritten(key) && !isAnnotation(key) && (key.startsWith(prefix) || otherPrefix.test(key)))
    .slice(0, mostSlips)
    .map((key) => ({ key, near: nearTo(key) }));
}

/** The annotation that was probably meant by such a key. */
export const nearTo = (key: string): string | undefined => closest(key.replace(otherPrefix, prefix), ofPeople);

/** One sentence, without the object. */
export const slipText = ({ key, near }: Slip): string =>
  `annotation ${key} is not known to frp-k8s and has no effect${near === undefined ? '' : `; did you mean ${near}?`}`;
