/** A picture of who dials where: columns of boxes, and lines from one column to the next. */
import type { Fragment } from './fragment.ts';
import { html, type Html } from './html.ts';

export interface Box {
  id: string;
  title: string;
  /** second line */
  detail: string;
  isBad?: boolean;
}

export interface Edge {
  /** ids of boxes */
  from: string;
  to: string;
  /** what is said of it: `3 of 4 up` */
  label: string;
  isBad?: boolean;
  /** that the line is not bad says enough to whoever sees it */
  isUnlabelled?: boolean;
}

export interface Picture {
  /** what it shows, in a sentence */
  title: string;
  columns: readonly { title: string; boxes: readonly Box[] }[];
  edges: readonly Edge[];
}

/** Units of the picture. */
const box = { width: 210, height: 48, gap: 16, between: 110 } as const;
const top = 28;
/** Characters that a box has room for. */
const room = 28;

const cut = (text: string): string => (text.length > room ? `${text.slice(0, room - 1)}…` : text);

export function pictureFragment(id: string, picture: Picture): Fragment {
  return {
    id,
    html: html`<div id="${id}" class="scroll" role="group" aria-label="${picture.title}" tabindex="0">${svgOf(id, picture)}</div>`,
  };
}

function svgOf(id: string, { title, columns, edges }: Picture): Html {
  const most = Math.max(1, ...columns.map(({ boxes }) => boxes.length));
  const height = top + most * (box.height + box.gap);
  const width = columns.length * (box.width + box.between) - box.between + 2;
  const places = new Map(
    columns.flatMap(({ boxes }, column) => {
      const free = (most - boxes.length) * (box.height + box.gap);
      return boxes.map((each, row): [string, { x: number; y: number }] => [
        each.id,
        { x: 1 + column * (box.width + box.between), y: top + free / 2 + row * (box.height + box.gap) },
      ]);
    }),
  );
  const titles = new Map(columns.flatMap(({ boxes }) => boxes.map((each): [string, string] => [each.id, each.title])));
  const told = edges
    .map(({ from, to, label }) => `${titles.get(from) ?? from} to ${titles.get(to) ?? to}${label && `: ${label}`}`)
    .join('. ');
  return html`<svg
    class="picture"
    viewBox="0 0 ${width} ${height}"
    width="${width}"
    height="${height}"
    role="img"
    aria-labelledby="${id}-name ${id}-told"
  >
    <title id="${id}-name">${title}</title>
    <desc id="${id}-told">${told === '' ? 'Nobody dials.' : told}</desc>
    ${columns.map(({ title: name }, column) => html`<text class="head" x="${1 + column * (box.width + box.between)}" y="16">${name}</text>`)}
    ${edges.map((edge) => edgeOf(edge, places))} ${columns.flatMap(({ boxes }) => boxes.map((each) => boxOf(each, places.get(each.id)!)))}
  </svg>`;
}

function boxOf({ title, detail, isBad = false }: Box, { x, y }: { x: number; y: number }): Html {
  return html`<g class="box${isBad && ' bad'}">
    <rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="6" />
    <text x="${x + 10}" y="${y + 20}">${cut(title)}</text>
    <text class="detail" x="${x + 10}" y="${y + 38}">${cut(detail)}</text>
  </g>`;
}

function edgeOf(
  { from, to, label, isBad = false, isUnlabelled = false }: Edge,
  places: ReadonlyMap<string, { x: number; y: number }>,
): Html {
  const [start, end] = [places.get(from), places.get(to)];
  if (!start || !end) return html``;
  const [x1, y1] = [start.x + box.width, start.y + box.height / 2];
  const [x2, y2] = [end.x, end.y + box.height / 2];
  const middle = (x1 + x2) / 2;
  return html`<g class="edge${isBad && ' bad'}">
    <path d="M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" />
    ${!isUnlabelled && html`<text x="${middle}" y="${(y1 + y2) / 2 - 5}" text-anchor="middle">${label}</text>`}
  </g>`;
}
