/** The frp.io annotations of a Pod, read with zod. */
import * as z from 'zod';
import { appAddress, logLevel, milliseconds, quantity } from '../../src/config/schema.ts';
import { profiles } from '../../src/frp/tuning.ts';
import type { ProfileName } from '../../src/model/profiles.ts';
import { quantityValue } from '../../src/frp/units.ts';
import { annotation as names } from '../../src/model/names.ts';
import { isWritten, slipsIn, slipText } from './annotation-names.ts';
import { Denial, type Denials } from './reasons.ts';

const port = z
  .string()
  .regex(/^(?=.{1,15}$)[a-z0-9]+(-[a-z0-9]+)*$/, 'must be a port number or the name of a container port')
  .refine((value) => !/^[0-9]+$/.test(value) || inRange(value), 'must be a port number from 1 to 65535, or the name of a container port');
const inRange = (value: string) => Number(value) >= 1 && Number(value) <= 65535;

const profileNames = Object.keys(profiles) as [ProfileName, ...ProfileName[]];

const boolean = z.enum(['true', 'false'], 'must be "true" or "false"').transform((value) => value === 'true');

/** `none` takes the configuration's limit away. */
const limit = z
  .string()
  .refine((text) => text === 'none' || quantity.safeParse(text).success, 'must be a Kubernetes quantity such as 10m, 64Mi or 1, or none');

const wrongImage = 'must be an image such as docker.io/fatedier/frpc:v0.71.0';
/** Registry, repository, tag and digest as the kubelet reads them: with any other text a Pod would wait for its sidecar for ever. */
const image =
  /^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?\/)?[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;

const fields = {
  [names.port]: port,
  [names.weight]: z
    .string()
    .regex(/^[0-9]{1,7}$/, 'must be a whole number of 0 or more')
    .transform(Number),
  [names.drain]: z
    .string()
    .regex(/^[0-9]{1,9}(ms|s|m|h)$/, 'must be a duration such as 5s or 1m')
    .transform(milliseconds),
  [names.profile]: z.enum(profileNames, `must be one of: ${profileNames.join(', ')}`),
  [names.readinessGate]: boolean,
  [names.sidecarImage]: z.string().max(512, wrongImage).regex(image, wrongImage),
  [names.sidecarCpuRequest]: quantity,
  [names.sidecarCpuLimit]: limit,
  [names.sidecarMemoryRequest]: quantity,
  [names.sidecarMemoryLimit]: limit,
  [names.sidecarLogLevel]: z.enum(logLevel.options, `must be one of: ${logLevel.options.join(', ')}`),
  [names.appAddress]: z.enum(appAddress.options, `must be one of: ${appAddress.options.join(', ')}`),
};
type Fields = typeof fields;
type Values = { [K in keyof Fields]?: z.output<Fields[K]> };

export interface PodAnnotations extends Values {
  /** `frp.io/port.<group>` by group */
  ports: ReadonlyMap<string, string>;
}

/**
 * Reads the annotations that shape a sidecar. What is wrong goes to `denials` as InvalidAnnotation, with the
 * annotation's name, its value and what it must be.
 * @param groups that the Pod joins; undefined where they cannot be told
 * @returns the values that are right, and the keys of those that are not
 */
export function readAnnotations(
  annotations: Record<string, string>,
  groups: readonly string[] | undefined,
  denials: Denials,
): { values: PodAnnotations; wrong: ReadonlySet<string>; warnings: string[] } {
  const joined = groups && new Set(groups);
  const wrong = new Set<string>();
  const take = <T>(key: string, schema: z.ZodType<T>, text: string, keep: (value: T) => void) => {
    const value = denials.of(() => read(key, schema, text));
    if (value === undefined) wrong.add(key);
    else keep(value);
  };
  const ports = new Map<string, string>();
  const values: PodAnnotations = { ports };
  const warnings: string[] = [];
  for (const key of Object.keys(annotations)) {
    if (isWritten(key)) continue;
    const text = annotations[key]!;
    if (key.startsWith(names.portOf)) {
      const group = key.slice(names.portOf.length);
      if (groups && !joined?.has(group))
        warnings.push(
          `annotation ${key}: the Pod is not in group "${group}" (${names.group}: ${groups.slice(0, 3).join(',')}${groups.length > 3 ? ',…' : ''})`,
        );
      take(key, port, text, (value) => ports.set(group, value));
    } else if (Object.hasOwn(fields, key)) {
      take<unknown>(key, fields[key as keyof Fields], text, (value) => Object.assign(values, { [key]: value }));
    }
  }
  warnings.push(...slipsIn(annotations).map(slipText));
  denials.of(() => checkLimit(values, names.sidecarCpuRequest, names.sidecarCpuLimit));
  denials.of(() => checkLimit(values, names.sidecarMemoryRequest, names.sidecarMemoryLimit));
  return { values, wrong, warnings };
}

/** The value of one annotation that shapes a sidecar. @throws Denial InvalidAnnotation, whose message ends with what it must be */
export const readAnnotation = (key: keyof Fields, text: string): unknown => read<unknown>(key, fields[key], text);

/** The configuration of so many does not fit into a Pod's annotations, and each takes the webhook a fraction of a millisecond. */
const mostGroups = 256;

/** @throws Denial for more groups than a Pod can join */
export function checkNumber(groups: readonly string[]): void {
  if (groups.length <= mostGroups) return;
  throw new Denial('TooLarge', `the Pod is to join ${groups.length} groups, and ${mostGroups} is the most; join fewer groups`);
}

/** The groups that the annotation frp.io/group names, in its order, each once. */
export function readGroups(text: string): string[] {
  const groups = text.split(',').map((name) => name.trim());
  for (const name of groups) {
    if (/^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) continue;
    throw new Denial(
      'InvalidAnnotation',
      `annotation ${names.group}: invalid value ${JSON.stringify(text)}: ` +
        'must be the name of a DistributedService in the Pod\'s namespace, or several separated by commas, such as "web" or "web,admin"',
    );
  }
  return [...new Set(groups)];
}

/** frp.io/inject: "false" opts a Pod out. */
export function optedOut(annotations: Record<string, string>): boolean {
  const text = annotations[names.inject];
  return text !== undefined && !read(names.inject, boolean, text);
}

function read<T>(key: string, schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  throw invalid(key, text, result.error.issues[0]!.message);
}

function checkLimit(values: PodAnnotations, request: keyof Fields, limit: keyof Fields): void {
  if (values[request] === undefined || values[limit] === undefined) return;
  const [asked, allowed] = [quantityValue(values[request]), quantityValue(values[limit])];
  if (asked !== undefined && allowed !== undefined && asked > allowed) {
    throw invalid(request, String(values[request]), `must not be above ${limit}, which is ${String(values[limit])}`);
  }
}

const invalid = (key: string, text: string, message: string) =>
  new Denial('InvalidAnnotation', `annotation ${key}: invalid value ${JSON.stringify(text)}: ${message}`);
