/**
 * Proxies that are one app's: a range of ports, as frp numbers them, or as people do. They differ in the number that ends their
 * name and in their ports, and in nothing else, so they become one service with several ports.
 */
import { mostPorts } from '../model/ports.ts';
import type { Draft, Spec } from './draft.ts';
import { Notes } from './findings.ts';
import { serviceName } from './names.ts';

export function withSeveralPorts(drafts: readonly Draft[]): Draft[] {
  const ranges = new Map<string, Draft[]>();
  for (const [index, draft] of drafts.entries()) {
    const key = rangeOf(draft) ?? String(index);
    ranges.set(key, [...(ranges.get(key) ?? []), draft]);
  }
  return [...ranges.values()].flatMap((range) => {
    const parts = Array.from({ length: Math.ceil(range.length / mostPorts) }, (_, at) => range.slice(at * mostPorts, (at + 1) * mostPorts));
    return parts.flatMap(asOne);
  });
}

const numbered = /^(.*[^0-9_.-])[_.-]?[0-9]{1,5}$/;

/** What proxies of one range have in common; undefined for one that is of none. */
function rangeOf({ proxy, group, specs, target, client }: Draft): string | undefined {
  const [spec, ...others] = specs;
  const [, name] = numbered.exec(proxy) ?? [];
  if (group !== undefined || others.length > 0 || name === undefined || spec?.expose?.port === undefined) return undefined;
  if (spec.expose.type !== 'port' || (spec.serviceType !== 'tcp' && spec.serviceType !== 'udp')) return undefined;
  return JSON.stringify([client.file, client.server, name, target.host, withPorts(spec, undefined)]);
}

function withPorts(spec: Spec, ports: NonNullable<Spec['expose']>['ports']): Spec {
  const { port: _, ...rest } = spec.expose ?? {};
  return { ...spec, expose: { ...rest, ...(ports && { ports }) } };
}

function asOne(range: readonly Draft[]): Draft[] {
  const [first, ...others] = range;
  if (!first || others.length === 0) return [...range];
  const notes = new Notes();
  for (const { level, field, message } of range.flatMap((draft) => draft.notes.findings)) notes.add(level, field, message);
  const ports = range.map(({ specs, target }) => {
    const port = specs[0]!.expose!.port!;
    return { name: `p${port}`, port, ...(target.port !== port && { backendPort: target.port }) };
  });
  // frp refuses the second of one port, so whoever reads it is told.
  if (new Set(ports.map(({ port }) => port)).size < ports.length) return [...range];
  const [, name = first.proxy] = numbered.exec(first.proxy) ?? [];
  const spec = withPorts(first.specs[0]!, ports);
  return [
    {
      ...first,
      proxies: range.map(({ proxy }) => proxy),
      name: serviceName(name, `${spec.serviceType}-${ports[0]!.port}`),
      specs: [spec],
      appPorts: range.map(({ target }) => target.port),
      notes,
    },
  ];
}
