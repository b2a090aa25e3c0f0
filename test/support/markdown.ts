/** The project's own Markdown: headings, links and code blocks, as a reader's program takes them apart. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { slug } from '../../site/slug.ts';

export const root = join(import.meta.dirname, '../..');

/** Every Markdown file that people read, relative to the project's root. */
export const markdownFiles: readonly string[] = [
  ...['README.md', 'README.ko.md', 'CONTRIBUTING.md', 'test/cluster/README.md'],
  ...globSync('docs/**/*.md', { cwd: root }).sort(),
];

export const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

export interface Block {
  /** what stands behind the fence: `sh run=unit` */
  info: string;
  /** of its first line, from 1 */
  line: number;
  /** without the indentation of its fence */
  text: string;
}

/** Fenced code blocks in order. @param text of a file */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { indent: string; info: string; line: number; lines: string[] } | undefined;
  text.split('\n').forEach((line, index) => {
    const [, indent = '', info = ''] = /^(\s*)```(.*)$/.exec(line) ?? [];
    const isFence = line.trimStart().startsWith('```');
    if (open && isFence) {
      blocks.push({ info: open.info, line: open.line, text: open.lines.join('\n') });
      open = undefined;
    } else if (open) open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    else if (isFence) open = { indent, info: info.trim(), line: index + 2, lines: [] };
  });
  return blocks;
}

/** @param text of a file @returns it without code blocks, comments and `code`, each line where it was */
export function prose(text: string): string {
  let isCode = false;
  const lines = text.split('\n').map((line) => {
    const isFence = line.trimStart().startsWith('```');
    if (isFence) isCode = !isCode;
    return isCode || isFence ? '' : line;
  });
  return lines.join('\n').replace(/<!--[^]*?-->|`[^`\n]*`/g, (code) => code.replace(/[^\n]/g, ' '));
}

export interface Link {
  line: number;
  href: string;
}

/** Targets of links and pictures. */
export function linksOf(text: string): Link[] {
  return [...prose(text).matchAll(/\]\(([^()\s]+(?:\([^()\s]*\))?)\)/g)].map((match) => ({
    href: match[1]!,
    line: match.input.slice(0, match.index).split('\n').length,
  }));
}

export interface Section {
  level: number;
  heading: string;
  /** with its heading, up to the next heading of any level */
  text: string;
}

/** Sections in order; what stands before the first heading is left out. */
export function sectionsOf(text: string): Section[] {
  const bare = prose(text).split('\n');
  const lines = text.split('\n');
  const starts = bare.flatMap((line, index) => (/^#{1,6} /.test(line) ? [index] : []));
  return starts.map((start, at) => {
    const [, marks, heading] = /^(#{1,6}) (.*)$/.exec(lines[start]!)!;
    return {
      level: marks!.length,
      heading: heading!,
      text: lines
        .slice(start, starts[at + 1])
        .join('\n')
        .trimEnd(),
    };
  });
}

/** What `#…` of a link to this file may say. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const { heading } of sectionsOf(text)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const base = slug(plain);
    let anchor = base;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${base}-${again}`;
    anchors.add(anchor);
  }
  for (const [, id] of text.matchAll(/<a id="([^"]*)">/g)) anchors.add(id!);
  return anchors;
}
