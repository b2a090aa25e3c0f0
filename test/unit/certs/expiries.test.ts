import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { byExpiry, Expiries } from '../../../certs/expiries.ts';
import '../../support/few-keys.ts';

describe('when certificates end', () => {
  it('is told of the leaf of each chain, the soonest first; what is no certificate is left out', async () => {
    const now = Date.UTC(2026, 0, 1);
    const authority = await createAuthority({ lifetimeMs: 10_000_000, now });
    const pair = await issue(authority, {
      commonName: 'web',
      dnsNames: ['web.example.com'],
      usages: ['serverAuth'],
      lifetimeMs: 5_000_000,
      now,
    });
    const found = new Expiries().of([
      ['authority', authority.certPem],
      ['web', `${pair.certPem}\n${authority.certPem}`],
      ['none', 'hello'],
    ]);
    const [first, second] = byExpiry(found);
    assert.equal(found.length, 2);
    assert.deepEqual([first?.name, first?.subject, first?.expires], ['web', 'web.example.com', new Date(now + 5_000_000).toISOString()]);
    assert.equal(second?.name, 'authority');
  });
});
