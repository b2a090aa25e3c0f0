/** The runtime commands that bring maps and certificates of a running HAProxy to those of a configuration. */
import { runCommand, CliError } from './cli.ts';
import { readMap } from './running.ts';

/** Keys and values of a map's text. */
export const parseMap = (text: string): Map<string, string> =>
  new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf(' ');
      return at <= 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );

/** The lines of two texts without those that both begin with, and those that both end with. */
export function differing(a: string, b: string): [string, string] {
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a.charCodeAt(start) === b.charCodeAt(start)) start++;
  start = start === 0 ? 0 : a.lastIndexOf('\n', start - 1) + 1;
  let end = 0;
  while (end < most - start && a.charCodeAt(a.length - 1 - end) === b.charCodeAt(b.length - 1 - end)) end++;
  // Of the line in which the common end begins the start may differ.
  const newline = a.indexOf('\n', a.length - end);
  const rest = end === 0 || newline < 0 ? 0 : a.length - newline - 1;
  return [a.slice(start, a.length - rest), b.slice(start, b.length - rest)];
}

/** Of maps whose keys are looked up in a tree, so that their order is of no account. @param path as HAProxy names it */
export function mapCommands(path: string, now: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string[] {
  const commands: string[] = [];
  for (const [key, value] of wanted) {
    const present = now.get(key);
    if (present === undefined) commands.push(`add map ${path} ${key} ${value}`);
    else if (present !== value) commands.push(`set map ${path} ${key} ${value}`);
  }
  for (const key of now.keys()) if (!wanted.has(key)) commands.push(`del map ${path} ${key}`);
  return commands;
}

/** Replaces a map as a whole in one step (management manual, "prepare map"); for maps whose order counts. */
export async function replaceMap(socket: string, path: string, text: string): Promise<void> {
  const version = /New version created: ([0-9]+)/.exec(await runCommand(socket, `prepare map ${path}`))?.[1];
  if (version === undefined) throw new CliError(`HAProxy does not know the map ${path}`);
  for (const lines of chunks(text)) {
    const said = await runCommand(socket, `add map @${version} ${path} <<\n${lines}\n`);
    if (said !== '') throw new CliError(`map ${path}: ${said}`);
  }
  const said = await runCommand(socket, `commit map @${version} ${path}`);
  if (said !== '') throw new CliError(`map ${path}: ${said}`);
}

/** Whole lines, below HAProxy's buffer. */
function* chunks(text: string): Iterable<string> {
  let chunk = '';
  for (const line of text.split('\n').filter((each) => each !== '')) {
    if (chunk.length + line.length > 12_000) {
      yield chunk;
      chunk = '';
    }
    chunk += `${line}\n`;
  }
  if (chunk !== '') yield chunk;
}

export const isOrdered = (path: string): boolean => path.includes('wildcards');

/** What HAProxy has of a map, as text. */
export const mapText = async (socket: string, path: string): Promise<string> =>
  [...(await readMap(socket, path))].map(([key, value]) => `${key} ${value}\n`).join('');
