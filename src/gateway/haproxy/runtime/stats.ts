/** HAProxy's own numbers about servers (management manual, 9.1 "CSV format"). */

export interface ServerStats {
  backend: string;
  server: string;
  status: 'up' | 'down' | 'drain' | 'maint';
  /** requests or connections under way */
  current: number;
  /** requests (http) or connections since the process started */
  total: number;
  bytesIn: number;
  bytesOut: number;
  retries: number;
  idleConnections: number;
  /** last check: a word such as L7OK or L4CON, empty before the first */
  check: string;
  /** status of the answer to the last check, where there was one */
  checkCode: number | undefined;
}

/** Of every server and nothing else: HAProxy need not write, nor we read, the lines of frontends and sums. */
export const showServers = 'show stat -1 4 -1';

/** What is read of a line. */
const read = ['status', 'check_status', 'check_code', 'scur', 'stot', 'bin', 'bout', 'wretr', 'idle_conn_cur'] as const;

/** The servers that lead to backends: sections `be-…`. @param csv answer of `show stat` */
export function parseStats(csv: string): ServerStats[] {
  const [head = '', ...lines] = csv.split('\n');
  const columns = head.replace(/^# /, '').split(',');
  const places = read.map((name) => columns.indexOf(name));
  // Name and section are the first two columns. The sections before those of servers have more servers than they.
  return lines.filter((line) => line.startsWith('be-')).map((line) => statsOf(valuesOf(line), places));
}

function statsOf(values: readonly string[], places: readonly number[]): ServerStats {
  const [backend = '', server = ''] = values;
  const [status = '', check = '', code = '', ...counts] = places.map((place) => values[place] ?? '');
  const [current = 0, total = 0, bytesIn = 0, bytesOut = 0, retries = 0, idleConnections = 0] = counts.map((count) => Number(count) || 0);
  return {
    backend,
    server,
    status: statusOf(status),
    current,
    total,
    bytesIn,
    bytesOut,
    retries,
    idleConnections,
    check: check.startsWith('* ') ? check.slice(2) : check,
    checkCode: code === '' ? undefined : Number(code) || 0,
  };
}

/** Values in quotes may have commas in them: a check's text is what the app has answered. Without a quote there is no more to it. */
const valuesOf = (line: string): string[] => (line.includes('"') ? quotedValues(line) : line.split(','));

const quotedValues = (line: string): string[] =>
  Array.from(line.matchAll(/"((?:[^"]|"")*)"(?:,|$)|([^,]*)(?:,|$)/gy), ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain);

function statusOf(status: string): ServerStats['status'] {
  if (status.startsWith('MAINT')) return 'maint';
  if (status.startsWith('DOWN') || status.startsWith('NOLB')) return status.startsWith('NOLB') ? 'drain' : 'down';
  return status.startsWith('DRAIN') ? 'drain' : 'up';
}
