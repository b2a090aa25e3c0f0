import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'node:test';
import { boundedWarnings, respond, warningLimit, warningsLimit } from '../../../webhooks/review/respond.ts';
import type { Decision } from '../../../webhooks/review/types.ts';
import { anyCharacter } from '../../support/arbitraries.ts';

const length = (text: string) => [...text].length;

describe('warnings', () => {
  it('are at most 256 characters each, cut between characters', () => {
    const [kept] = boundedWarnings(['🦜'.repeat(300)]);
    assert.equal(kept, `${'🦜'.repeat(255)}…`);
    assert.deepEqual(boundedWarnings(['x'.repeat(256)]), ['x'.repeat(256)]);
  });

  it('are at most 4096 characters in all', () => {
    assert.equal(boundedWarnings(Array<string>(20).fill('x'.repeat(256))).length, 16);
  });

  it('have no control characters, for which the API server would drop them', () => {
    assert.deepEqual(boundedWarnings(['two\r\nlines\u0000']), ['two lines ']);
  });

  it('keep within the limits whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 600 }), { maxLength: 40 }), (warnings) => {
        const kept = boundedWarnings(warnings);
        assert.ok(kept.every((warning) => length(warning) <= warningLimit && !/\p{Cc}/u.test(warning)));
        assert.ok(kept.reduce((total, warning) => total + length(warning), 0) <= warningsLimit);
      }),
    );
  });
});

describe('an answer', () => {
  const decision = (more: Partial<Decision>): Decision => ({ outcome: 'allowed', reason: 'Fine', message: 'm', warnings: [], ...more });
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const response = (more: Partial<Decision>): any => JSON.parse(respond('uid', decision(more))).response;
  const patch = [{ op: 'remove' as const, path: '/a' }];

  it('has a patch and its type, or neither', () => {
    const answers = [
      response({}),
      response({ outcome: 'patched' }),
      response({ outcome: 'patched', patch: [] }),
      response({ outcome: 'denied', patch }),
      response({ outcome: 'skipped', patch }),
    ];
    for (const answer of answers)
      assert.deepEqual(
        Object.keys(answer as object).filter((key) => key.startsWith('patch')),
        [],
      );
    assert.equal(response({ outcome: 'patched', patch }).patchType, 'JSONPatch');
    assert.deepEqual(JSON.parse(Buffer.from(response({ outcome: 'patched', patch }).patch as string, 'base64').toString()), patch);
  });

  it('allows everything but a denial', () => {
    assert.equal(response({ outcome: 'skipped' }).allowed, true);
    assert.equal(response({ outcome: 'denied' }).allowed, false);
  });

  it('carries warnings with a denial too', () => {
    assert.deepEqual(response({ outcome: 'denied', warnings: ['w'] }).warnings, ['w']);
  });

  it('is JSON whatever the texts are', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), fc.string({ unit: anyCharacter }), (uid, message) => {
        const body = JSON.parse(respond(uid, decision({ outcome: 'denied', message }))) as {
          response: { uid: string; status: { message: string } };
        };
        assert.equal(body.response.uid, uid);
        assert.equal(body.response.status.message, message);
      }),
    );
  });
});
