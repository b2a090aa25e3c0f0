/** What somebody wants to see: a path of the page with its query. */

export type Wanted =
  | { kind: 'overview'; text: string; only: 'all' | 'problems'; page: number }
  /** @property key namespace/name */
  | { kind: 'service'; key: string; page: number }
  | { kind: 'reason'; reason: string };

/** Characters of what is looked for. */
const longestText = 200;
const mostPages = 10_000;

/** @param url path and query @returns undefined where there is no such page */
export function wantedIn(url: string): Wanted | undefined {
  const target = URL.parse(url.slice(0, 2000), 'http://localhost');
  if (!target) return undefined;
  const { pathname, searchParams } = target;
  const page = Math.min(mostPages, Math.max(1, Number.parseInt(searchParams.get('page') ?? '1', 10) || 1));
  if (pathname === '/')
    return {
      kind: 'overview',
      text: (searchParams.get('q') ?? '').slice(0, longestText).trim(),
      only: searchParams.get('only') === 'problems' ? 'problems' : 'all',
      page,
    };
  const [, namespace, name] = /^\/services\/([^/]{1,300})\/([^/]{1,300})$/.exec(pathname) ?? [];
  if (namespace !== undefined && name !== undefined) {
    const [of, called] = [decoded(namespace), decoded(name)];
    return of === undefined || called === undefined ? undefined : { kind: 'service', key: `${of}/${called}`, page };
  }
  const [, reason] = /^\/reasons\/([A-Za-z]{1,64})$/.exec(pathname) ?? [];
  return reason === undefined ? undefined : { kind: 'reason', reason };
}

/** The names of objects have no other characters, so that nothing of a question to a gateway can be made of one. */
function decoded(text: string): string | undefined {
  try {
    const name = decodeURIComponent(text);
    return /^[a-z0-9][-a-z0-9.]{0,252}$/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** The other way around. */
export function pathOf(wanted: Wanted): string {
  switch (wanted.kind) {
    case 'overview': {
      const query = new URLSearchParams();
      if (wanted.text !== '') query.set('q', wanted.text);
      if (wanted.only !== 'all') query.set('only', wanted.only);
      if (wanted.page > 1) query.set('page', String(wanted.page));
      return query.size === 0 ? '/' : `/?${query.toString()}`;
    }
    case 'service':
      return `/services/${wanted.key}${wanted.page > 1 ? `?page=${wanted.page}` : ''}`;
    case 'reason':
      return `/reasons/${wanted.reason}`;
  }
}
