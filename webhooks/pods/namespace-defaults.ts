/**
 * Annotations of a Namespace as defaults for the sidecars of its Pods: the keys of `sidecar` that a Pod's own annotations
 * may set, within the same bounds. A Namespace that is wrong in one of them denies no Pod: that one has no effect.
 */
import type { Config } from '../../src/config/schema.ts';
import { quantityValue } from '../../src/frp/units.ts';
import { annotation as names } from '../../src/model/names.ts';
import { isAnnotation, nearTo } from './annotation-names.ts';
import { readAnnotation, type PodAnnotations } from './annotations.ts';
import { Denial } from './reasons.ts';

export interface NamespaceDefaults {
  values: Partial<Config['sidecar']>;
  /** what has no effect and why, a sentence each with the remedy; for whoever creates a Pod there */
  warnings: readonly string[];
}

/** Reads the defaults of a namespace; undefined where there are none. */
export interface NamespaceReader {
  get(namespace: string): NamespaceDefaults | undefined;
}

const orNone = (limit: string | undefined) => (limit === 'none' ? null : limit);

/** The annotations that count on a Namespace, and the key of `sidecar` that each is the default of. */
const keys = {
  [names.drain]: 'drain',
  [names.sidecarImage]: 'image',
  [names.sidecarCpuRequest]: 'cpuRequest',
  [names.sidecarCpuLimit]: 'cpuLimit',
  [names.sidecarMemoryRequest]: 'memoryRequest',
  [names.sidecarMemoryLimit]: 'memoryLimit',
  [names.sidecarLogLevel]: 'logLevel',
  [names.appAddress]: 'appAddress',
} as const;
type Key = keyof typeof keys;

const prefix = 'frp.io/';
/** The API server shows a client so many characters of each warning, and few of them. */
const longestValue = 60;
const mostWarnings = 5;

/** @param namespace its name @returns undefined where no annotation is for us */
export function namespaceDefaults(
  namespace: string,
  annotations: Readonly<Record<string, unknown>> | null | undefined,
): NamespaceDefaults | undefined {
  const values: PodAnnotations = { ports: new Map() };
  const problems: [key: string, problem: string][] = [];
  for (const [key, text] of Object.entries(annotations ?? {})) {
    if (!key.startsWith(prefix)) continue;
    if (!Object.hasOwn(keys, key)) problems.push([key, isAnnotation(key) ? 'is for Pods only' : unknown(key)]);
    else read(values, key as Key, text, problems);
  }
  refuseCrossed(values, names.sidecarCpuRequest, names.sidecarCpuLimit, problems);
  refuseCrossed(values, names.sidecarMemoryRequest, names.sidecarMemoryLimit, problems);
  const known = Object.entries(values).filter(([key]) => Object.hasOwn(keys, key));
  if (known.length === 0 && problems.length === 0) return undefined;
  const written = Object.fromEntries(
    known.map(([key, value]) => [keys[key as Key], isLimit(key) ? orNone(value as string) : (value as unknown)]),
  );
  return { values: written, warnings: warningsOf(namespace, problems) };
}

function unknown(key: string): string {
  const near = nearTo(key);
  return `is not known to frp-k8s${near === undefined ? '' : ` (did you mean ${near}?)`}`;
}

const isLimit = (key: string): boolean => key === names.sidecarCpuLimit || key === names.sidecarMemoryLimit;

function read(values: PodAnnotations, key: Key, text: unknown, problems: [string, string][]): void {
  try {
    if (typeof text !== 'string') throw new Denial('InvalidAnnotation', 'must be a text');
    Object.assign(values, { [key]: readAnnotation(key, text.length > 512 ? text.slice(0, 513) : text) });
  } catch (error) {
    if (!(error instanceof Denial)) throw error;
    const wrong = JSON.stringify(String(text).slice(0, longestValue));
    problems.push([key, `has no effect: invalid value ${wrong}: ${error.message.slice(error.message.lastIndexOf('must be'))}`]);
  }
}

/** Of a request above its limit neither counts: which of them was meant is not ours to say. */
function refuseCrossed(
  values: PodAnnotations,
  request: 'frp.io/sidecar-cpu-request' | 'frp.io/sidecar-memory-request',
  limit: 'frp.io/sidecar-cpu-limit' | 'frp.io/sidecar-memory-limit',
  problems: [string, string][],
): void {
  const [asked, allowed] = [values[request], values[limit]].map((text) => (text === undefined ? undefined : quantityValue(text)));
  if (asked === undefined || allowed === undefined || asked <= allowed) return;
  problems.push([request, `has no effect, nor has ${limit}: ${values[request]} is above ${values[limit]}`]);
  delete values[request];
  delete values[limit];
}

function warningsOf(namespace: string, problems: readonly [key: string, problem: string][]): string[] {
  const told = problems
    .slice(0, mostWarnings)
    .map(
      ([key, problem]) =>
        `namespace ${namespace}: annotation ${key} ${problem}; correct it, or take it off: kubectl annotate namespace ${namespace} ${key}-`,
    );
  const more = problems.length - told.length;
  return more > 0 ? [...told, `namespace ${namespace}: ${more} more annotations that begin with ${prefix} have no effect`] : told;
}

const made = new WeakMap<NamespaceDefaults, { from: Config; config: Config }>();

/** The configuration for Pods of a namespace: the same object for the same defaults, as long as the configuration is the same. */
export function withDefaults(config: Config, defaults: NamespaceDefaults | undefined): Config {
  if (defaults === undefined || Object.keys(defaults.values).length === 0) return config;
  const known = made.get(defaults);
  if (known?.from === config) return known.config;
  const { values } = defaults;
  const sidecar = {
    ...config.sidecar,
    ...values,
    ...belowLimit(values, config.sidecar, 'cpuRequest', 'cpuLimit'),
    ...belowLimit(values, config.sidecar, 'memoryRequest', 'memoryLimit'),
  };
  const result = { ...config, sidecar };
  made.set(defaults, { from: config, config: result });
  return result;
}

/** A limit that the namespace sets alone lowers the configuration's request, rather than being raised to it. */
function belowLimit(
  values: NamespaceDefaults['values'],
  sidecar: Config['sidecar'],
  request: 'cpuRequest' | 'memoryRequest',
  limit: 'cpuLimit' | 'memoryLimit',
): Partial<Config['sidecar']> {
  const own = values[limit];
  if (typeof own !== 'string' || values[request] !== undefined) return {};
  return (quantityValue(sidecar[request]) ?? 0) > (quantityValue(own) ?? Infinity) ? { [request]: own } : {};
}
