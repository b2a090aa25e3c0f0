/** Every command of ours that a page, or the remedy of a reason, has people type is one that there is, with its options. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../../../src/cli/commands.ts';
import { catalogue } from '../../../src/model/reasons/catalogue.ts';
import { blocksOf, markdownFiles, root, textOf } from '../../support/markdown.ts';

const folder = join(root, 'src/cli');
const files = new Set(readdirSync(folder));

/** @returns what is wrong with what follows `frp-k8s `, if anything */
async function problemOf(words: string): Promise<string | undefined> {
  const [name = '', next = ''] = words.split(' ', 2);
  if (!files.has(`${name}.ts`)) return `there is no command ${name}`;
  let command = (await import(join(folder, `${name}.ts`))) as Command;
  if (command.help === undefined) return `there is no command ${name}`;
  if (command.subcommands && Object.hasOwn(command.subcommands, next)) command = await command.subcommands[next]!();
  const options = words.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [];
  const unknown = options.filter((option) => option !== '--help' && !new RegExp(`${option}(?![\\w-])`).test(command.help));
  return unknown.length === 0 ? undefined : `frp-k8s ${name} has no ${unknown.join(', ')}`;
}

/** What follows `frp-k8s ` in each line, up to the end of its command; not where another program is told of ours. */
const commandsIn = (text: string): string[] =>
  text.split('\n').flatMap((line) => {
    const [, before = '', words] = /^(.*?)(?<![-\w/."=])frp-k8s (?!at |has )([a-z][^|;&#)]*)/.exec(line) ?? [];
    return words === undefined || /helm|kubectl/.test(before) ? [] : [words];
  });

const problemsOf = async (texts: readonly string[]): Promise<string[]> =>
  (await Promise.all(texts.flatMap(commandsIn).map(problemOf))).filter((problem) => problem !== undefined);

suite('commands', () => {
  for (const file of markdownFiles)
    test(`of ${file} are there, with their options`, async () => {
      const text = textOf(file);
      const blocks = blocksOf(text).flatMap(({ info, text: block }) => (/^sh\b/.test(info) ? [block] : []));
      const spans = text.replace(/^```.*?^```$/gms, '').matchAll(/`([^`]*)`/g);
      assert.deepEqual(await problemsOf([...blocks, ...[...spans].map(([, span]) => span!.replaceAll('\n', ' '))]), []);
    });

  test('of remedies are there, with their options', async () => {
    assert.deepEqual(await problemsOf(catalogue.flatMap(({ remedy = '' }) => remedy.split(/[,;:]|\. |\.$/))), []);
  });

  test('that are not there are told of', async () => {
    const text = 'npx frp-k8s join X --part 3s | cat\nhelm upgrade --install frp-k8s charts\nfrp-k8s nothing\nfrp-k8s gateway token create --cluster NAME';
    assert.deepEqual(await problemsOf([text]), ['frp-k8s join has no --part', 'there is no command nothing']);
  });
});
