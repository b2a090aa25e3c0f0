/**
 * Proxies that are one app's become one service with several ports. Known as one app are a range, as frp numbers it or as people
 * do, and what one address elsewhere serves under names of one first word, or at the ports of a mail server. They differ in
 * their names and ports, and in nothing else. At the machine itself the latter are apart: there each may be a Pod of its own.
 */
import { isPortName, mostPorts } from '../model/ports.ts';
import { isOwnMachine } from './addresses.ts';
import type { Assumptions, Draft, Spec } from './draft.ts';
import { Notes } from './findings.ts';
import { serviceName } from './names.ts';

interface App {
  /** the same for all of its proxies, and for no others */
  key: string;
  name: string;
  kind: 'range' | 'app';
}

export function withSeveralPorts(drafts: readonly Draft[], assumptions: Pick<Assumptions, 'localHost'>): Draft[] {
  const ranges = together(drafts, (draft) => appOf(draft, rangeName(draft.proxy), 'range'));
  const isFar = ({ target, proxies }: Draft) => !proxies && (assumptions.localHost !== undefined || !isOwnMachine(target.host));
  return together(ranges, (draft) => (isFar(draft) ? appOf(draft, appName(draft), 'app') : undefined));
}

function together(drafts: readonly Draft[], appFor: (draft: Draft) => App | undefined): Draft[] {
  const apps = new Map<string, { app: App | undefined; members: Draft[] }>();
  for (const [index, draft] of drafts.entries()) {
    const app = appFor(draft);
    const key = app?.key ?? String(index);
    apps.set(key, { app, members: [...(apps.get(key)?.members ?? []), draft] });
  }
  return [...apps.values()].flatMap(({ app, members }) => {
    if (!app) return members;
    const parts = Array.from({ length: Math.ceil(members.length / mostPorts) }, (_, at) =>
      members.slice(at * mostPorts, (at + 1) * mostPorts),
    );
    return parts.flatMap((part) => asOne(part, app));
  });
}

const numbered = /^(.*[^0-9_.-])[_.-]?[0-9]{1,5}$/;
const rangeName = (proxy: string): string | undefined => numbered.exec(proxy)?.[1];

const mailPorts: ReadonlySet<number> = new Set([25, 110, 143, 465, 587, 993, 995, 2525, 4190]);
const appName = ({ proxy, target }: Draft): string | undefined =>
  mailPorts.has(target.port) ? 'mail' : /^([A-Za-z][A-Za-z0-9]*)[-_.]/.exec(proxy)?.[1]?.toLowerCase();

/** undefined for a proxy that is not at a port of its own, or that has no such name. */
function appOf({ group, specs, target, client }: Draft, name: string | undefined, kind: App['kind']): App | undefined {
  const [spec, ...others] = specs;
  if (group !== undefined || others.length > 0 || name === undefined || !spec?.expose?.port) return undefined;
  if (spec.expose.type !== 'port' || (spec.serviceType !== 'tcp' && spec.serviceType !== 'udp')) return undefined;
  return { key: JSON.stringify([client.file, client.server, name, target.host, withPorts(spec, undefined)]), name, kind };
}

function withPorts(spec: Spec, ports: NonNullable<Spec['expose']>['ports']): Spec {
  const { port: _, ...rest } = spec.expose ?? {};
  return { ...spec, expose: { ...rest, ...(ports && { ports }) } };
}

function asOne(members: readonly Draft[], { name, kind }: App): Draft[] {
  const [first, ...others] = members;
  if (!first || others.length === 0) return [...members];
  const notes = new Notes();
  for (const { level, field, message } of members.flatMap((draft) => draft.notes.findings)) notes.add(level, field, message);
  if (kind === 'app')
    notes.differs(
      'remotePort',
      `one app by its address, so one service with ${members.length} ports: each is balanced and checked by itself, and a backend counts as healthy with all of them`,
    );
  const ports = members.map(({ proxy, specs, target }) => {
    const port = specs[0]!.expose!.port!;
    const called = kind === 'app' ? proxy.toLowerCase() : '';
    return { name: isPortName(called) ? called : `p${port}`, port, ...(target.port !== port && { backendPort: target.port }) };
  });
  // frp refuses the second of one port, so whoever reads it is told.
  if (new Set(ports.map(({ port }) => port)).size < ports.length) return [...members];
  if (new Set(ports.map((port) => port.name)).size < ports.length) return [...members];
  const spec = withPorts(first.specs[0]!, ports);
  return [
    {
      ...first,
      proxies: members.map(({ proxy }) => proxy),
      name: serviceName(name, `${spec.serviceType}-${ports[0]!.port}`),
      specs: [spec],
      appPorts: members.map(({ target }) => target.port),
      notes,
    },
  ];
}
