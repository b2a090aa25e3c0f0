import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hostProblem, isCidr } from '../../../src/net/addresses.ts';

const rules = { allow: [], apiServer: ['10.96.0.1', '2001:db8::6443', 'api.example.com'] };

const refused: [host: string, why: RegExp][] = [
  ['127.0.0.1', /loopback/],
  ['127.255.255.254', /loopback/],
  ['127.0.0.1.', /loopback/],
  ['::1', /loopback/],
  ['0:0:0:0:0:0:0:1', /loopback/],
  ['::ffff:127.0.0.1', /loopback/],
  ['::FFFF:7f00:1', /loopback/],
  ['0:0:0:0:0:ffff:7f00:0001', /loopback/],
  ['::127.0.0.1', /loopback/],
  ['64:ff9b::7f00:1', /loopback/],
  ['2002:7f00:1::', /loopback/],
  ['169.254.169.254', /link-local/],
  ['::ffff:a9fe:a9fe', /link-local/],
  ['fe80::1', /link-local/],
  ['febf::1', /link-local/],
  ['fd00:ec2::254', /metadata/],
  ['fd20:ce:0::254', /metadata/],
  ['fd00:c1::169.254.169.254', /metadata/],
  ['168.63.129.16', /metadata/],
  ['100.100.100.200', /metadata/],
  ['::ffff:192.0.0.192', /metadata/],
  ['192.0.0.8', /reserved/],
  ['fec0::1', /reserved/],
  ['100.64.0.1', /carrier-grade/],
  ['100.127.255.254', /carrier-grade/],
  ['64:ff9b::8.8.8.8', /NAT64/],
  ['64:ff9b:1:2::1', /NAT64/],
  ['2002:808:808::1', /6to4/],
  ['2001:0:1234::1', /Teredo/],
  ['0.0.0.0', /unspecified/],
  ['0.1.2.3', /unspecified/],
  ['::', /unspecified/],
  ['::ffff:0.0.0.0', /unspecified/],
  ['224.0.0.1', /multicast/],
  ['239.255.255.255', /multicast/],
  ['ff02::1', /multicast/],
  ['255.255.255.255', /reserved/],
  ['10.96.0.1', /API server/],
  ['::ffff:10.96.0.1', /API server/],
  ['2001:db8:0::6443', /API server/],
  ['API.example.com', /API server/],
  ['localhost', /itself/],
  ['LOCALHOST.', /itself/],
  ['a.localhost', /itself/],
  ['localhost.localdomain', /itself/],
  ['ip6-loopback', /itself/],
  ['127.1', /no IPv4 address/],
  ['127.0.1', /no IPv4 address/],
  ['0x7f.1', /no IPv4 address/],
  ['0X7F000001', /no IPv4 address/],
  ['0177.0.0.1', /no IPv4 address/],
  ['2130706433', /no IPv4 address/],
  ['017700000001', /no IPv4 address/],
  ['127.0.0.01', /no IPv4 address/],
  ['1.2.3.4.5', /no IPv4 address/],
  ['10.0.0.5:80', /neither/],
  ['a..b', /neither/],
  ['fe80::1%eth0', /neither/],
  ['[::1]', /neither/],
  ['', /neither/],
];

const admitted = [
  '10.0.0.5',
  '192.168.1.1',
  '128.0.0.1',
  '126.255.255.255',
  '169.253.255.255',
  '100.63.255.255',
  '100.128.0.0',
  '168.63.129.17',
  '2001:1::1',
  '8.8.8.8',
  '2001:db8::1',
  'fd00::1',
  '::ffff:10.0.0.5',
  'db.internal',
  'postgres',
  'my-localhost',
  'localhost.example.com',
  '1.example.com',
  'x0x7f',
  'db.internal.',
];

const forbidden = new BlockList();
forbidden.addSubnet('127.0.0.0', 8);
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addSubnet('0.0.0.0', 8);
forbidden.addRange('224.0.0.0', '255.255.255.255');

