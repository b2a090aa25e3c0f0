import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyHeader } from '../../../src/gateway/replicas/proxy-protocol.ts';

const ports = { sourcePort: 56_324, destinationPort: 443 };

test('the header of an IPv4 connection is the one of the specification', () => {
  const header = proxyHeader({ source: '192.168.0.1', destination: '192.168.0.11', ...ports });
  assert.equal(header.toString('hex'), '0d0a0d0a000d0a515549540a' + '2111000c' + 'c0a80001' + 'c0a8000b' + 'dc0401bb');
});

test('IPv6 addresses take 16 bytes each, however they are written', () => {
  const header = proxyHeader({ source: '2001:db8::1:0:7', destination: '::ffff:192.0.2.1', ...ports });
  assert.equal(
    header.toString('hex'),
    '0d0a0d0a000d0a515549540a' + '21210024' + '20010db8000000000000000100000007' + '00000000000000000000ffffc0000201' + 'dc0401bb',
  );
  const whole = proxyHeader({ source: '1:2:3:4:5:6:7:8', destination: '::1', ...ports });
  assert.equal(whole.subarray(16, 48).toString('hex'), '00010002000300040005000600070008' + '0'.repeat(31) + '1');
});
