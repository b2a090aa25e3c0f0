/** The tables below the services: links, certificates, what has changed, who was turned away. */
import type { Expiry } from '../../certs/expiries.ts';
import type { RefusalReport } from '../gateway/api/report-types.ts';
import type { Fragment } from './fragment.ts';
import { html } from './html.ts';
import type { LinkRow, Overview, Turn } from './model.ts';
import { tableFragment, type TableRow } from './table.ts';
import { badge, clipped, reasonOf, servicePath, timeOf } from './words.ts';

const mostRows = 50;
/** Milliseconds. */
const soon = 7 * 86_400_000;

export function overviewPanels({ at, links, certificates, turns, replicas }: Overview): Fragment[] {
  const now = Date.parse(at);
  const refusals = replicas
    .flatMap(({ replica, answer }) => answer.refusals.map((refusal) => ({ ...refusal, replica })))
    .sort((one, other) => (one.at > other.at ? -1 : Number(one.at < other.at)));
  return [
    tableFragment(
      'links',
      'Links between clusters and gateways',
      [{ title: 'Cluster' }, { title: 'Gateway' }, { title: 'State' }, { title: 'Since or last seen (UTC)' }, { title: 'What is known' }],
      numbered('l', links.slice(0, mostRows), linkCells),
      'No cluster dials this gateway, and this cluster dials no other one.',
      left(links),
    ),
    tableFragment(
      'certificates',
      'Certificates, by the time that they end',
      [{ title: 'Certificate' }, { title: 'For' }, { title: 'Ends (UTC)' }, { title: 'State' }],
      numbered('c', certificates.slice(0, mostRows), (each) => certificateCells(each, now)),
      'No certificate is known.',
      left(certificates),
    ),
    tableFragment(
      'turns',
      'Last changes of services',
      [{ title: 'Time (UTC)' }, { title: 'Service' }, { title: 'Decision' }, { title: 'Why' }],
      numbered('t', turns, turnCells),
      'No change is known.',
    ),
    tableFragment(
      'refusals',
      'Sidecars that the gateway has turned away',
      [{ title: 'Time (UTC)' }, { title: 'Service' }, { title: 'Pod' }, { title: 'Turned away by' }, { title: 'Why' }],
      numbered('r', refusals.slice(0, mostRows), refusalCells),
      'Nobody was turned away in the last two minutes.',
      left(refusals),
    ),
  ];
}

const left = (all: readonly unknown[]): number => Math.max(0, all.length - mostRows);

const numbered = <T>(prefix: string, all: readonly T[], cellsOf: (each: T) => TableRow['cells']): TableRow[] =>
  all.map((each, index) => ({ id: `${prefix}/${index}`, cells: cellsOf(each) }));

const linkCells = ({ cluster, gateway, isUp, since, reason, detail }: LinkRow): TableRow['cells'] => [
  cluster,
  gateway,
  badge(isUp ? 'ok' : 'bad', isUp ? 'up' : 'down'),
  timeOf(since),
  html`${reason !== undefined && html`${reasonOf(reason)}: `}${clipped(detail)}`,
];

function certificateCells({ name, subject, expires }: Expiry, now: number): TableRow['cells'] {
  const remaining = Date.parse(expires) - now;
  const state = remaining <= 0 ? badge('bad', 'ended') : remaining < soon ? badge('warn', 'ends soon') : badge('ok', 'good');
  return [name, namesText(subject), timeOf(expires), state];
}

const mostNames = 3;

/** @param subject names, or one text */
function namesText(subject: string): string {
  const names = subject.split(', ');
  const left = names.length - mostNames;
  return clipped(left > 1 ? `${names.slice(0, mostNames).join(', ')} and ${left} more` : subject);
}

const turnCells = ({ at, service, what, reason, message }: Turn): TableRow['cells'] => [
  timeOf(at),
  html`<a href="${servicePath(service)}">${service}</a>`,
  what,
  html`${reasonOf(reason)}: ${clipped(message)}`,
];

const refusalCells = ({
  at,
  service,
  pod,
  cluster,
  replica,
  reason,
  message,
}: RefusalReport & { service: string; replica: string }): TableRow['cells'] => [
  timeOf(at),
  html`<a href="${servicePath(service)}">${service}</a>`,
  cluster === undefined ? pod : `${cluster}/${pod}`,
  replica,
  html`${reasonOf(reason)}: ${clipped(message)}`,
];
