/** Each expectation is what kubectl 1.36 makes of the text (kubectl label --local -o json). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { needsQuotes, scalarOf } from '../../../src/manifests/scalars.ts';
import { parseYaml, toYaml } from '../../../src/manifests/yaml.ts';
import { nastyText } from '../../support/arbitraries.ts';

const asKubectl: [text: string, value: unknown][] = [
  ['0o022', 18],
  ['0X1F', 31],
  ['0B101', 5],
  ['-0b11', -3],
  ['-0x1F', -31],
  ['017', 15],
  ['08', 8],
  ['0_8', 8],
  ['0b2', '0b2'],
  ['0o8', '0o8'],
  ['0x', '0x'],
  ['1_000', 1000],
  ['1__0', 10],
  ['_1', '_1'],
  ['+5', 5],
  ['.5', 0.5],
  ['._5', '._5'],
  ['.1_0', 0.1],
  ['5.', 5],
  ['+.5', 0.5],
  ['1e3', 1000],
  ['1e-7', 1e-7],
  ['1.5e400', '1.5e400'],
  ['0.1.2', '0.1.2'],
  ['9223372036854775807', 9223372036854775807n],
  ['18446744073709551615', 18446744073709551615n],
  ['18446744073709551616', 18446744073709551616],
  ['y', true],
  ['N', false],
  ['Yes', true],
  ['yEs', 'yEs'],
  ['OFF', false],
  ['True', true],
  ['~', null],
  ['Null', null],
  ['', null],
  ['12:30', '12:30'],
  ['2001-01-01', '2001-01-01'],
  ['=', '='],
];

describe('a plain scalar', () => {
  for (const [text, value] of asKubectl) {
    it(`${JSON.stringify(text)} is ${typeof value === 'bigint' ? value : JSON.stringify(value)} as for kubectl`, () => {
      assert.equal(scalarOf(text), value);
      assert.deepEqual(parseYaml(`a: ${text}\n`), { a: value });
    });
  }

  it('is quoted where it is a text that YAML 1.1, YAML 1.2 or kubectl would read as something else', () => {
    for (const text of [...asKubectl.map(([each]) => each), '12:30:45', '<<', '2001-01-01T00:00:00Z']) {
      if (scalarOf(text) !== text) assert.ok(needsQuotes(text), text);
      assert.equal(parseYaml(toYaml(text)), text);
    }
    for (const text of ['12:30', '2001-01-01', '=', '<<', '0o17', '1_0']) assert.match(toYaml(text), /^"/, text);
    for (const text of ['nginx:1.29', '10.0.0.0/8', 'v1.2', '/healthz', '100m']) assert.match(toYaml(text), /^[^"]/, text);
  });

  it('is quoted with escapes where YAML 1.1 takes a character for a line break, or refuses it', () => {
    for (const [text, written] of [
      ['a\u0085b', '"a\\u0085b"'],
      ['a\u2028b', '"a\\u2028b"'],
      ['a\u007fb', '"a\\u007fb"'],
      ['\ufeffa', '"\\ufeffa"'],
      ['\tx\ny', '"\\tx\\ny"'],
    ] as const)
      assert.equal(toYaml(text), `${written}\n`);
  });
});

describe('YAML that was written', () => {
  it('reads back as the same value, keys and integers of 64 bits included', () => {
    const leaf = fc.oneof(nastyText, fc.constantFrom(...asKubectl.map(([text]) => text)), fc.integer(), fc.boolean(), fc.constant(null));
    const value = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 3 }, leaf, fc.array(tie('tree'), { maxLength: 3 }), fc.dictionary(nastyText, tie('tree'), { maxKeys: 3, noNullPrototype: true })),
    })).tree;
    fc.assert(fc.property(fc.dictionary(nastyText, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true }), (object) => {
      assert.deepEqual(parseYaml(toYaml(object)), object);
    }));
    assert.deepEqual(parseYaml(toYaml({ a: 9007199254740993n })), { a: 9007199254740993n });
  });
});
