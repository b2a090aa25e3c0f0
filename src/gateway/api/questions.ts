/** Questions of people over HTTP, to a replica that has let them in: paths and queries to answers as JSON. */
import type { Inspection } from './inspection.ts';
import type { Asked } from './route-trace.ts';

export type Answer = { status: 200; value: unknown } | { status: 400 | 404; message: string };

/** @param url path and query @throws Error where what answers it does not */
export type Ask = (url: string) => Promise<Answer | undefined>;

const longest = 2000;
const mostHeaders = 20;

/** @param url path and query of the request @returns undefined for a path that is none of these */
export async function answerTo(url: string, inspection: Inspection): Promise<Answer | undefined> {
  const { pathname, searchParams } = new URL(url.slice(0, 4 * longest), 'http://localhost');
  const [, service] = /^\/api\/services\/([^/]{1,253}\/[^/]{1,253})$/.exec(pathname) ?? [];
  if (service !== undefined) {
    const value = await inspection.service(service);
    return value ? { status: 200, value } : { status: 404, message: `this gateway knows no DistributedService ${service}` };
  }
  if (pathname === '/api/summary') return { status: 200, value: await inspection.summary(searchParams.get('namespace') ?? undefined) };
  if (pathname === '/api/installation') return { status: 200, value: await inspection.installation() };
  if (pathname === '/api/haproxy') return { status: 200, value: await inspection.configurations() };
  if (pathname !== '/api/routes') return undefined;
  const asked = askedIn(searchParams);
  return 'message' in asked ? { status: 400, message: asked.message } : { status: 200, value: await inspection.route(asked) };
}

/** `host`, `path`, `method`, `scheme`, `header` (NAME:VALUE, repeated), `role` (repeated) and `authenticated`. */
function askedIn(query: URLSearchParams): Asked | { message: string } {
  const host = query.get('host') ?? '';
  if (host === '' || host.length > 260) return { message: 'say the host, such as /api/routes?host=app.example.com&path=/' };
  const path = (query.get('path') ?? '/').slice(0, longest);
  const headers = Object.fromEntries(
    query
      .getAll('header')
      .slice(0, mostHeaders)
      .map((text) => {
        const at = text.indexOf(':');
        return at < 0 ? [text.toLowerCase(), ''] : [text.slice(0, at).trim().toLowerCase(), text.slice(at + 1).trim()];
      }),
  ) as Record<string, string>;
  const roles = query.getAll('role').slice(0, mostHeaders);
  return {
    host,
    path,
    method: query.get('method') ?? 'GET',
    headers,
    scheme: query.get('scheme') === 'https' ? 'https' : 'http',
    roles: roles.length > 0 || query.has('authenticated') ? roles : undefined,
  };
}
