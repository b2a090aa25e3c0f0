/** What is read, and what is refused, is what kubectl 1.36 does, but where a test says otherwise. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UserError } from '../../../src/errors.ts';
import { objectsOf, parseManifests, readManifests } from '../../../src/manifests/read.ts';

const values = (text: string) => parseManifests('f', text).map(({ value }) => value);
const message = (text: string): string => {
  try {
    parseManifests('f', text);
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error.message;
  }
  return 'it was read';
};

describe('a manifest', () => {
  it('may be several objects of JSON, one after the other', () => {
    assert.deepEqual(values('{"a":1}\n{"a":2}{"a":3}'), [{ a: 1 }, { a: 2 }, { a: 3 }]);
  });

  it('may go on as YAML after one object of JSON, and not after two', () => {
    assert.deepEqual(values('{"a":1}\n---\na: 0o22\n'), [{ a: 1 }, { a: 18 }]);
    assert.match(message('{"a":1}\n{"a":2}\n---\na: 3\n'), /^f:3: not valid JSON after an object of JSON/);
  });

  it('may have keys twice: the last one counts', () => {
    assert.deepEqual(values('{"a":1,"a":2}'), [{ a: 2 }]);
    assert.deepEqual(values('a: 1\na: 2\n'), [{ a: 2 }]);
    assert.deepEqual(values('x: &x {b: 1}\nz: {b: 2, <<: *x, c: 3}\n')[0], { x: { b: 1 }, z: { b: 1, c: 3 } });
  });

  it('may have quoted texts and flow collections that go on less indented', () => {
    assert.deepEqual(values('a:\n    b: "one\n  two"\n    c: 1\n'), [{ a: { b: 'one two', c: 1 } }]);
    assert.deepEqual(values("a:\n  b:\n      - 'x\ny\n\nz'\n"), [{ a: { b: ['x y\nz'] } }]);
    assert.deepEqual(values('a: {\n"b": 1,\n"c": [\n2\n]\n}\nd: 1\n'), [{ a: { b: 1, c: [2] }, d: 1 }]);
  });

  it('has a value of its own for every alias', () => {
    const [value] = values('a: &x {b: {c: 1}}\nd: *x\n') as [{ a: { b: object }; d: { b: object } }];
    assert.deepEqual(value.a, value.d);
    assert.notEqual(value.a, value.d);
    assert.notEqual(value.a.b, value.d.b);
  });

  it('whose aliases would make millions of values is refused at once', () => {
    const names = 'abcdefghij'.split('');
    const bomb = names.map((name, i) => `${name}: &${name} [${Array(9).fill(i === 0 ? 'x' : `*${names[i - 1]}`).join(',')}]\n`).join('');
    assert.match(message(bomb), /^f:\d+: not valid YAML: document contains excessive aliasing/);
    assert.match(message('a: &a [*a]\n'), /an anchor contains itself/);
    assert.match(message('a: *b\n'), /unknown anchor "b"/);
  });

  it('may have keys that are names of prototypes', () => {
    const [value] = values('__proto__: {a: 1}\nconstructor: 2\n');
    assert.deepEqual(Object.entries(value as object), [
      ['__proto__', { a: 1 }],
      ['constructor', 2],
    ]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });

  it('has separators with nothing but a comment after them', () => {
    assert.deepEqual(values('a: 1\n--- # next\na: 2\n---\n---\n# none\n'), [{ a: 1 }, { a: 2 }, undefined, undefined]);
    assert.match(message('a: 1\n--- {a: 2}\n'), /^f:2: kubectl takes only a comment after the separator/);
  });

  it('is refused, with the line, where a character ends a line or a comment to kubectl alone', () => {
    const texts = ['a: b\u2028c', 'a: |\n  b\u0085  c', 'a: "b\u2029\n  c"', "a: 'x\u2028---\u2028y'", 'a: 1 # c\u0085b: 2', 'a: 1\rb: 2', '\u0085a: 1'];
    for (const text of texts)
      assert.match(
        message(`# first\n${text}\n`),
        /^f:[23]: not valid YAML: the character U\+(000D|0085|2028|2029) is the end of a line to kubectl; end lines with a line feed, or write it in double quotes as "\\u[0-9a-f]{4}"$/,
        JSON.stringify(text),
      );
    assert.match(message('a: b\u0080\n'), /U\+0080 is a control character, which kubectl refuses/);
    assert.deepEqual(values('a: "b\\u2028c"\r\nd: \u00e9\ufeff\n'), [{ a: 'b\u2028c', d: '\u00e9\ufeff' }]);
    assert.deepEqual(values('{"a":"b\u2028c"}'), [{ a: 'b\u2028c' }]);
  });

  it('may begin with a byte order mark in each document, as files do that were put together', () => {
    const bom = '\ufeff';
    assert.deepEqual(values(`${bom}a: 1\n---\n${bom}b: 2\n--- # c\r\n${bom}# d\nc: 3\n`), [{ a: 1 }, { b: 2 }, { c: 3 }]);
    assert.deepEqual(values(`a: 1\n---\n${bom}{"b": 2}\n---\n${bom}\n`), [{ a: 1 }, { b: 2 }, undefined]);
    assert.deepEqual(values(`{"a": 1}\n${bom}{"b": 2}\n`), [{ a: 1 }, { b: 2 }]);
    assert.deepEqual(values('a: "b\ufeff"\n'), [{ a: 'b\ufeff' }]);
    for (const text of [`\n${bom}b: 2\n`, `# c\n${bom}b: 2\n`, `a: 1\n${bom}---\nb: 2\n`, `a: 1\n${bom}b: 2\n`])
      assert.match(message(text), /^f:2: not valid YAML: the character U\+FEFF .* is a part of the text there to kubectl; remove it$/);
  });

  it('is refused where kubectl would drop what follows "..."', () => {
    assert.deepEqual(values('a: 1\n...\n'), [{ a: 1 }]);
    assert.match(message('a: 1\n...\nb: 2\n'), /^f:2|^f:3/);
  });

  it('is refused with file and line where it is wrong', () => {
    assert.match(message('a: 1\n---\nb: [\n'), /^f:\d: not valid YAML/);
    assert.match(message('a: 1\n---\n\nb: {c: }}\n'), /^f:4: not valid YAML/);
    assert.match(message('{"a": 1'), /^f:1: not valid YAML/);
    assert.match(message('['.repeat(100_000)), /^f:1: not valid YAML: nested too deeply/);
    assert.match(message('a: .nan\n'), /\.nan is no value of JSON; put it in quotes/);
    assert.match(message('a: !!int x\n'), /cannot decode "x"/);
    assert.match(message('[a]: 1\n'), /a key must be a text/);
  });

  it('has the items of Lists as objects, of Lists in Lists too', () => {
    const text = '{"kind":"List","items":[{"kind":"A"},{"kind":"PodList","items":[{"kind":"B"}]},"x"]}';
    assert.deepEqual(
      parseManifests('f', text).flatMap(objectsOf).map(({ pointer, value }) => [pointer, value.kind]),
      [
        ['/items/0', 'A'],
        ['/items/1/items/0', 'B'],
      ],
    );
  });

  it('that is a list of one kind gives its items their kind, as the API server leaves it out there', () => {
    const text = 'apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}, {apiVersion: v1, kind: Pod}]\n';
    assert.deepEqual(
      parseManifests('f', text).flatMap(objectsOf).map(({ value }) => value),
      [
        { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } },
        { apiVersion: 'v1', kind: 'Pod' },
      ],
    );
  });

  it('is read or refused with a message, whatever its text is', () => {
    const piece = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constantFrom('---\n', '{', '}', '"', "'", '[', ']', ': ', '- ', '&a ', '*a', '<<: ', '\n', '  ', '!!int ', '|', '\t', '#', '? ', '%YAML', '...\n'));
    fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => void message(pieces.join(''))), { numRuns: 400 });
  });
});

describe('a directory of manifests', () => {
  it('is read with the directories in it and linked files, each once, whatever circles its links make', (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'frp-k8s-directory-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const at = (...parts: string[]) => path.join(directory, ...parts);
    mkdirSync(at('inner'));
    mkdirSync(at('..data'));
    writeFileSync(at('..data', 'b.yaml'), 'b: 1\n');
    symlinkSync(path.join('..data', 'b.yaml'), at('b.yaml'));
    writeFileSync(at('inner', 'a.json'), '{"a":1}');
    symlinkSync(directory, at('inner', 'up'));
    const documents = readManifests([directory]);
    assert.deepEqual(
      documents.map(({ file, value }) => [path.relative(directory, file), value]),
      [
        ['b.yaml', { b: 1 }],
        [path.join('inner', 'a.json'), { a: 1 }],
      ],
    );
    symlinkSync('c.yaml', at('c.yaml'));
    assert.throws(() => readManifests([directory]), /c\.yaml: cannot be read: ELOOP/);
  });
});
