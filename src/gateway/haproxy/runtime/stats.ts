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
  /** answers by the first digit of their status */
  responses: Readonly<Record<'1xx' | '2xx' | '3xx' | '4xx' | '5xx', number>>;
  connectionErrors: number;
  responseErrors: number;
  retries: number;
  redispatches: number;
  /** milliseconds from the request to the end of its answer, mean of the last 1,024 requests */
  meanTime: number;
  maxTime: number;
  idleConnections: number;
  /** last check: a word such as L7OK or L4CON, empty before the first */
  check: string;
  /** status of the answer to the last check, where there was one */
  checkCode: number | undefined;
  /** seconds since the status changed */
  lastChange: number;
}

/** Of every server and nothing else: HAProxy need not write, nor we read, the lines of frontends and sums. */
export const showServers = 'show stat -1 4 -1';

/** One line for each server; frontends and sums are left out. @param csv answer of `show stat` */
export function parseStats(csv: string): ServerStats[] {
  const [head = '', ...lines] = csv.split('\n');
  const columns = new Map(
    head
      .replace(/^# /, '')
      .split(',')
      .map((name, index) => [name, index]),
  );
  return lines.flatMap((line) => {
    const values = valuesOf(line);
    const text = (name: string) => values[columns.get(name) ?? -1] ?? '';
    const number = (name: string) => Number(text(name)) || 0;
    // 2: a server (management manual, "type")
    if (text('type') !== '2') return [];
    return [
      {
        backend: text('pxname'),
        server: text('svname'),
        status: statusOf(text('status')),
        current: number('scur'),
        total: number('stot'),
        bytesIn: number('bin'),
        bytesOut: number('bout'),
        responses: {
          '1xx': number('hrsp_1xx'),
          '2xx': number('hrsp_2xx'),
          '3xx': number('hrsp_3xx'),
          '4xx': number('hrsp_4xx'),
          '5xx': number('hrsp_5xx'),
        },
        connectionErrors: number('econ'),
        responseErrors: number('eresp'),
        retries: number('wretr'),
        redispatches: number('wredis'),
        meanTime: number('ttime'),
        maxTime: number('ttime_max'),
        idleConnections: number('idle_conn_cur'),
        check: text('check_status').replace(/^\* /, ''),
        checkCode: text('check_code') === '' ? undefined : number('check_code'),
        lastChange: number('lastchg'),
      },
    ];
  });
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
