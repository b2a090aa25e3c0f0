/**
 * The addresses behind host names, looked up again every two seconds: the controller resolves and frpc dials what was
 * resolved and checked, so that a name cannot be pointed elsewhere in between (DNS rebinding).
 */
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import type { Clock } from '../../../certs/clock.ts';
import { FairLimit } from '../../net/fair-limit.ts';

/** A and AAAA records of an absolute name; none where it exists without. Rejects with a `code` as node:dns does. */
export type Resolve = (name: string) => Promise<string[]>;

export interface Answer {
  /** sorted */
  addresses: string[];
  /** why there are none; absent while `pending`: the first lookup has not ended */
  problem?: string;
  /** never resolved so far, and not long enough to take out what a controller before this one has found */
  pending: boolean;
}

export interface NamesDeps {
  resolve: Resolve;
  clock: Clock;
  /** the cluster's DNS domain */
  domain: string;
  /** told of the keys (see `follow`) whose answers have changed */
  changed: (key: string) => void;
}

const periodMs = 2000;
/** What has failed for long is looked up more seldom: after a fiftieth of that time again, and at least this often. */
const slowestMs = 8000;
/**
 * A DNS server that restarts, or a Service that is deleted and made again, must not take out backends that still work;
 * those that do not are left out by their health checks meanwhile.
 */
const keepMs = 30_000;
/** Names looked up at a time, and how many of them one namespace has: one that is slow takes no more. */
const atATime = { total: 32, ofNamespace: 8 };

interface Entry {
  namespace: string;
  candidates: string[];
  users: Set<string>;
  since: number;
  resolvedAt?: number;
  answer: Answer;
  cancel: () => void;
}

export class Names {
  readonly #deps: NamesDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #limit = new FairLimit(atATime.total, atATime.ofNamespace);

  constructor(deps: NamesDeps) {
    this.#deps = deps;
  }

  /** Looks up these hosts for `key`, as a Pod of the namespace would, and none of those that it asked for before. */
  follow(key: string, namespace: string, hosts: readonly string[]): void {
    const wanted = new Set(hosts.map((host) => entryKey(namespace, host)));
    for (const [name, entry] of this.#entries) {
      if (!wanted.has(name) && entry.users.delete(key) && entry.users.size === 0) this.#end(name, entry);
    }
    for (const host of hosts) {
      const known = this.#entries.get(entryKey(namespace, host));
      if (known) known.users.add(key);
      else this.#begin(key, namespace, host);
    }
  }

  /** @throws where the host is not followed */
  answer(namespace: string, host: string): Answer {
    return this.#entries.get(entryKey(namespace, host))!.answer;
  }

  close(): void {
    for (const [name, entry] of this.#entries) this.#end(name, entry);
  }

  #begin(key: string, namespace: string, host: string): void {
    const entry: Entry = {
      namespace,
      candidates: candidates(host, namespace, this.#deps.domain),
      users: new Set([key]),
      since: this.#deps.clock.now(),
      answer: { addresses: [], pending: true },
      cancel: () => {},
    };
    this.#entries.set(entryKey(namespace, host), entry);
    void this.#look(entry);
  }

  #end(name: string, entry: Entry): void {
    this.#entries.delete(name);
    entry.users.clear();
    entry.cancel();
  }

  async #look(entry: Entry): Promise<void> {
    const { clock, changed } = this.#deps;
    const found = await this.#limit.run(entry.namespace, async () => (entry.users.size === 0 ? [] : this.#lookup(entry.candidates)));
    if (entry.users.size === 0) return;
    const before = JSON.stringify(entry.answer);
    entry.answer = this.#judge(entry, found);
    if (JSON.stringify(entry.answer) !== before) for (const key of [...entry.users]) changed(key);
    const failingMs = clock.now() - (entry.resolvedAt ?? entry.since);
    const ms = Math.min(slowestMs, Math.max(periodMs, failingMs / 50));
    entry.cancel = clock.after(ms * (0.9 + Math.random() / 5), () => void this.#look(entry));
  }

  #judge(entry: Entry, found: string[] | Error): Answer {
    const now = this.#deps.clock.now();
    if (Array.isArray(found)) {
      entry.resolvedAt = now;
      const addresses = [...new Set(found)].sort();
      return { addresses, pending: false, ...(addresses.length === 0 && { problem: 'has no addresses at present' }) };
    }
    const isKept = now - (entry.resolvedAt ?? entry.since) < keepMs;
    if (isKept && entry.resolvedAt !== undefined) return entry.answer;
    return { addresses: [], pending: isKept, problem: `cannot be resolved: ${found.message}` };
  }

  /** The first candidate that exists decides, as in resolver(5). */
  async #lookup(names: string[]): Promise<string[] | Error> {
    try {
      for (const name of names) {
        const addresses = await this.#deps.resolve(name).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOTFOUND') return undefined;
          throw error;
        });
        if (addresses) return addresses;
      }
      return new Error(`no such name (asked for ${names.join(', ')})`);
    } catch (error) {
      return new Error(`the DNS server does not answer (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    }
  }
}

const entryKey = (namespace: string, host: string): string => `${namespace}/${host}`;

/** Absolute names that a host stands for in a Pod of the namespace; names of the cluster before those of the world only where it looks like one. */
export function candidates(host: string, namespace: string, domain: string): string[] {
  if (host.endsWith('.')) return [host.slice(0, -1)];
  if (!host.includes('.')) return [`${host}.${namespace}.svc.${domain}`, host];
  if (host.endsWith('.svc')) return [`${host}.${domain}`];
  return [host, `${host}.svc.${domain}`];
}

/** The cluster's domain as the kubelet writes it into a Pod's search list; `cluster.local` outside one. */
export function clusterDomain(file = '/etc/resolv.conf'): string {
  try {
    return /^search .*?\bsvc\.(\S+)/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 'cluster.local';
  } catch {
    return 'cluster.local';
  }
}

/** Asks the machine's DNS servers. */
export function systemResolve(): Resolve {
  const resolver = new Resolver({ timeout: 1500, tries: 2 });
  return async (name) => {
    const results = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = results.filter((result) => result.status === 'fulfilled');
    if (found.length > 0) return found.flatMap(({ value }) => value);
    const codes = results.map((result) => ((result as PromiseRejectedResult).reason as NodeJS.ErrnoException).code);
    if (codes.every((code) => code === 'ENODATA')) return [];
    const worst = codes.find((code) => code !== 'ENODATA' && code !== 'ENOTFOUND') ?? 'ENOTFOUND';
    throw Object.assign(new Error(worst), { code: worst });
  };
}
