/**
 * What HAProxy can read, and how much of it one service may ask for. Whatever is beyond is refused here, by the service that
 * it is of, where HAProxy would refuse the whole file.
 */

/** HAProxy's MAX_LINE_ARGS. */
const maxWords = 64;
/** PCRE takes patterns up to some 64 KB; a line has one at most. */
const maxLine = 16_000;
/** Map files are read into one buffer line by line (pattern.c), as are commands that change them. */
const maxMapLine = 4_000;
/** Of the sections of one service. A request passes a part of them, and a reload reads them all. */
const maxService = { lines: 4_000, characters: 512 * 1024 };
/** Of the sections of all services of a namespace; some 3,000 plain ones. */
const maxNamespace = { characters: 8 * 1024 * 1024, choices: 2_000 };
/** Rules of the routes of one service. Every http request of everybody passes them, though none but its own acts. */
const maxChoices = 1_000;
/** Services whose routes may lead to one: the access rules of each are in its section. */
export const maxEntries = 64;

/** @throws Error where lines are more than HAProxy takes, or than a service may have; with the remedy, and no text of users */
export function checkLines(lines: readonly string[]): void {
  const { length: count } = lines;
  if (count > maxService.lines)
    throw new Error(`its rules come to ${count} lines, above the limit of ${maxService.lines}; use fewer routes, groups or rules`);
  let characters = 0;
  for (const line of lines) {
    characters += line.length;
    if (line.length > maxLine)
      throw new Error(`one of its rules comes to ${line.length} characters, above the limit of ${maxLine}; shorten its texts`);
    const words = wordsIn(line);
    if (words > maxWords) throw new Error(`one of its rules comes to ${words} words, above the limit of ${maxWords}; shorten its lists`);
  }
  if (characters > maxService.characters)
    throw new Error(
      `its rules come to ${characters} characters, above the limit of ${maxService.characters}; use fewer or shorter routes and rules`,
    );
}

/** @throws Error where the rules of a service's routes are more than it may have */
export function checkChoices(choices: readonly string[]): void {
  if (choices.length > maxChoices)
    throw new Error(`its routes come to ${choices.length} rules, above the limit of ${maxChoices}; use fewer paths, headers or groups`);
  checkLines(choices);
}

/** What the services of a namespace have had of its share. */
export class NamespaceShare {
  #characters = 0;
  #choices = 0;

  /** @returns why there is no room for what a service asks for; then it has taken nothing */
  take(text: string, choices: readonly string[]): string | undefined {
    const characters = this.#characters + choices.reduce((sum, line) => sum + line.length, text.length);
    const rules = this.#choices + choices.length;
    if (characters > maxNamespace.characters)
      return `the services of the namespace ask for more than ${maxNamespace.characters} characters of configuration; use fewer routes and rules`;
    if (choices.length > 0 && rules > maxNamespace.choices)
      return `the routes of the namespace's services come to more than ${maxNamespace.choices} rules; use fewer paths, headers or groups`;
    this.#characters = characters;
    this.#choices = rules;
    return undefined;
  }
}

/** @throws Error where a map has a line that cannot be read as one */
export function checkMap(text: string): void {
  for (let start = 0; start < text.length;) {
    const end = text.indexOf('\n', start);
    if ((end === -1 ? text.length : end) - start > maxMapLine)
      throw new Error(`one of its hosts, paths or names is longer than ${maxMapLine} characters; shorten it`);
    start = end === -1 ? text.length : end + 1;
  }
}

/** Words of a line as HAProxy separates them (configuration manual 2.2), or more. */
function wordsIn(line: string): number {
  let spaces = 0;
  for (let at = line.indexOf(' '); at !== -1; at = line.indexOf(' ', at + 1)) spaces++;
  if (spaces < maxWords) return spaces + 1;
  let words = 0;
  let isInside = false;
  let quoted = '';
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (quoted === '' && character === ' ') {
      isInside = false;
      continue;
    }
    if (!isInside) words++;
    isInside = true;
    if (character === '\\' && quoted !== "'") at++;
    else if (quoted === '' && (character === "'" || character === '"')) quoted = character;
    else if (character === quoted) quoted = '';
  }
  return words;
}
