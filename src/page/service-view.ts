/** The view of one service: its state, its backends at each replica of the gateway, how requests come to it, who may use it. */
import type { BackendReport } from '../gateway/api/report-types.ts';
import type { Fragment } from './fragment.ts';
import { factsWithin } from './facts.ts';
import { html, type Content, type Html } from './html.ts';
import type { ServiceView } from './model.ts';
import { unknownFragment } from './overview.ts';
import { pictureFragment } from './picture.ts';
import { pathOf } from './query.ts';
import { servicePicture } from './service-picture.ts';
import { paged, pager, tableFragment, type Column, type TableRow } from './table.ts';
import type { View } from './view.ts';
import { badge, clipped, latencyText, lineItem, perSecondText, reasonOf, serviceBadge, stateBadge, timeOf } from './words.ts';

const pageSize = 100;
const mostLines = 100;

/** @param page of the backends, from 1 */
export function serviceView(view: ServiceView, key: string, page: number): View {
  const rows = view.heard.length > 0 ? reportRows(view) : statusRows(view);
  const shown = paged(rows, page, pageSize);
  const table = shown.shown.map((row) => row());
  const links = pager(shown, 'backends', (to) => pathOf({ kind: 'service', key, page: to }));
  const more = view.more === undefined ? '' : ` and ${view.more} more, which are not listed`;
  return {
    title: `${key} · ${view.title}`,
    fragments: [
      summaryFragment(view),
      unknownFragment(view.unknown),
      linesFragment('conditions', view.conditions.slice(0, mostLines).map(lineItem), 'Nothing is wrong with it.'),
      tableFragment('backends', 'Backends', view.heard.length > 0 ? reportColumns : statusColumns, table, 'No backend is registered.'),
      {
        id: 'backend-pages',
        html: html`<div id="backend-pages">
          <p class="quiet">${rows.length} listed${more}</p>
          ${links}
        </div>`,
      },
      pictureFragment('picture', servicePicture(view, key)),
      linesFragment(
        'routes',
        view.routes.slice(0, mostLines).map((route) => html`<li>${route}</li>`),
        'Nothing leads to it.',
      ),
      linesFragment('access', view.access.map(lineItem), 'Not known.'),
      refusalsFragment(view),
    ],
    states: new Map([[key, view.status.state], ...backendStates(view)]),
    body: (fragments) => body(fragments, key),
  };
}

function summaryFragment({ at, status }: ServiceView): Fragment {
  const { type, active, total, perSecond, current, p99, reason, message } = status;
  const facts: readonly [string, Content][] = [
    ['State', serviceBadge(status)],
    ...(type === '' ? [] : [['Type', type] satisfies [string, Content]]),
    ['Backends up', `${active ?? '?'} of ${total}`],
    ['Requests/s', perSecondText(perSecond)],
    ['Under way', current ?? '?'],
    ['p99', latencyText(p99, perSecond !== undefined)],
    ['As of (UTC)', timeOf(at)],
  ];
  return {
    id: 'summary',
    html: html`<div id="summary">
      <dl class="facts">${factsWithin(facts)}</dl>
      ${reason !== undefined && html`<p>${reasonOf(reason)}: ${message}</p>`}
    </div>`,
  };
}

const linesFragment = (id: string, lines: readonly Html[], empty: string): Fragment => ({
  id,
  html: html`<div id="${id}">
    ${
      lines.length > 0
        ? html`<ul>
            ${lines}
          </ul>`
        : html`<p class="quiet">${empty}</p>`
    }
  </div>`,
});

const reportColumns: readonly Column[] = [
  { title: 'Backend' },
  { title: 'At replica' },
  { title: 'State' },
  { title: 'Weight', kind: 'num' },
  { title: 'Requests/s', kind: 'num' },
  { title: 'Under way', kind: 'num' },
  { title: 'p50', kind: 'num' },
  { title: 'p99', kind: 'num' },
  { title: 'Last check' },
  { title: 'Address' },
  { title: 'Since (UTC)' },
];

