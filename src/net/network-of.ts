/** Addresses of people, without what tells one household from another. */
import { isIPv4, isIPv6 } from 'node:net';
import { wordsOf } from './addresses.ts';

/** The network of an address: of IPv4, mapped into IPv6 too, its first 24 bits, of IPv6 its first 48. Undefined of what is no address. */
export function networkOf(address: string): string | undefined {
  if (isIPv4(address)) return `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
  if (!isIPv6(address) || address.includes('%')) return undefined;
  const words = wordsOf(address);
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff)
    return `${words[6]! >> 8}.${words[6]! & 255}.${words[7]! >> 8}.0/24`;
  const [first, second, third] = words.map((word) => word.toString(16));
  return `${first}:${second}:${third}::/48`;
}