const octets = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 });
const forbiddenOctets = fc.oneof(
  octets.map(([, b, c, d]) => [127, b!, c!, d!]),
  octets.map(([, , c, d]) => [169, 254, c!, d!]),
  octets.map(([, b, c, d]) => [0, b!, c!, d!]),
  octets.map(([a, b, c, d]) => [224 + (a! % 32), b!, c!, d!]),
);
const hex = (number: number) => number.toString(16);
/** Everything that inet_aton(3) or an IPv6 address may stand for these four octets. */
const spellings = ([a = 0, b = 0, c = 0, d = 0]: number[]): string[] => [
  `${a}.${b}.${c}.${d}`,
  `${a}.${b}.${c * 256 + d}`,
  `${a}.${b * 65536 + c * 256 + d}`,
  String(((a * 256 + b) * 256 + c) * 256 + d),
  `0x${hex(a)}.0x${hex(b)}.0x${hex(c)}.0x${hex(d)}`,
  `0x${hex(((a * 256 + b) * 256 + c) * 256 + d)}`,
  `0${a.toString(8)}.${b}.${c}.0${d.toString(8)}`,
  `${a}.${b}.${c}.${d}.`,
  `::ffff:${a}.${b}.${c}.${d}`,
  `0:0:0:0:0:FFFF:${hex(a * 256 + b)}:${hex(c * 256 + d)}`,
  `64:ff9b::${hex(a * 256 + b)}:${hex(c * 256 + d)}`,
  `2002:${hex(a * 256 + b)}:${hex(c * 256 + d)}::1`,
];

describe('what a connector may dial', () => {
  for (const [host, why] of refused) it(`refuses ${JSON.stringify(host)}`, () => assert.match(hostProblem(host, rules) ?? 'admitted', why));
  for (const host of admitted) it(`admits ${host}`, () => assert.equal(hostProblem(host, rules), undefined));

  it('refuses a forbidden address in every spelling', () => {
    fc.assert(
      fc.property(forbiddenOctets, (bytes) => {
        for (const spelling of spellings(bytes)) assert.notEqual(hostProblem(spelling, rules), undefined, spelling);
      }),
    );
  });

  it('admits nothing that the system takes for an IPv4 address, but for four decimal numbers that are not forbidden', () => {
    fc.assert(
      fc.property(octets, (bytes) => {
        for (const spelling of spellings(bytes).filter((text) => !text.includes(':')))
          if (hostProblem(spelling, rules) === undefined) {
            assert.ok(isIPv4(spelling.replace(/\.$/, '')), spelling);
            assert.equal(forbidden.check(spelling.replace(/\.$/, '')), false);
          }
      }),
    );
  });

  it('has an answer for any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.domain()), (host) => void hostProblem(host, rules)));
  });

  it('lets the installation allow what it would refuse, and no more', () => {
    const allowing = { allow: ['127.0.0.0/8', '10.96.0.1', 'fe80::/64'], apiServer: ['10.96.0.1', '10.96.0.2'] };
    for (const host of ['127.0.0.1', '::ffff:127.0.0.1', 'localhost', '10.96.0.1', 'fe80::1'])
      assert.equal(hostProblem(host, allowing), undefined, host);
    for (const host of ['10.96.0.2', 'fe80:1::1', '::1', '169.254.1.1', '127.1'])
      assert.notEqual(hostProblem(host, allowing), undefined, host);
  });

  it('knows a CIDR from what is none', () => {
    for (const cidr of ['10.0.0.0/8', '10.0.0.1', '::1', 'fd00::/8', '0.0.0.0/0']) assert.equal(isCidr(cidr), true, cidr);
    for (const cidr of ['10.0.0.0/33', 'fd00::/129', '10.0.0/8', 'a/8', '', '10.0.0.0/', '10.0.0.0/8/8'])
      assert.equal(isCidr(cidr), false, cidr);
  });
});
