/** Backends as `frp.io/v1` listed them: named ones with routes, or a primary with its replicas. */
import { isObject, type JsonObject } from '../model/json.ts';
import type { Notes } from './findings.ts';
import { Names, serviceName } from './names.ts';

export const splitText =
  'no counterpart yet: a service does not tell reads from writes; give replicas a service and a port of their own, for clients that read';

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

/** Writes go to the primary; what was read from replicas is read from it too until they have a service. */
function primaryOf(name: string, backends: readonly JsonObject[], { port, spec }: Context, notes: Notes): OlderObject {
  const replicas = backends.filter((backend) => backend.primary !== true);
  const primaries = backends.filter((backend) => backend.primary === true);
  if (replicas.length > 0) {
    const hosts = replicas.map((backend) => `${String(backend.host)}:${String(backend.port ?? port)}`).join(', ');
    notes.lost('spec.loadBalancing.readWriteSplit', `${splitText}. The replicas are ${hosts}; this service leads to the primary alone`);
  }
  if (primaries.length === 0) notes.lost('spec.backends', 'names no primary; the replicas are the backends');
  return {
    name,
    spec: { ...spec, backends: { endpoints: (primaries.length > 0 ? primaries : replicas).map((backend) => endpointOf(backend, port)) } },
  };
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
