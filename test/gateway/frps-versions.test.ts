/**
 * Sidecars with frps of other versions than the one that ships: the suites of an frps that was there before, with each in its
 * place. All at once, in a network of its own each: they wait more than they work.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';

/** Paths of frps, with spaces between; test/gateway/run sets it. */
const others = (process.env.FRPS_OTHERS ?? '').split(' ').filter(Boolean);

/** Exit code and output of the suites. */
function run(frps: string): Promise<{ code: number | string; output: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, FRPS: frps };
  // Of this run; the one below would report to it.
  delete env.NODE_TEST_CONTEXT;
  return new Promise((resolve) =>
    execFile('bash', [join(import.meta.dirname, 'run'), '/existing-frps'], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? 'ended by a signal') : 0, output: `${stdout}${stderr}` }),
    ),
  );
}

suite('frps of another version', { concurrency: true }, () => {
  test('there is one', () => assert.ok(others.length > 0, 'FRPS_OTHERS is not set; run test/gateway/run frps-versions'));

  for (const frps of others)
    test(`${/[^/]+(?=\/frps$)/.exec(frps)?.[0] ?? frps} takes sidecars in every way, and carries every kind of proxy`, async () => {
      const { code, output } = await run(frps);
      assert.equal(code, 0, output);
    });
});
