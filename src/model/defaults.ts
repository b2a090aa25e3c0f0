/**
 * Defaulting of DistributedServices, in the two steps that a cluster takes: the API server fills in the schema's
 * defaults below parents that exist; the webhook then creates the parents that it defaults (requirements B1.11, B1.12).
 */
import type { PatchOperation } from './json-patch.ts';
import { openApiSchema, type SchemaNode } from './crd.ts';
import { isObject, objectAt, type JsonObject } from './json.ts';

const rootSchema = openApiSchema();

/**
 * What the API server makes of an object when it reads it: nulls are dropped and the schema's defaults filled in,
 * only where the parent exists. The argument is left alone. Source: apiextensions-apiserver, pkg/apiserver/schema/defaulting.
 */
export function structuralDefaults<T>(object: T): T {
  return fillIn(object, rootSchema) as T;
}

function fillIn(value: unknown, schema: SchemaNode | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => fillIn(item, schema?.items));
  if (!isObject(value)) return value;
  const filled: JsonObject = {};
  for (const [name, property] of Object.entries(value)) {
    const known = schema?.properties?.[name] ?? schema?.additionalProperties;
    if (property === null && known) continue;
    setOwn(filled, name, fillIn(property, known));
  }
  for (const [name, property] of Object.entries(schema?.properties ?? {})) {
    if (property.default !== undefined && !Object.hasOwn(filled, name)) filled[name] = copyOf(property.default);
  }
  return filled;
}

/** Nearly all defaults are texts and numbers, for which a structured clone is slow out of all proportion. */
function copyOf<T>(value: T): T {
  return typeof value === 'object' ? structuredClone(value) : value;
}

/** Plain assignment to `__proto__` would change the prototype and lose the field. */
function setOwn(object: JsonObject, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
  else object[name] = value;
}

export interface Defaulting {
  /** RFC 6902, `add` only: nothing that is set changes */
  patch: PatchOperation[];
  warnings: string[];
}

/**
 * The webhook's defaulting: `loadBalancing.algorithm`, `loadBalancing.healthCheck.type` and `security.mtls.mode`, with
 * their parents where they are absent (R2.36 to R2.38); the schema then fills in the rest below them. Warns on creation
 * where a health check appears that nobody asked for. What has a wrong type is left for the schema to refuse.
 */
export function defaultService(object: unknown, operation: 'CREATE' | 'UPDATE' = 'CREATE'): Defaulting {
  const spec = objectAt(object, 'spec');
  if (!spec) return { patch: [], warnings: [] };
  const healthCheck = healthCheckDefault(spec);
  const wanted = {
    loadBalancing: { algorithm: 'random', ...(healthCheck && { healthCheck }) },
    security: { mtls: { mode: 'auto' } },
  };
  const patch = additions(spec, wanted, '/spec');
  const unasked = operation === 'CREATE' && spec.serviceType === 'http' && createsHealthCheck(patch);
  return { patch, warnings: unasked ? [healthCheckWarning] : [] };
}

/** R2.37: http services are checked by HTTP, others by TCP. A UDP backend cannot be checked by frp, so no check is created. */
function healthCheckDefault({ serviceType, loadBalancing }: JsonObject): { type: string } | undefined {
  const present = objectAt(loadBalancing, 'healthCheck');
  if (present?.enabled === false) return undefined;
  if (serviceType === 'http') return { type: 'http' };
  if (serviceType === 'udp' && !present) return undefined;
  return ['tcp', 'udp', 'grpc'].includes(serviceType as string) ? { type: 'tcp' } : undefined;
}

/** The operations that add to `target` what it lacks of `wanted`. */
function additions(target: JsonObject, wanted: JsonObject, path: string): PatchOperation[] {
  return Object.entries(wanted).flatMap(([name, value]): PatchOperation[] => {
    const present = target[name] ?? undefined;
    if (present === undefined) return [{ op: 'add', path: `${path}/${name}`, value }];
    return isObject(present) && isObject(value) ? additions(present, value, `${path}/${name}`) : [];
  });
}

const healthCheckPaths = ['/spec/loadBalancing', '/spec/loadBalancing/healthCheck'];
const createsHealthCheck = (patch: PatchOperation[]): boolean => patch.some(({ path }) => healthCheckPaths.includes(path));

const healthCheckWarning =
  'spec.loadBalancing.healthCheck was not set: each backend is checked by GET /health every 10 s and gets traffic only while ' +
  'it answers 2xx; if it does not, set healthCheck.path, or type: tcp, or enabled: false';

/** An object as the API server would store it, from any source: both steps of defaulting. */
export function defaulted<T>(object: T): T {
  const read = structuralDefaults(object);
  const { patch } = defaultService(read);
  for (const operation of patch) if (operation.op === 'add') addAt(read, operation.path, operation.value);
  return structuralDefaults(read);
}

/** Applies one `add` below parents that exist. */
function addAt(object: unknown, path: string, value: unknown): void {
  const names = path.split('/').slice(1);
  const last = names.pop()!;
  const parent = objectAt(object, ...names);
  if (parent) parent[last] = copyOf(value);
}
