/**
 * Shell blocks of README and docs that are run as they stand: those whose fence says ```` ```sh run=WHO ````. WHO is `docs`
 * (test/docs/blocks.test.ts, commands that need no cluster) or a suite of test/cluster/suite that types the section's commands.
 */
import { blocksOf, markdownFiles, sectionsOf, textOf } from './markdown.ts';

export interface Runnable {
  file: string;
  /** of the section that it is in */
  heading: string;
  /** of its first line, from 1 */
  line: number;
  runner: string;
  text: string;
}

/** @param text of the file @throws Error for a mark that cannot be read */
export function runnableIn(file: string, text: string): Runnable[] {
  const sections = sectionsOf(text);
  let from = 0;
  const starts = sections.map((section) => {
    from = text.indexOf(section.text, from);
    return text.slice(0, from).split('\n').length;
  });
  return blocksOf(text).flatMap(({ info, line, text: block }) => {
    const [language, mark, ...more] = info.split(/\s+/);
    if (mark === undefined) return [];
    const runner = /^run=([\w-]+)$/.exec(mark)?.[1];
    if (language !== 'sh' || runner === undefined || more.length > 0)
      throw new Error(`${file}:${line - 1}: "${info}" is no language, and no mark of a block that is run: write "sh run=WHO"`);
    const heading = sections[starts.findLastIndex((start) => start <= line)]?.heading ?? '';
    return [{ file, heading, line, runner, text: block }];
  });
}

export const runnableBlocks = (): Runnable[] => markdownFiles.flatMap((file) => runnableIn(file, textOf(file)));
