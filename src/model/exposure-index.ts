/** Whatever claims hosts and ports, found by what it claims. */
import type { Exposure } from './exposure.ts';
import { domainsAbove } from './hosts.ts';

export class ExposureIndex<T> {
  /** by exposure, by host, and by each domain above a host */
  readonly #entries = new Map<string, Set<T>>();

  add(exposures: readonly Exposure[], value: T): void {
    for (const entry of exposures.flatMap(entriesOf)) {
      let set = this.#entries.get(entry);
      if (!set) this.#entries.set(entry, (set = new Set()));
      set.add(value);
    }
  }

  remove(exposures: readonly Exposure[], value: T): void {
    for (const entry of exposures.flatMap(entriesOf)) {
      const set = this.#entries.get(entry);
      set?.delete(value);
      if (set?.size === 0) this.#entries.delete(entry);
    }
  }

  /** Those with the same host and path, or the same port. */
  exactly(exposure: Exposure): Iterable<T> {
    return this.#entries.get(exposureText(exposure)) ?? [];
  }

  /** Those with a host that has names in common with this one. */
  overlapping(host: string): T[] {
    const entries = [hostEntry(host), ...domainsAbove(host).map((domain) => hostEntry(`*.${domain}`))];
    if (host.startsWith('*.')) entries.push(belowEntry(host.slice(2)));
    return [...new Set(entries.flatMap((entry) => [...(this.#entries.get(entry) ?? [])]))];
  }
}

const hostEntry = (host: string): string => `host ${host}`;
const belowEntry = (domain: string): string => `below ${domain}`;

function entriesOf(exposure: Exposure): string[] {
  const exact = exposureText(exposure);
  if (!('host' in exposure)) return [exact];
  const { host } = exposure;
  return [exact, hostEntry(host), ...domainsAbove(host).map(belowEntry)];
}

/** The same for the same exposure only: `http llm.example.com /v1`, `sni db.example.com`, `tcp 5432`. */
export function exposureText(exposure: Exposure): string {
  switch (exposure.kind) {
    case 'http':
      return `http ${exposure.host} ${exposure.path}`;
    case 'sni':
      return `sni ${exposure.host}`;
    case 'tcp':
    case 'udp':
      return `${exposure.kind} ${exposure.port}`;
  }
}

/** What exposureText() made; undefined where it cannot have. */
export function exposureOf(text: string): Exposure | undefined {
  const [kind, where = '', ...rest] = text.split(' ');
  if (where === '') return undefined;
  if (kind === 'http') return { kind, host: where, path: rest.join(' ') };
  if (kind === 'sni') return { kind, host: where };
  const port = Number(where);
  return (kind === 'tcp' || kind === 'udp') && Number.isInteger(port) ? { kind, port } : undefined;
}