/** Each as it is wanted: of thousands a page is shown. */
type LateRow = () => TableRow;

/** Whoever is not up comes first. */
function reportRows({ heard }: ServiceView): LateRow[] {
  const all = heard.flatMap(({ replica, answer }) => answer.backends.map((backend) => ({ replica, backend })));
  return all
    .sort(
      (one, other) =>
        Number(one.backend.state === 'up') - Number(other.backend.state === 'up') ||
        (nameOf(one.backend) < nameOf(other.backend) ? -1 : Number(nameOf(one.backend) > nameOf(other.backend))),
    )
    .map(
      ({ replica, backend }) =>
        () =>
          reportRow(replica, backend),
    );
}

const nameOf = ({ cluster, pod, port }: BackendReport): string =>
  `${cluster === undefined ? pod : `${cluster}/${pod}`}${port === undefined ? '' : `, port ${port}`}`;

const reportRow = (replica: string, backend: BackendReport): TableRow => ({
  id: `b/${replica}/${backend.proxy}`,
  cells: [
    nameOf(backend),
    replica,
    html`${stateBadge(backend.state)}${backend.reason !== undefined && html` ${clipped(backend.reason)}`}`,
    backend.weight,
    perSecondText(backend.perSecond),
    backend.current,
    latencyText(backend.p50),
    latencyText(backend.p99),
    backend.check,
    backend.address,
    backend.since === undefined ? 'before its agent started' : timeOf(backend.since),
  ],
});

const statusColumns: readonly Column[] = [{ title: 'Backend' }, { title: 'State' }, { title: 'Address' }];

const statusRows = ({ backends }: ServiceView): LateRow[] =>
  backends.map(({ name, address, isHealthy, reason }, index) => () => ({
    id: `b/${index}/${name}`,
    cells: [
      name,
      html`${isHealthy ? badge('ok', 'healthy') : badge('bad', 'not healthy')}${reason !== undefined && html` ${clipped(reason)}`}`,
      address,
    ],
  }));

function refusalsFragment({ heard }: ServiceView): Fragment {
  const refusals = heard.flatMap(({ replica, answer }) => answer.refusals.map((refusal) => ({ ...refusal, replica })));
  const rows = refusals.slice(0, mostLines).map(({ at, pod, cluster, replica, reason, message }, index) => ({
    id: `r/${index}`,
    cells: [timeOf(at), cluster === undefined ? pod : `${cluster}/${pod}`, replica, html`${reasonOf(reason)}: ${clipped(message)}`],
  }));
  return tableFragment(
    'refusals',
    'Sidecars of this service that the gateway has turned away',
    [{ title: 'Time (UTC)' }, { title: 'Pod' }, { title: 'Turned away by' }, { title: 'Why' }],
    rows,
    'Nobody was turned away in the last two minutes.',
    refusals.length - rows.length,
  );
}

const backendStates = ({ heard, backends }: ServiceView): [string, string][] => [
  ...heard.flatMap(({ replica, answer }) =>
    answer.backends.map((backend): [string, string] => [`backend ${nameOf(backend)} at ${replica}`, backend.state]),
  ),
  ...backends.map(({ name, isHealthy }): [string, string] => [`backend ${name}`, isHealthy ? 'healthy' : 'not healthy']),
];

const body = (fragments: ReadonlyMap<string, Html>, key: string): Html => {
  const section = (id: string, title: string, ...more: readonly string[]) =>
    html`<section aria-labelledby="${id}-title">
      <h2 id="${id}-title" tabindex="-1">${title}</h2>
      ${[id, ...more].map((part) => fragments.get(part))}
    </section>`;
  return html`<p><a href="/">← All services</a></p>
    <h2 class="service">${key}</h2>
    ${fragments.get('summary')}${fragments.get('unknown')} ${section('conditions', 'How it is')}
    ${section('backends', 'Backends', 'backend-pages')} ${section('picture', 'Who dials where')} ${section('routes', 'Reached at')}
    ${section('access', 'Who may use it')} ${section('refusals', 'Last refusals')}`;
};
