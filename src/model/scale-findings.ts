/** What the API server adds of the scale subresource's replicas, in Go's spelling of values. */
import type { Finding } from './findings.ts';
import { isObject, type JsonObject } from './json.ts';

/**
 * The scale subresource reads the number of replicas by itself, whatever the schema said of it.
 * Source: apiextensions-apiserver, pkg/registry/customresource/validator.go.
 */
export function scaleFindings({ spec }: JsonObject): Finding[] {
  const path = '.spec.backends.replicas';
  const unreadable = (at: string, value: unknown, wanted: string): Finding[] => [
    { path, message: `Invalid value: 0: ${at} accessor error: ${goValue(value)} is of the type ${goType(value)}, expected ${wanted}` },
  ];
  if (spec === undefined || spec === null) return [];
  if (!isObject(spec)) return unreadable('.spec.backends', spec, 'map[string]interface{}');
  const { backends } = spec;
  if (backends === undefined) return [];
  if (!isObject(backends)) return unreadable(path, backends, 'map[string]interface{}');
  const { replicas } = backends;
  if (replicas === undefined) return [];
  if (!Number.isInteger(replicas)) return unreadable(path, replicas, 'int64');
  return (replicas as number) < 0 ? [{ path, message: `Invalid value: ${replicas as number}: should be a non-negative integer` }] : [];
}

function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Go's %v. */
function goValue(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`;
  if (!isObject(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([name, item]) => `${name}:${goValue(item)}`).join(' ')}]`;
}
