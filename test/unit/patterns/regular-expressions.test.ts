import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { schemaPatterns } from '../../support/attack-strings.ts';
import { expressionsInSource } from '../../support/regular-expressions.ts';

const { literals, built } = expressionsInSource();

/** CPU time: all of them together take seconds, an exponential one would never end. A quadratic one ends the program itself. */
const limitSeconds = 60;

describe('regular expressions that meet text from outside', () => {
  it('are literals, so that the linter and this test see them', () => {
    assert.deepEqual(built, []);
    assert.ok(literals.length > 80, `only ${literals.length} found: is the source looked for in the right place?`);
  });

  it('take linear time for 100 KB made to hurt them', () => attack(literals));

  it('take linear time in the schema of DistributedService too, where the command line checks without an API server', () => {
    const patterns = schemaPatterns();
    assert.ok(patterns.length > 10);
    attack(patterns);
  });

  it('would be found here if one were not linear', () => {
    for (const source of ['^(.+?)\\.[0-9a-f]{8}\\.(?:.+\\.)?([^.]+)$', '^(a|b|ab)*c$']) {
      const outcome = run([{ where: 'an example', source, flags: 'g' }], 2);
      assert.notEqual(outcome.status, 0, `/${source}/ was not found out`);
    }
  });
});

function attack(expressions: typeof literals): void {
  const { status, signal, stdout } = run(expressions, limitSeconds);
  assert.equal(
    signal,
    null,
    `not done in ${limitSeconds} s of CPU time; the expression that it was at: ${stdout.trimEnd().split('\n').at(-1)}`,
  );
  assert.equal(status, 0, stdout);
}

/** @param seconds of CPU time, after which the kernel ends the program */
function run(expressions: typeof literals, seconds: number) {
  const program = path.join(import.meta.dirname, '..', '..', 'support', 'attack-strings.ts');
  const limited = ['-c', `ulimit -t ${seconds}; exec "$@"`, 'sh', process.execPath, program];
  return spawnSync('sh', limited, { input: JSON.stringify(expressions), encoding: 'utf8' });
}
