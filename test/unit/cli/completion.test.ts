import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { commands } from '../../../src/cli/commands.ts';
import { run } from '../../../src/cli/completion.ts';
import { inProcess } from '../../support/command.ts';

const script = (await inProcess(run, ['bash'])).stdout;

/** What bash offers at the end of these words. */
function offered(...words: string[]): string[] {
  const program = `eval "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _frp_k8s; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-uc', program, script, 'frp-k8s', ...words], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.split('\n').filter((word) => word !== '');
}

describe('completion in bash', () => {
  it('offers every command, and those that begin as what was typed', () => {
    assert.deepEqual(offered('').sort(), [...Object.keys(commands), '--help', '--version'].sort());
    assert.deepEqual(offered('un'), ['uninject', 'uninstall']);
  });

  it('offers the subcommands of a command, and the options of each', () => {
    assert.deepEqual(offered('gateway', ''), ['up', 'token', 'clusters']);
    assert.deepEqual(offered('gateway', 'up', '--dr'), ['--drain']);
    assert.deepEqual(offered('check', '--wa'), ['--wait']);
  });

  it('leaves files to the shell, and what it does not know', () => {
    assert.deepEqual(offered('inject', '-f', 'dep'), []);
    assert.deepEqual(offered('nothing', '--'), []);
    assert.deepEqual(offered('$(exit 3)', '--'), []);
  });

  it('is refused for another shell, with the ones that there are', async () => {
    const { code, stderr } = await inProcess(run, ['tcsh']);
    assert.deepEqual([code, stderr], [1, 'frp-k8s: usage: frp-k8s completion bash|zsh|fish\n']);
  });
});
