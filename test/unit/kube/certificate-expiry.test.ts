import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import '../../support/few-keys.ts';
import { createAuthority, issue } from '../../../certs/authority.ts';
import { expiryOf } from '../../../src/kube/certificate-expiry.ts';

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.parse('2030-01-01T00:00:00Z');

describe('the end of a certificate that somebody else renews', () => {
  it('is told a week before, and in the last quarter of a short life', async () => {
    const authority = await createAuthority({ lifetimeMs: 400 * day, now });
    for (const [lifetimeMs, near] of [
      [90 * day, 7 * day],
      [24 * hour, 6 * hour],
    ] as const) {
      const { certPem } = await issue(authority, { commonName: 'web', usages: ['serverAuth'], lifetimeMs, now });
      const at = (left: number) => expiryOf('Secret shop/web-tls', certPem, now + lifetimeMs - left);
      // A certificate begins some minutes before it is issued, so its life is a little longer.
      const early = at(near + hour);
      assert.equal(early.expiring, undefined);
      const { expiring, until } = expiryOf('Secret shop/web-tls', certPem, early.until);
      assert.equal(expiring?.reason, 'CertificateExpiresSoon');
      assert.match(expiring.message, /^Secret shop\/web-tls: the certificate of web ends at 2030-.*; have it renewed before$/);
      assert.equal(until, now + lifetimeMs);
    }
  });
});
