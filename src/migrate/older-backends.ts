/** Backends as `frp.io/v1` listed them: named ones with routes, or a primary with its replicas. */
import { isObject, type JsonObject } from '../model/json.ts';
import type { Notes } from './findings.ts';
import { Names, serviceName } from './names.ts';

export const splitText =
  'needs a list of a primary and replicas: set spec.backends.readWrite, whose roleCheck tells which backend is which';

interface Context {
  /** of the service: port of the backends */
  port: unknown;
  readWriteSplit: boolean;
  /** everything else of the spec */
  spec: JsonObject;
}

export interface OlderObject {
  name: string;
  spec: JsonObject;
}

export function backendListOf(
  name: string,
  backends: readonly unknown[],
  routing: readonly unknown[],
  context: Context,
  notes: Notes,
): OlderObject[] {
  const listed = backends.filter(isObject);
  if (listed.length < backends.length || listed.length === 0)
    notes.lost('spec.backends', 'has entries that are no objects with a name or a host, or none at all; write them as endpoints');
  return listed.some((backend) => backend.primary === true || backend.replica === true)
    ? [primaryOf(name, listed, context, notes)]
    : routing.length > 0 || listed.every(({ host }) => host === undefined)
      ? routedOf(name, listed, routing, context, notes)
      : [{ name, spec: { ...context.spec, backends: { endpoints: listed.map((backend) => endpointOf(backend, context.port)) } } }];
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const endpointOf = ({ host, name, port, weight }: JsonObject, otherwise: unknown): JsonObject => ({
  host: host ?? name,
  port: port ?? otherwise,
  ...(weight !== undefined && { weight }),
});

/** With the split every backend says its role itself; without it, writes go to the primary and so do reads. */
function primaryOf(name: string, backends: readonly JsonObject[], context: Context, notes: Notes): OlderObject {
  const { port, spec, readWriteSplit } = context;
  const replicas = backends.filter((backend) => backend.primary !== true);
  const primaries = backends.filter((backend) => backend.primary === true);
  if (readWriteSplit && isPortBelowLast(port) && spec.serviceType === 'tcp') return { name, spec: splitOf(backends, port, context, notes) };
  if (replicas.length > 0) {
    const hosts = replicas.map((backend) => `${String(backend.host)}:${String(backend.port ?? port)}`).join(', ');
    notes.lost('spec.backends', `this service leads to the primary alone; the replicas are ${hosts}. For them set spec.backends.readWrite`);
  }
  if (primaries.length === 0) notes.lost('spec.backends', 'names no primary; the replicas are the backends');
  return {
    name,
    spec: { ...spec, backends: { endpoints: (primaries.length > 0 ? primaries : replicas).map((backend) => endpointOf(backend, port)) } },
  };
}

const isPortBelowLast = (port: unknown): port is number => typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_535;

/** Clients that read come to the next port. */
function splitOf(backends: readonly JsonObject[], port: number, { spec }: Context, notes: Notes): JsonObject {
  const { expose: _, loadBalancing, ...rest } = spec;
  const readPort = port + 1;
  notes.todo(
    'spec.loadBalancing.readWriteSplit',
    `is spec.backends.readWrite: statements are not told apart, so let clients that only read come to port ${readPort}`,
  );
  notes.todo(
    'spec.backends',
    "primary and replica are what each backend says of itself: GET /primary and /replica at port 8008, as Patroni's REST API; where yours does elsewhere set spec.backends.readWrite.roleCheck. It needs the gateway",
  );
  return {
    ...rest,
    gateway: true,
    ...(isObject(loadBalancing) && { loadBalancing: withoutKind(loadBalancing) }),
    backends: { endpoints: backends.map((backend) => endpointOf(backend, port)), readWrite: { writePort: port, readPort } },
  };
}

/** The question for the role is the check. */
function withoutKind({ healthCheck, ...rest }: JsonObject): JsonObject {
  if (!isObject(healthCheck)) return rest;
  const { type: _, path: __, enabled: ___, ...times } = healthCheck;
  return { ...rest, healthCheck: times };
}

/** Each backend is a service of its own, which the routes lead to; names are those of Kubernetes Services. */
function routedOf(
  name: string,
  backends: readonly JsonObject[],
  routing: readonly unknown[],
  { port, spec }: Context,
  notes: Notes,
): OlderObject[] {
  const names = new Names();
  names.free(name);
  const groups = backends.map((backend) => ({
    backend,
    own: names.free(serviceName(textOf(backend.name) ?? textOf(backend.host) ?? '', 'backend')),
  }));
  const groupOf = (wanted: unknown) => groups.find(({ backend }) => backend.name === wanted)?.own;
  const routes = routing.flatMap((route) => {
    const { path, backend, ...rest } = isObject(route) ? route : {};
    const group = groupOf(backend);
    if (Object.keys(rest).length > 0) notes.lost('spec.routing', `${Object.keys(rest).join(', ')}: no counterpart; see spec.routes`);
    if (group === undefined) notes.lost('spec.routing', `${JSON.stringify(backend ?? null)} is none of the backends; correct it`);
    return group === undefined ? [] : [{ ...(path !== undefined && path !== '/' && path !== '/*' && { path }), groups: [{ name: group }] }];
  });
  const all = {
    groups: groups.map(({ backend, own }) => ({ name: own, ...(backend.weight !== undefined && { weight: backend.weight }) })),
  };
  notes.todo(
    'spec.routing',
    'spec.routes needs the gateway; each backend is a DistributedService of its own, over the Kubernetes Service of its name',
  );
  const hasRest = routes.some((route) => !('path' in route));
  if (!isObject(spec.expose)) notes.lost('spec.expose', 'names no host, so users do not reach it: set spec.expose.domain');
  const expose = isObject(spec.expose) ? spec.expose : { path: '/' };
  const { expose: _, security: __, loadBalancing, ...common } = spec;
  return [
    // Its own backends answer what no route matches: there is none of them where the last route matches everything.
    {
      name,
      spec: { ...spec, gateway: true, expose, backends: { discovery: { mode: 'auto' } }, routes: hasRest ? routes : [...routes, all] },
    },
    ...groups.map(({ backend, own }) => ({
      name: own,
      spec: {
        ...common,
        gateway: true,
        ...(spec.serviceType === 'http' && { expose: { path: '/' } }),
        backends: { discovery: { mode: 'dns', name: backend.host ?? backend.name, port: backend.port ?? port } },
        ...(loadBalancing !== undefined && { loadBalancing }),
      },
    })),
  ];
}
