/** The status as one screen. */
import { countText, rateText, secondsText } from './numbers.ts';
import type { ServiceStatus, Status } from './status.ts';

const head = ['SERVICE', 'TYPE', 'STATE', 'BACKENDS', 'REQ/S', 'P99', 'AT', 'WHY'] as const;
/** Characters; of a wide screen a third. */
const longestCell = 60;

export interface Screen {
  /** characters and lines that there are; absent: no bound */
  columns?: number | undefined;
  rows?: number | undefined;
}

/** Services that are not well come first, where not all have room. */
export function statusText(status: Status, { columns, rows }: Screen = {}): string {
  const { parts, services, unknown, cluster, at, more = 0, isUnread } = status;
  const well = services.filter(({ state }) => state === 'Running').length;
  const partTexts = parts.map(({ name, ready, wanted }) => `${ready >= wanted ? '√' : '×'} ${name} ${ready}/${wanted}`);
  const top = [
    `${cluster ?? 'the gateway of this machine'}, ${at}`,
    ...partTexts,
    isUnread
      ? 'services: not known'
      : `${countText(services.length + more, 'service')}, ${well} running${well === services.length ? '' : `, ${services.length - well} not`}`,
    '',
  ];
  const notes = unknown.map((text) => `unknown: ${text}`);
  const room = rows === undefined ? Infinity : Math.max(1, rows - top.length - notes.length - 3);
  const ordered =
    services.length > room ? [...services].sort((a, b) => Number(a.state === 'Running') - Number(b.state === 'Running')) : services;
  const shown = ordered.slice(0, room);
  const rest = services.length - shown.length + more;
  const lines = [
    ...top,
    ...(isUnread
      ? []
      : services.length === 0
        ? ['no DistributedService']
        : tableOf([[...head], ...shown.map((each) => cellsOf(each, columns))])),
    ...(rest > 0 ? [`and ${rest} more`] : []),
    ...(notes.length > 0 ? ['', ...notes] : []),
  ];
  return `${lines.map((line) => (columns === undefined ? line : line.slice(0, columns))).join('\n')}\n`;
}

function cellsOf(
  { service, type, state, active, total, perSecond, p99, at, reason, message }: ServiceStatus,
  columns: number | undefined,
): string[] {
  const why = reason === undefined ? '' : `${reason}: ${message ?? ''}`;
  return [
    service,
    type,
    state,
    `${active ?? '?'}/${total}`,
    perSecond === undefined ? '?' : rateText(perSecond),
    p99 === undefined ? (perSecond === undefined ? '?' : '-') : secondsText(p99),
    at.slice(0, Math.max(longestCell, Math.floor((columns ?? 0) / 3))),
    why.replaceAll('\n', ' '),
  ];
}

/** The last column is as long as it likes. */
export function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => rows.reduce((most, row) => Math.max(most, row[column]!.length), 0));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
