/** The first view: the installation and its services at a glance. */
import { countText } from '../explain/numbers.ts';
import type { ServiceStatus } from '../explain/status.ts';
import type { Fragment } from './fragment.ts';
import { factsWithin } from './facts.ts';
import { html, type Html } from './html.ts';
import type { Overview } from './model.ts';
import { overviewPanels } from './overview-panels.ts';
import { overviewPicture } from './overview-picture.ts';
import { pictureFragment } from './picture.ts';
import { pathOf, type Wanted } from './query.ts';
import { paged, pager, tableFragment, type Column, type TableRow } from './table.ts';
import type { View } from './view.ts';
import { badge, clipped, isWell, latencyText, perSecondText, reasonOf, serviceBadge, servicePath, timeOf } from './words.ts';

const pageSize = 100;

type Asked = Extract<Wanted, { kind: 'overview' }>;

export function overviewView(overview: Overview, asked: Asked): View {
  const wanted = overview.services.filter((service) => isAsked(service, asked));
  const shown = paged(wanted, asked.page, pageSize);
  const links = pager(shown, 'services', (page) => pathOf({ ...asked, page }));
  const empty = overview.services.length === 0 ? 'There is no DistributedService.' : 'No service is like this.';
  return {
    title: overview.title,
    fragments: [
      summaryFragment(overview),
      unknownFragment(overview.unknown),
      tableFragment('services', 'Services', columns, shown.shown.map(serviceRow), empty),
      {
        id: 'service-pages',
        html: html`<div id="service-pages">
          <p class="quiet">${foundText(wanted.length, overview)}</p>
          ${links}
        </div>`,
      },
      pictureFragment('picture', overviewPicture(overview)),
      ...overviewPanels(overview),
    ],
    states: new Map(overview.services.map(({ service, state }) => [service, state])),
    body: (fragments) => body(fragments, asked),
  };
}

const isAsked = (row: ServiceStatus, { text, only }: Asked): boolean =>
  (only === 'all' || !isWell(row)) &&
  (text === '' || [row.service, row.at, row.state, row.reason ?? ''].some((each) => each.includes(text)));

const foundText = (found: number, { services }: Overview): string =>
  found === services.length ? countText(found, 'service') : `${found} of ${countText(services.length, 'service')}`;

const columns: readonly Column[] = [
  { title: 'Service' },
  { title: 'State' },
  { title: 'Backends up', kind: 'num' },
  { title: 'Requests/s', kind: 'num' },
  { title: 'p99', kind: 'num' },
  { title: 'Reached at' },
  { title: 'Why' },
];

const serviceRow = (row: ServiceStatus): TableRow => ({
  id: `s/${row.service}`,
  cells: cellsOf(row),
});

const cellsOf = (row: ServiceStatus): TableRow['cells'] => {
  const { service, type, active, total, perSecond, p99, at, reason, message } = row;
  return [
    html`<a href="${servicePath(service)}">${service}</a>${type !== '' && html` <span class="quiet">${type}</span>`}`,
    serviceBadge(row),
    `${active ?? '?'}/${total}`,
    perSecondText(perSecond),
    latencyText(p99, perSecond !== undefined),
    at,
    reason !== undefined && html`${reasonOf(reason)}: ${clipped(message ?? '')}`,
  ];
};

function summaryFragment({ at, services, replicas, links }: Overview): Fragment {
  const well = services.filter(isWell).length;
  const backends = services.reduce((sum, { total }) => sum + total, 0);
  const up = services.reduce((sum, { active = 0 }) => sum + active, 0);
  const down = links.filter(({ isUp }) => !isUp).length;
  const facts: readonly [string, Html][] = [
    ['Services', badge(well === services.length ? 'ok' : 'warn', `${well} of ${services.length} healthy`)],
    ['Backends', badge(up === backends ? 'ok' : 'warn', `${up} of ${backends} up`)],
    [
      'Gateway',
      badge(replicas.length > 0 ? 'ok' : 'none', replicas.length > 0 ? countText(replicas.length, 'replica') : 'none answers here'),
    ],
    [
      'Links',
      badge(
        links.length === 0 ? 'none' : down === 0 ? 'ok' : 'bad',
        links.length === 0 ? 'none' : `${links.length - down} of ${links.length} up`,
      ),
    ],
    ['As of (UTC)', timeOf(at)],
  ];
  return {
    id: 'summary',
    html: html`<dl id="summary" class="facts">${factsWithin(facts)}</dl>`,
  };
}

/** What could not be found out is never taken for "none". */
export const unknownFragment = (unknown: readonly string[]): Fragment => ({
  id: 'unknown',
  html: html`<div id="unknown">
    ${
      unknown.length > 0 &&
      html`<p>${badge('warn', 'Not known')}</p>
        <ul>
          ${unknown.slice(0, 20).map((text) => html`<li>${text}</li>`)}
        </ul>`
    }
  </div>`,
});

const body = (fragments: ReadonlyMap<string, Html>, { text, only }: Asked): Html => {
  const part = (id: string) => fragments.get(id);
  const section = (id: string, title: string, ...content: readonly (Html | undefined)[]) =>
    html`<section aria-labelledby="${id}-title">
      <h2 id="${id}-title" tabindex="-1">${title}</h2>
      ${content}
    </section>`;
  return html`${part('summary')}${part('unknown')}
    <section aria-labelledby="services-title">
      <h2 id="services-title" tabindex="-1">Services</h2>
      <form class="filter" action="/" method="get" role="search" aria-label="Services">
        <span>
          <label for="q">Name, address or state</label>
          <input id="q" name="q" type="search" value="${text}" maxlength="200" autocomplete="off" />
        </span>
        <span>
          <label for="only">Which</label>
          <select id="only" name="only">
            <option value="all">all</option>
            <option value="problems" ${only === 'problems' && html` selected`}>with a problem</option>
          </select>
        </span>
        <button type="submit">Show</button>
      </form>
      ${part('services')}${part('service-pages')}
    </section>
    ${section('picture', 'Who dials where', part('picture'))} ${section('links', 'Links', part('links'))}
    ${section('certificates', 'Certificates', part('certificates'))} ${section('turns', 'Last changes', part('turns'))}
    ${section('refusals', 'Last refusals', part('refusals'))}`;
};
