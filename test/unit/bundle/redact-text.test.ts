import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { withoutHeaders } from '../../../src/bundle/haproxies.ts';
import { Addresses, redactText } from '../../../src/bundle/redact-text.ts';
import { redactLog } from '../../../src/bundle/redact-log.ts';

const redact = (text: string, known: string[] = []) => redactText(text, new Addresses(known));

/** A secret that no rule could know by its look. */
const secret = fc.stringMatching(/^[a-z][a-z0-9!$*()_.-]{8,40}$/);

describe('what is taken out of a text', () => {
  it('is a secret of any look, in every form in which one is written', () => {
    const forms: ((word: string) => string)[] = [
      (word) => `auth.token = "${word}"`,
      (word) => `password: ${word}`,
      (word) => `{"apiKey":"${word}"}`,
      (word) => `{\\"client_secret\\":\\"${word}\\"}`,
      (word) => `--token ${word} -v`,
      (word) => `--password=${word}`,
      (word) => `API_KEY='${word}'`,
      (word) => `Authorization: Basic ${word}`,
      (word) => `"proxy-authorization":"${word}"`,
      (word) => `Set-Cookie: a=${word}; Path=/`,
      (word) => `got Bearer ${word.replaceAll(/[!$*()]/g, '0')} from`,
      (word) => `http://user:${word}@proxy.example.com:3128/`,
      (word) => `GET /a/b?${word} HTTP/1.1`,
      (word) => `-----BEGIN RSA PRIVATE KEY-----\n${word}\n-----END RSA PRIVATE KEY-----`,
      (word) => `-----BEGIN PRIVATE KEY-----\n${word}`,
    ];
    fc.assert(
      fc.property(secret, fc.constantFrom(...forms), fc.string(), (word, form, around) => {
        const text = form(word);
        const bare = word.replaceAll(/[!$*()]/g, '0');
        const left = redact(`${around.replaceAll('[', '')} ${text}\nnext line`);
        assert.ok(!left.includes(word) && !left.includes(bare), `${text} → ${left}`);
      }),
      { numRuns: 1000 },
    );
  });

  it('is not what a maintainer needs', () => {
    for (const text of [
      '2026-11-27T10:00:00.123456789Z {"level":"info"}',
      'Pod shop/web-6c8f9d7b5c-x2x9k is not ready',
      'image ghcr.io/x/frpc@sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730',
      'at file:///usr/src/app/node_modules/pino/lib/proto.js:12:3',
      'Secret frp-system/frp-ca is missing its label frp.io/use',
      'proxy shop.web.s-0123456789abcdef of 10.0.0.7:8080 at 12:34:56',
      'spec.security.authentication.secretRef names Secret keys',
    ])
      assert.equal(redact(text, ['10.0.0.7']), text);
  });

  it('are addresses that are none of the cluster, each by the same name', () => {
    const addresses = new Addresses(['10.0.0.7']);
    assert.equal(
      redactText('203.0.113.9:80 asked 10.0.0.7, then 2001:db8::1 and 203.0.113.9.', addresses),
      '[address 1]:80 asked 10.0.0.7, then [address 2] and [address 1].',
    );
    assert.equal(redactText('203.0.113.9', addresses), '[address 1]');
  });

  it('is of a line of JSON what its fields say, at any depth, and it stays one line of JSON', () => {
    fc.assert(
      fc.property(secret, fc.json(), (word, other) => {
        const line = JSON.stringify({ a: [{ password: word }], 'x-auth-token': word, deep: { headers: { any: word } }, other });
        const left = redactLog(line, new Addresses());
        assert.ok(!left.includes(word), left);
        JSON.parse(left);
      }),
    );
  });

  it('is of a configuration of HAProxy what services set in headers', () => {
    const text = "  http-request set-header X-A 'b c'\\''d'\n  http-request set-header X-Frp-Source %[src]\n";
    assert.equal(withoutHeaders(text), '  http-request set-header X-A [left out]\n  http-request set-header X-Frp-Source %[src]\n');
  });
});
