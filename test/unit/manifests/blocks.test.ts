/** The two readers of YAML: whatever the quick one reads, the whole one reads as the same value. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseWhole, readYaml, toYaml, YamlError } from '../../../src/manifests/yaml.ts';
import { rawManifests } from '../../corpus/manifests.ts';

/** As kubectl prints a Pod: lists as far left as their keys, long texts on several rows, scripts as they are. */
const printed = `apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      frp.io/group: web
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"v1","kind":"Pod"}
    creationTimestamp: "2026-01-01T00:00:00Z"
    labels: {}
    name: web
  spec:
    containers:
    - args:
      - --listen=:80
      - |-
        # no comment
        sleep 1

        exec web
      env:
      - name: EMPTY
        value: ""
      - name: TEXT
        value: 'it''s: on'
      image: nginx:1.29
      name: web
      ports:
      - containerPort: 80
        protocol: TCP
      resources: {}
  status:
    conditions:
    - message: 'containers with unready status: [web]
        and more of it'
      reason: a plain text that goes
        on in the next row
      status: "False"
kind: List
metadata:
  resourceVersion: ""
`;

const same = (text: string): boolean => {
  const { value, blocks } = readYaml(text);
  if (blocks) assert.deepEqual(value, parseWhole(text), text);
  return blocks !== undefined;
};

describe('the quick reader of YAML', () => {
  it('reads what kubectl and this program print', () => {
    assert.ok(same(printed));
    assert.ok(same(toYaml(readYaml(printed).value)));
    assert.ok(same(`---\n# a comment\n${printed}\n# the end`));
  });

  it('reads the manifests of the corpus as the whole one does, or leaves them to it', () => {
    for (const { text } of rawManifests) {
      for (const document of text.split(/^(?=---)/m)) {
        try {
          same(document);
        } catch (error) {
          if (!(error instanceof YamlError)) throw error;
        }
      }
    }
  });

  const rows = printed.split('\n');
  const odd = [
    ...['a: b: c', 'a:', 'a: # c', '- - b', '-', '- a: 1', '? a', 'a: &x 1', 'a: *x', 'a: !!str 1', '<<: {a: 1}', '"a": 1', "'a b' : 1"],
    ...['a: "b\\tc"', 'a: "b\\x41"', 'a: "b', "a: 'b", "c'", "a: ''''", 'a: "" # c', "a: ''x", 'a: b #c', 'a: b#c', 'a #: b', 'a: #b', '#'],
    ...['a: |', 'a: |+', 'a: |2', 'a: >', 'a: | # c', '', ' ', '     ', '\t', ' \tx', 'a:\tb', 'a: b\tc', 'a: {b: c}', 'a: {b: }', 'a: [b, "c d"]'],
    ...['a: [b', '[a]: b', 'a: {}', 'a: {} x', '---', '...', '--- a', '--- # c', '%YAML 1.1', 'a: 0x1F', 'a: .inf', 'a: 1_000', 'a: 12345678901234567890'],
    ...['1: a', 'yes: a', 'null: a', '~', 'a: -', 'a: - b', 'a: -1', 'a: :b', 'a: ?b', 'a: ,b', 'a: @b', 'a: `b', 'a: b,c]', '__proto__: 1', 'a: \u00a0b\u00a0'],
    ...['constructor: 1', 'a b', 'a:b', 'a: b:', '- b:', 'a  :  b', 'a:  b  ', "k:{\"name\":\"web\"}: {}", 'f:metadata:', '- "a": b', "- 'a'", '- "a" b', '"a"b: c'],
  ];
  const row = fc.tuple(fc.nat(6), fc.constantFrom(...odd, ...rows.map((text) => text.trim()))).map(([indent, text]) => ' '.repeat(indent) + text);

  it('reads nothing of its own way, whatever rows stand below each other', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), fc.constantFrom('', '\n', '\n\n'), (lines, end) => {
        try {
          if (same(lines.join('\n') + end)) read++;
        } catch (error) {
          if (!(error instanceof YamlError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(read > 10, `${read} of 1000`);
  });

  it('reads nothing of its own way where one row of a Pod is another', () => {
    fc.assert(
      fc.property(fc.nat(rows.length - 1), fc.nat(2), row, (at, removed, added) => {
        const text = [...rows.slice(0, at), added, ...rows.slice(at + removed)].join('\n');
        try {
          same(text);
        } catch (error) {
          if (!(error instanceof YamlError)) throw error;
        }
      }),
      { numRuns: 30 },
    );
  });
});
