/**
 * Routes of a service by which users come to a group that has no backend, although others have some: what a request meets that
 * the gateway has looked up as haproxy/config/routes.ts says.
 */
import type { Problem } from './problem.ts';
import { isBelow, routePath, segments } from './route-paths.ts';
import type { DistributedService } from './types.ts';

interface Reached {
  /** of the requests, in words */
  which: string;
  group: string;
}

/**
 * @param paths at which users reach the service, decoded; none: it is reached by routes of others alone
 * @param up how many backends of a service of the namespace can be used; undefined: the gateway does not serve it, so no route leads there
 * @returns undefined where every group that users come to has one, or nothing is known
 */
export function closedRoutes(
  { metadata, spec }: DistributedService,
  paths: readonly string[],
  up: (name: string) => number | undefined,
): Problem | undefined {
  const own = metadata.name;
  if ((spec.routes ?? []).length === 0 || up(own) === undefined) return undefined;
  const reached = [...new Set(paths.map(segments))].flatMap((path) =>
    reachedFrom({ metadata, spec }, path, (name) => up(name) !== undefined),
  );
  const empty = [...new Map(reached.filter(({ group }) => up(group) === 0).map((each) => [`${each.which} ${each.group}`, each])).values()];
  if (empty.length === 0) return undefined;
  const said = empty
    .slice(0, mostNamed)
    .map(({ which, group }) => (group === own ? `${which} come to its own` : `${which} come to ${group}`));
  if (empty.length > mostNamed) said.push(`${empty.length - mostNamed} more come to others`);
  return {
    reason: 'RouteWithoutBackend',
    message: `users get 503 where a route leads to a group without a backend that can be used: ${said.join(', ')}; give each of these groups a backend, or lead the requests elsewhere (spec.routes)`,
  };
}

const mostNamed = 3;

/** In the order of the routes; the rest comes to the own backends. */
function reachedFrom(
  { metadata, spec }: Pick<DistributedService, 'metadata' | 'spec'>,
  base: string,
  isThere: (name: string) => boolean,
): Reached[] {
  const found: Reached[] = [];
  /** paths of which a route takes every request */
  const taken: string[] = [];
  for (const route of spec.routes ?? []) {
    const top = routePath(route.path);
    const at = isBelow(top, base) ? top : isBelow(base, top) ? base : undefined;
    const groups = (route.groups ?? []).filter(({ name, weight = 1 }) => weight > 0 && isThere(name));
    if (at === undefined || groups.length === 0 || taken.some((path) => isBelow(at, path))) continue;
    const headers = Object.keys(route.headers ?? {});
    const which = `requests for ${at || '/'}${headers.length === 0 ? '' : ` with ${headers.slice(0, mostNamed).join(', ')}`}`;
    for (const { name } of groups) found.push({ which, group: name });
    if (headers.length === 0) taken.push(at);
  }
  return taken.includes(base) ? found : [...found, { which: 'requests that no route takes', group: metadata.name }];
}
