/**
 * Ports at which users of a service get no connection although it has healthy backends: none has the role that the port leads
 * to, several say that they have it, or none has the port.
 */
import type { Problem } from './problem.ts';
import { poolsOf } from './pools.ts';
import { roleCheckOf, rolePortOf } from './read-write.ts';
import type { DistributedServiceSpec } from './types.ts';

export interface Usable {
  /** how many backends of a pool (its name among those of the service) can be used; undefined: not known */
  up: (pool: string | undefined) => number | undefined;
  /** names of backends that say that they are the primary, as far as they are known */
  primaries: readonly string[];
}

/** @returns undefined where users are served at every port, or nothing else is known */
export function closedPorts(spec: DistributedServiceSpec, { up, primaries }: Usable): Problem | undefined {
  const check = roleCheckOf(spec);
  if (!check) return withoutBackend(spec, up);
  const count = up(undefined);
  const port = rolePortOf(spec, 'primary');
  const asked = `GET ${check.paths.primary} at port ${check.port}`;
  if (count === 0)
    return {
      reason: 'NoPrimary',
      message: `none that can be used says that it is the primary, so nobody can write at port ${port}; let one answer ${asked} with 200`,
    };
  if (count === undefined || count === 1) return undefined;
  const who = primaries.length === count && count <= mostNames ? listed([...primaries].sort()) : `${count} backends`;
  return {
    reason: 'SeveralPrimaries',
    message: `${who} say that they are the primary, so nobody may begin to write at port ${port}; end or demote all of them but the right one, so that it alone answers ${asked} with 200`,
  };
}

function withoutBackend(spec: DistributedServiceSpec, up: Usable['up']): Problem | undefined {
  const empty = poolsOf(spec).filter(({ name }) => name !== undefined && up(name) === 0);
  if (empty.length === 0) return undefined;
  const ports = listed(empty.map(({ name, port }) => `${port} (${name})`));
  const what = empty.length === 1 ? `port ${ports}, so users get no connection there` : `ports ${ports}, so users get no connection there`;
  return {
    reason: 'PortWithoutBackend',
    message: `none of them has ${what}; restart the Pods and make the files of machines anew that are older than the port`,
  };
}

const mostNames = 5;
const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
