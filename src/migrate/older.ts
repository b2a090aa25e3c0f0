/**
 * Older shapes of DistributedService as v1beta1: `frp.io/v1` with lists of backends, `routing`, `readWriteSplit` and
 * `spec.port`, and the first v1beta1, whose `discovery` is a word beside a bare `selector`.
 */
import type { JsonObject } from '../model/json.ts';
import { isObject, listOf } from '../model/json.ts';
import { apiVersion, kind } from '../model/names.ts';
import { Notes, type Finding } from './findings.ts';
import { backendListOf, splitText } from './older-backends.ts';

export interface OlderService {
  objects: JsonObject[];
  findings: Finding[];
}

export function fromOlder(value: JsonObject): OlderService {
  const notes = new Notes();
  const metadata = isObject(value.metadata) ? value.metadata : {};
  const { port, routing, backends, ...spec } = isObject(value.spec) ? { ...value.spec } : {};
  if (value.apiVersion !== apiVersion) notes.differs('apiVersion', `${String(value.apiVersion)} is ${apiVersion} now`);
  if (value.status !== undefined) notes.differs('status', 'is left out: the controller writes it');
  if (isObject(spec.expose)) spec.expose = exposeOf(spec.expose);
  const readWriteSplit = isObject(spec.loadBalancing) && spec.loadBalancing.readWriteSplit === true;
  if (isObject(spec.loadBalancing)) spec.loadBalancing = balancingOf(spec.loadBalancing, notes);
  if (isObject(spec.security)) spec.security = securityOf(spec.security);
  const isPlainPort = Number.isInteger(port) && spec.serviceType !== 'http';
  if (isPlainPort && spec.expose === undefined) spec.expose = { type: 'port', port };
  else if (port !== undefined) notes.differs('spec.port', 'is the port of the backends here');

  const name = typeof metadata.name === 'string' ? metadata.name : 'migrated-service';
  const listed = Array.isArray(backends)
    ? backendListOf(name, listOf(backends), listOf(routing), { port, readWriteSplit, spec }, notes)
    : undefined;
  if (!listed && routing !== undefined) notes.lost('spec.routing', 'leads to backends of a list, and there is none; write spec.routes');
  if (!listed && readWriteSplit) notes.lost('spec.loadBalancing.readWriteSplit', splitText);
  const objects = listed ?? [{ name, spec: { ...spec, backends: backendsOf(backends, port, notes) } }];
  return {
    objects: objects.map((object) => ({ apiVersion, kind, metadata: { ...metadata, name: object.name }, spec: object.spec })),
    findings: notes.findings,
  };
}

/** `type: http` was the one by host name. */
function exposeOf(expose: JsonObject): JsonObject {
  const { type, ...rest } = expose;
  return { ...(type !== undefined && { type: type === 'http' || type === 'https' ? 'domain' : type }), ...rest };
}

function balancingOf({ strategy, readWriteSplit: _, healthCheck, ...rest }: JsonObject, notes: Notes): JsonObject {
  const check = isObject(healthCheck) ? { ...healthCheck } : healthCheck;
  if (isObject(check) && check.url !== undefined) {
    check.path ??= check.url;
    delete check.url;
  }
  if (strategy !== undefined && rest.algorithm !== undefined) notes.differs('spec.loadBalancing.strategy', 'is left out beside algorithm');
  return {
    ...(strategy !== undefined && rest.algorithm === undefined && { algorithm: strategy }),
    ...rest,
    ...(check !== undefined && { healthCheck: check }),
  };
}

function securityOf(security: JsonObject): JsonObject {
  if (!isObject(security.mtls)) return security;
  const { autoGenerate, ...mtls } = security.mtls;
  if (autoGenerate === true) mtls.mode ??= 'auto';
  return { ...security, mtls };
}

/** `discovery` as a word, a bare `selector`, and `endpoints` in several spellings. */
function backendsOf(backends: unknown, port: unknown, notes: Notes): JsonObject {
  if (!isObject(backends)) {
    notes.differs('spec.backends', 'is missing: Pods with the annotation frp.io/group are the backends');
    return { discovery: { mode: 'auto' } };
  }
  const { discovery, selector, endpoints, ...rest } = backends;
  const isOlder = typeof discovery === 'string' || (selector !== undefined && !isObject(discovery));
  const listed = Array.isArray(endpoints) ? endpoints.map((endpoint) => endpointOf(endpoint, port, notes)) : undefined;
  if (!isOlder) return { ...rest, ...(discovery !== undefined && { discovery }), ...(listed && { endpoints: listed }) };
  if (discovery === 'manual' && listed) {
    if (selector !== undefined) notes.differs('spec.backends.selector', 'is left out: endpoints are listed');
    return { ...rest, endpoints: listed };
  }
  if (listed && listed.length > 0)
    notes.lost('spec.backends.endpoints', 'cannot stand beside discovery; make a service of their own of them');
  const labels = isObject(selector)
    ? isObject(selector.matchLabels) || Array.isArray(selector.matchExpressions)
      ? selector
      : { matchLabels: selector }
    : undefined;
  const mode = labels ? 'selector' : discovery === 'dns' ? 'dns' : 'auto';
  return { ...rest, discovery: { mode, ...(labels && { selector: labels }), ...(Number.isInteger(port) && { port }) } };
}

/** `host:port`, or an object whose host may be called address or ip. */
function endpointOf(endpoint: unknown, port: unknown, notes: Notes): unknown {
  if (typeof endpoint === 'string') {
    const [, host = endpoint, own] = /^(.{1,253}):([0-9]{1,5})$/.exec(endpoint) ?? [];
    if (own === undefined && port === undefined)
      notes.lost('spec.backends.endpoints', `${JSON.stringify(endpoint)} names no port; write {host, port}`);
    return { host, port: own === undefined ? port : Number(own) };
  }
  if (!isObject(endpoint)) return endpoint;
  const { address, ip, ...rest } = endpoint;
  return { host: rest.host ?? address ?? ip, ...(rest.port === undefined && port !== undefined && { port }), ...rest };
}
