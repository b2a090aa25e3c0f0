import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UserError } from '../../../src/errors.ts';
import { describeGrant, grantProblem, parseGrant } from '../../../src/gateway/links/grant.ts';
import { clockProblem } from '../../../src/link/clock-words.ts';
import { LinkError } from '../../../src/link/protocol.ts';
import { digestOfSecret, formatToken, isSecret, newTokenSecret, parseToken } from '../../../src/link/token.ts';

const hex = fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: 64, maxLength: 64 }).map((all) => all.join(''));
const token = fc.record({
  addresses: fc.array(fc.string({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 4 }),
  pin: hex,
  made: fc.constant(undefined).map(newTokenSecret),
});

test('a token is read as it was written, and with any character changed or missing it is none, and is not repeated', () => {
  fc.assert(
    fc.property(token, fc.nat(), fc.constantFrom('A', 'b', '_', ''), ({ made, ...rest }, place, other) => {
      const text = formatToken({ ...rest, ...made });
      assert.deepEqual(parseToken(`  ${text}\n`), { ...rest, ...made });
      const at = place % text.length;
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      if (changed === text) return;
      assert.throws(
        () => parseToken(changed),
        (error: LinkError) => error.reason === 'TokenInvalid' && !error.message.includes(made.secret),
      );
    }),
  );
});

test('only the secret itself has the digest that is kept', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      assert.equal(isSecret(other, digestOfSecret(one)), one === other);
      assert.equal(isSecret(other, 'not a digest'), false);
    }),
  );
});

test('a grant gives what it names and nothing else', () => {
  const grant = parseGrant({ namespaces: 'prod, dev', hosts: '*.Example.com', ports: '5432,6000-6100' });
  assert.equal(grantProblem(grant, 'prod', [{ host: 'a.example.com', path: '/' }, { port: 6100 }] as never), undefined);
  assert.match(grantProblem(grant, 'kube-system', [])!, /no grant for namespace kube-system/);
  for (const exposure of [{ host: 'example.com' }, { host: 'a.example.org' }, { host: '*.com' }, { port: 6101 }, { port: 5431 }])
    assert.match(grantProblem(grant, 'prod', [exposure] as never)!, /no grant for (host|port)/);
  assert.equal(describeGrant(grant), 'namespaces prod, dev; hosts *.example.com; ports 5432, 6000-6100');
  assert.equal(describeGrant(parseGrant({})), 'any namespace; any host; any port');
});

for (const wrong of [
  { ports: '0' },
  { ports: '70000' },
  { ports: '9-8' },
  { ports: 'all' },
  { hosts: 'http://x' },
  { namespaces: 'A_b' },
  { hosts: ',' },
])
  test(`a grant with ${JSON.stringify(wrong)} is refused with the option's name`, () => {
    assert.throws(
      () => parseGrant(wrong),
      (error: Error) => error instanceof UserError && error.message.startsWith(`--${Object.keys(wrong)[0]}`),
    );
  });

test('clocks are compared in words', () => {
  const hour = 3_600_000;
  assert.equal(clockProblem(0, 3 * hour + 5), 'clock is 3 h behind');
  assert.equal(clockProblem(50 * hour, 0), 'clock is 2 d ahead');
  assert.equal(clockProblem(0, 30_000), undefined);
});
