/** Hosts in maps: exact names, and wildcards by the end of the name. */

/** Whether it may be in a map: a host name, or `*.` and one, as the schema wants it. */
export const hostPattern = (host: string): boolean => /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(host);

const isWildcard = (host: string): boolean => host.startsWith('*.');

/** Text of the map of exact hosts. @param values by host */
export const exactMap = (values: ReadonlyMap<string, string>): string =>
  text([...values].filter(([host]) => !isWildcard(host)).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Text of the map of ends of names, the longest first: HAProxy takes the first that matches (map_end). */
export const wildcardMap = (values: ReadonlyMap<string, string>): string =>
  text(
    [...values]
      .filter(([host]) => isWildcard(host))
      .map(([host, value]): [string, string] => [host.slice(1), value])
      .sort(([a], [b]) => b.length - a.length || (a < b ? -1 : 1)),
  );

const text = (entries: readonly (readonly [string, string])[]): string => entries.map(([key, value]) => `${key} ${value}\n`).join('');
