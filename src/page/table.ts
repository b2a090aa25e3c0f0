/** Tables, and lists of which a part is shown. */
import { listFragment, type Fragment } from './fragment.ts';
import { html, type Content, type Html } from './html.ts';

export interface Column {
  title: string;
  /** right-aligned */
  kind?: 'num' | undefined;
}

export interface TableRow {
  /** attribute `id` */
  id: string;
  /** the first one is the row's header */
  cells: readonly Content[];
}

/**
 * On a narrow screen a row is a block, and each of its cells says its column.
 * @param title of the table, for whoever does not see it
 * @param empty what is said in place of no rows
 * @param left how many rows are not shown
 */
export function tableFragment(
  id: string,
  title: string,
  columns: readonly Column[],
  rows: readonly TableRow[],
  empty: string,
  left = 0,
): Fragment {
  const columnOf = (index: number): Column => columns[index] ?? { title: '' };
  const fragments = rows.map(({ id: row, cells }): Fragment => ({
    id: row,
    html: html`<tr id="${row}">
      ${cells.map((cell, index) =>
        index === 0
          ? html`<th scope="row">${cell}</th>`
          : html`<td data-of="${columnOf(index).title}" ${columnOf(index).kind && html` class="${columnOf(index).kind}"`}>${cell}</td>`,
      )}
    </tr>`,
  }));
  const note = rows.length === 0 ? empty : left === 0 ? undefined : `and ${left} more`;
  return listFragment(
    id,
    fragments,
    (shown) =>
      html`<div id="${id}">
        ${rows.length > 0 && tableOf(title, columns, shown)} ${note !== undefined && html`<p class="quiet">${note}</p>`}
      </div>`,
  );
}

const tableOf = (title: string, columns: readonly Column[], rows: readonly Html[]): Html =>
  html`<div class="scroll" role="group" aria-label="${title}" tabindex="0">
    <table>
      <caption class="unseen">
        ${title}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ title: text, kind }) => html`<th scope="col" ${kind !== undefined && html` class="${kind}"`}>${text}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;

export interface Paged<T> {
  shown: readonly T[];
  /** from 1 */
  page: number;
  pages: number;
}

/** @param page from 1; one that there is not becomes the nearest */
export function paged<T>(all: readonly T[], page: number, size: number): Paged<T> {
  const pages = Math.max(1, Math.ceil(all.length / size));
  const at = Math.min(Math.max(1, page), pages);
  return { shown: all.slice((at - 1) * size, at * size), page: at, pages };
}

/** Links to the other pages; nothing where there is one. @param pathOf of a page */
export function pager({ page, pages }: Paged<unknown>, noun: string, pathOf: (page: number) => string): Html {
  if (pages === 1) return html``;
  return html`<nav class="pager" aria-label="Pages of ${noun}">
    ${page > 1 && html`<a rel="prev" href="${pathOf(page - 1)}">← Previous</a>`} <span>Page ${page} of ${pages}</span>
    ${page < pages && html`<a rel="next" href="${pathOf(page + 1)}">Next →</a>`}
  </nav>`;
}
