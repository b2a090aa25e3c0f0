/**
 * Which addresses a connector may dial. A connector stands in the service's namespace and
 * dials whatever a DistributedService names, so the Pod's own loopback, the node's link-local services (cloud metadata
 * among them) and the API server are refused, in every spelling, unless the installation allows them.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

export interface AddressRules {
  /** CIDRs or addresses that may be dialled whatever else is said */
  allow: readonly string[];
  /** addresses and names of the API server */
  apiServer: readonly string[];
}

interface Range {
  what: string;
  list: BlockList;
}

export const isCidr = (text: string): boolean => {
  const [, address = '', length] = /^([^/]*)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  return isIP(address) !== 0 && Number(length ?? 0) <= (isIPv4(address) ? 32 : 128);
};

const lists = new WeakMap<readonly string[], BlockList>();

const range = (what: string, ...cidrs: string[]): Range => ({ what, list: listOf(cidrs) });

/** RFC 6890 and its updates; what is left of 240/4 includes the broadcast address. */
const refused: readonly Range[] = [
  range('a loopback address', '127.0.0.0/8', '::1/128'),
  range('a link-local address', '169.254.0.0/16', 'fe80::/10'),
  // Beside 169.254.169.254: Azure, Alibaba, Oracle; and by IPv6 AWS, Google, Oracle, Scaleway.
  range('the address of a cloud metadata service', '168.63.129.16', '100.100.100.200', '192.0.0.192'),
  range('the address of a cloud metadata service', 'fd00:ec2::254', 'fd20:ce::254', 'fd00:c1::a9fe:a9fe', 'fd00:42::42'),
  range('an unspecified address', '0.0.0.0/8', '::/128'),
  range('a multicast address', '224.0.0.0/4', 'ff00::/8'),
  range('a reserved address', '240.0.0.0/4', '192.0.0.0/24', 'fec0::/10'),
  range('an address of carrier-grade NAT', '100.64.0.0/10'),
  range('an address of a translator (NAT64)', '64:ff9b::/96', '64:ff9b:1::/48'),
  range('an address of a tunnel (6to4, Teredo)', '192.88.99.0/24', '2002::/16', '2001::/32'),
];

/** Why an IP address must not be dialled; undefined: it may. @param address as net.isIP takes it */
export function addressProblem(address: string, { allow, apiServer }: AddressRules): string | undefined {
  const spellings = [address, ...embedded(address)];
  const allowed = listOf(allow);
  if (spellings.some((spelling) => contains(allowed, spelling))) return undefined;
  const found = refused.find(({ list }) => spellings.some((spelling) => contains(list, spelling)));
  if (found) return `is ${found.what}`;
  return spellings.some((spelling) => contains(listOf(apiServer), spelling)) ? 'is the address of the API server' : undefined;
}

/** Why a host as a user wrote it must not be a backend, without resolving it; undefined: it may be looked up. */
export function hostProblem(host: string, rules: AddressRules): string | undefined {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (isIP(name) !== 0 && !name.includes('%')) return addressProblem(name, rules);
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) return 'is neither a host name nor an IP address';
  // inet_aton(3) takes 127.1, 0x7f.1 and 2130706433 for addresses (WHATWG URL, "ends in a number").
  if (/(^|\.)([0-9]+|0x[0-9a-f]*)$/.test(name)) return 'is no IPv4 address; write four decimal numbers, as in 10.0.0.5';
  if (isLocalhost(name) && !contains(listOf(rules.allow), '127.0.0.1')) return 'is the connector itself, not a backend';
  return rules.apiServer.includes(name) ? 'is the name of the API server' : undefined;
}

/** RFC 6761, and what Linux distributions write into /etc/hosts. */
const isLocalhost = (name: string): boolean =>
  /(^|\.)localhost$/.test(name) || ['localhost.localdomain', 'localhost6', 'ip6-localhost', 'ip6-loopback'].includes(name);

/** Names among the addresses are left out. */
function listOf(cidrs: readonly string[]): BlockList {
  let list = lists.get(cidrs);
  if (list) return list;
  list = new BlockList();
  for (const cidr of cidrs.filter(isCidr)) {
    const [address = '', length] = cidr.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    list.addSubnet(address, Number(length ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  lists.set(cidrs, list);
  return list;
}

const contains = (list: BlockList, address: string): boolean => list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');

/** IPv4 addresses inside an IPv6 address: mapped and compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056). */
function embedded(address: string): string[] {
  if (!isIPv6(address)) return [];
  const words = wordsOf(address);
  const at = (index: number) => {
    const [high = 0, low = 0] = words.slice(index, index + 2);
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  };
  const starts = (...prefix: number[]) => prefix.every((word, index) => words[index] === word);
  if (starts(0, 0, 0, 0, 0, 0xffff) || starts(0x64, 0xff9b, 0, 0, 0, 0)) return [at(6)];
  if (starts(0, 0, 0, 0, 0, 0) && (words[6] !== 0 || words[7]! > 1)) return [at(6)];
  return starts(0x2002) ? [at(1)] : [];
}

/** The eight 16-bit words of an IPv6 address. */
export function wordsOf(address: string): number[] {
  // URL writes it in one way only: hexadecimal, and compressed once.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const first = parse(head);
  const last = parse(tail ?? '');
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
