/** The commands of a guide's section, in order, as a person would type them. */
import { readFileSync } from 'node:fs';

export interface Command {
  /** how the paragraph before its block begins, such as "On the VPS" */
  where: string;
  /** with its here-document, if it has one; without `&` at its end */
  text: string;
  /** goes on in the background */
  isBackground: boolean;
}

/** @param heading text of the section's `##` line @param places how paragraphs before its blocks begin; any other one is an error */
export function commandsOf(file: string, heading: string, places: readonly string[]): Command[] {
  const text = readFileSync(file, 'utf8');
  const section = text.split(/^(?=## )/m).find((part) => part.startsWith(`## ${heading}\n`));
  if (section === undefined) throw new Error(`${file} has no section ${heading}`);
  const blocks = [...section.matchAll(/(?<=\n\n)((?:\S[^\n]*\n)+)\n```sh[^\n]*\n(.*?)^```$/gms)];
  return blocks.flatMap(([, paragraph, block]) => {
    const where = places.find((place) => paragraph!.startsWith(place));
    if (where === undefined) throw new Error(`${file}: nobody knows where to run what follows "${paragraph}"`);
    return split(block!).map((each) => ({ where, text: each.replace(/ &$/, ''), isBackground: each.endsWith(' &') }));
  });
}

/** Each line is a command, with what follows it up to the end of its here-document. */
function split(block: string): string[] {
  const commands: string[] = [];
  let end: string | undefined;
  for (const line of block.trimEnd().split('\n')) {
    if (end === undefined) commands.push(line);
    else commands.push(`${commands.pop()}\n${line}`);
    if (line === end) end = undefined;
    else end ??= /<<'?([A-Z]+)'?$/.exec(line)?.[1];
  }
  return commands;
}
