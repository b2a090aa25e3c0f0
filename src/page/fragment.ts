/** What of a page may change while somebody looks at it: elements with an id, of which those that have changed are sent. */
import { createHash } from 'node:crypto';
import type { Html } from './html.ts';

/** An element of the page. */
export interface Fragment {
  /** attribute `id` of the element */
  id: string;
  html: Html;
  /** of a list: its elements, which `html` has too */
  rows?: readonly Fragment[];
  /** of a list: what is around the elements, and which they are */
  frame?: string;
}

/** An element that takes the place of the one with its id. */
export interface Change {
  id: string;
  html: string;
}

/** A list of elements with ids. @param around makes the element of which the rows are a part */
export const listFragment = (id: string, rows: readonly Fragment[], around: (rows: readonly Html[]) => Html): Fragment => ({
  id,
  html: around(rows.map((row) => row.html)),
  rows,
  frame: [around([]).text, ...rows.map((row) => row.id)].join('\n'),
});

/** What turns the one into the other. Of a list that has the same elements in the same order: those that differ; else the whole list. */
export function changesBetween(before: readonly Fragment[], after: readonly Fragment[]): Change[] {
  const known = new Map(before.map((fragment) => [fragment.id, fragment]));
  return after.flatMap((fragment) => changesOf(known.get(fragment.id), fragment));
}

function changesOf(before: Fragment | undefined, after: Fragment): Change[] {
  if (before?.html.text === after.html.text) return [];
  if (before?.rows && after.rows && before.frame === after.frame) return changesBetween(before.rows, after.rows);
  return [{ id: after.id, html: after.html.text }];
}

/** The same for the same fragments, and for no others. */
export function versionOf(fragments: readonly Fragment[]): string {
  const hash = createHash('sha256');
  for (const { id, html } of fragments) hash.update(`${id}\n${html.text}\n`);
  return hash.digest('base64url').slice(0, 16);
}
