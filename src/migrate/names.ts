/** Names of DistributedServices from names of proxies. */

const longest = 63;

/** Lower case, digits and hyphens; `fallback` for a name that has none of them. */
export function serviceName(proxy: string, fallback: string): string {
  const kept = proxy
    .normalize('NFKD')
    .toLowerCase()
    .slice(0, 1000)
    .split(/[^a-z0-9]+/)
    .filter((part) => part !== '')
    .join('-');
  const name = kept.slice(0, longest).replace(/-$/, '');
  return /[a-z]/.test(name)
    ? name
    : [fallback, name]
        .filter((part) => part !== '')
        .join('-')
        .slice(0, longest);
}

/** Names that are given out once: the second is `web-2`. */
export class Names {
  private readonly taken = new Set<string>();

  free(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.taken.has(name); count++) name = `${wanted.slice(0, longest - 6).replace(/-$/, '')}-${count}`;
    this.taken.add(name);
    return name;
  }
}
