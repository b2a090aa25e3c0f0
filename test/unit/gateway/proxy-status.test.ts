import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isAuthorized } from '../../../src/gateway/api/proxy-status.ts';

describe('the status API', () => {
  it('lets in who has user and password, and nobody while there are none', () => {
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    const wanted = { user: 'frp-k8s', password: 'secret' };
    assert.ok(isAuthorized(basic('frp-k8s:secret'), wanted));
    assert.ok(!isAuthorized(basic('frp-k8s:other'), wanted));
    assert.ok(!isAuthorized(undefined, wanted));
    assert.ok(!isAuthorized(basic(':'), { user: '', password: '' }));
    assert.ok(!isAuthorized(basic('frp-k8s:secret'), undefined));
  });
});
