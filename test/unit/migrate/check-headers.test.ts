import assert from 'node:assert/strict';
import { test } from 'node:test';
import { draftOf } from '../../../src/migrate/proxy.ts';

/** What is told of the headers of a health check. @param more fields of the proxy */
function told(httpHeaders: object[], more: object = {}): string[] {
  const proxy = {
    name: 'web',
    type: 'http',
    localPort: 80,
    customDomains: ['a.example.com', 'b.example.com'],
    healthCheck: { type: 'http', path: '/', httpHeaders },
    ...more,
  };
  const client = { file: 'frpc.toml', server: '', advanced: {} };
  const { notes } = draftOf(proxy, client, { namespace: undefined, baseDomain: undefined, localHost: undefined });
  return notes.findings.filter(({ field }) => field === 'healthCheck.httpHeaders').map(({ level, message }) => `${level}: ${message}`);
}

const host = (value: string) => [{ name: 'hOst', value }];

test('a Host that the check asks for by itself is not lost: the one that requests are rewritten to, or one of users', () => {
  assert.deepEqual(told(host('b.example.com')), ['differs: Host needs nothing: the check asks for b.example.com by itself']);
  assert.deepEqual(told(host('a.lan'), { hostHeaderRewrite: 'a.lan' }), [
    'differs: Host needs nothing: the check asks for a.lan by itself',
  ]);
});

test('another Host is lost, with the field that sets it', () => {
  const [message, ...others] = told(host('a.lan'));
  assert.deepEqual(others, []);
  assert.match(
    message!,
    /^lost: the check asks for Host a\.example\.com or b\.example\.com; where the app answers "a\.lan" alone, set spec\.expose\.hostHeader/,
  );
});

test('every other header is lost by its name, and its value is told nobody', () => {
  const findings = told([
    { name: 'Authorization', value: 'Basic c2VjcmV0' },
    { name: 'X-Probe', value: 'secret' },
    { name: 'User-Agent', value: 'secret' },
  ]);
  assert.deepEqual(
    findings.map((text) => text.replace(/:.*(without|is) /, ': ')),
    ['lost: "authorization"', 'lost: "x-probe"', 'differs: frp-k8s-health, by which the app knows the check'],
  );
  assert.doesNotMatch(findings.join(), /secret|c2Vj/);
});

test('headers of what is no http check are none, and what is no list of them is told', () => {
  assert.deepEqual(told(host('a.lan'), { healthCheck: { type: 'tcp', httpHeaders: host('a.lan') } }), []);
  assert.match(told([{ name: 'X-Probe' }]).join(), /^lost: must be a list of names and values/);
});
