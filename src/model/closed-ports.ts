/**
 * Addresses of a service at which users do not get it although it has healthy backends: none has the role that the port leads
 * to, several say that they have it, or none serves the address.
 */
import type { Problem } from './problem.ts';
import { poolsOf } from './pools.ts';
import { describePort } from './ports.ts';
import { roleCheckOf, rolePortOf } from './read-write.ts';
import type { DistributedServiceSpec } from './types.ts';

export interface Usable {
  /** how many backends of a pool (its name among those of the service) can be used; undefined: not known */
  up: (pool: string | undefined) => number | undefined;
  /** names of backends that say that they are the primary, as far as they are known */
  primaries: readonly string[];
  /** why a backend that is to serve a pool does not, with its name; absent: none is, or it is not known */
  failing?: (pool: string) => string | undefined;
}

/** Where nobody serves users. */
export interface ClosedAddress {
  /** `port 143 (imap)`, `app.example.com/v1` */
  at: string;
  /** its name, where it is a port of several */
  port?: string | undefined;
  /** one that is to serve it, and why it does not; undefined: no backend is */
  failing?: string | undefined;
}

/** @returns undefined where users are served at every port, or nothing else is known */
export function closedPorts(spec: DistributedServiceSpec, { up, primaries, failing }: Usable): Problem | undefined {
  const check = roleCheckOf(spec);
  if (!check)
    return closedAddresses(
      poolsOf(spec).flatMap(({ name, port }) =>
        name === undefined || up(name) !== 0 ? [] : [{ at: describePort({ port: port ?? 0, name }), port: name, failing: failing?.(name) }],
      ),
    );
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

/** @returns undefined where there is none */
export function closedAddresses(closed: readonly ClosedAddress[]): Problem | undefined {
  const [first] = closed;
  if (!first) return undefined;
  const where = closed.length > mostNames ? `${first.at} and ${closed.length - 1} more` : listed(closed.map(({ at }) => at));
  const [so, what] =
    first.port === undefined
      ? ['so users do not reach the service there', 'the address']
      : ['so users get no connection there', 'the port'];
  const failing = closed.find((each) => each.failing !== undefined)?.failing;
  return {
    reason: 'PortWithoutBackend',
    message:
      failing === undefined
        ? `none of them has ${where}, ${so}; restart the Pods and make the files of machines anew that are older than ${what}`
        : `nobody serves ${where}, ${so}; ${failing}`,
  };
}

const mostNames = 5;
const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;
