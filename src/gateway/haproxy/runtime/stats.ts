/** HAProxy's own numbers about itself, its servers and its services (management manual, 9.1 "CSV format"; 9.3 "show info"). */

/** By the first digit of the status. */
export const codeClasses = ['1xx', '2xx', '3xx', '4xx', '5xx', 'other'] as const;

export interface ServerStats {
  backend: string;
  server: string;
  status: 'up' | 'down' | 'drain' | 'maint';
  /** requests or connections under way */
  current: number;
  /** requests or connections that wait for it */
  queued: number;
  /** requests (http) or connections since the process started */
  total: number;
  bytesIn: number;
  bytesOut: number;
  retries: number;
  /** times that its check took it out */
  failures: number;
  /** answers, in the order of codeClasses; none of tcp */
  responses: readonly number[];
  idleConnections: number;
  /** last check: a word such as L7OK or L4CON, empty before the first */
  check: string;
  /** status of the answer to the last check, where there was one */
  checkCode: number | undefined;
}

/** Of an http service, at the section that its requests pass first. */
export interface ServiceStats {
  /** section of its servers, as in ServerStats */
  backend: string;
  /** what was answered, whoever answered it, in the order of codeClasses */
  responses: readonly number[];
}

/** Each number only grows; the difference is how many requests went to other replicas. */
export interface HandedRequests {
  /** that other replicas were sent */
  attempts: number;
  /** of these, those that were then sent to yet another server, because that replica did not take them */
  movedOn: number;
}

export interface Stats {
  /** process id of HAProxy, and seconds since it started */
  pid: string;
  uptime: number;
  connections: number;
  /** of users and between its own sections, together */
  maxConnections: number;
  /** those that lead to backends: of sections `be-…` */
  servers: ServerStats[];
  services: ServiceStats[];
  /** by the section of the service's servers */
  handedRequests: ReadonlyMap<string, HandedRequests>;
  /** connections of tcp that went to other replicas */
  handedStreams: number;
}

/** Of backends and servers and nothing else: HAProxy need not write, nor we read, the lines of frontends. */
export const showStats = 'show info;show stat -1 6 -1';

/** What is read of a line. */
const numbers = ['scur', 'qcur', 'stot', 'bin', 'bout', 'wretr', 'chkdown', 'idle_conn_cur', 'wredis'] as const;
const texts = ['status', 'check_status', 'check_code'] as const;
const answers = codeClasses.map((name) => `hrsp_${name}`);

/** Servers of `svc-…` that lead to this process itself (failover.ts, recovery.ts); the others are replicas. */
const own = new Set(['here', 'once', 'again', 'BACKEND']);
/** The section that hands connections of tcp over (handover.ts). */
const streams = 'frp-over,';

interface Places {
  numbers: readonly number[];
  texts: readonly number[];
  answers: readonly number[];
}

/** @param text answer of showStats */
export function parseStats(text: string): Stats {
  const at = text.indexOf('# pxname,');
  const [head = '', ...lines] = text.slice(Math.max(0, at)).split('\n');
  const columns = head.replace(/^# /, '').split(',');
  const placesOf = (names: readonly string[]) => names.map((name) => columns.indexOf(name));
  const places: Places = { numbers: placesOf(numbers), texts: placesOf(texts), answers: placesOf(answers) };
  const info = infoIn(text.slice(0, Math.max(0, at)));
  const stats: Stats & { handedRequests: Map<string, HandedRequests> } = {
    pid: info('Pid'),
    uptime: Number(info('Uptime_sec')) || 0,
    connections: Number(info('CurrConns')) || 0,
    maxConnections: Number(info('Maxconn')) || 0,
    servers: [],
    services: [],
    handedRequests: new Map(),
    handedStreams: 0,
  };
  for (const line of lines) {
    // Name and section are the first two columns.
    if (line.startsWith('be-')) {
      const values = valuesOf(line);
      if (values[1] !== 'BACKEND') stats.servers.push(serverOf(values, places));
    } else if (line.startsWith('svc-')) takeEntrance(valuesOf(line), places, stats);
    else if (line.startsWith(streams)) {
      const values = valuesOf(line);
      if (values[1] !== 'BACKEND') stats.handedStreams += total(values, places);
    }
  }
  return stats;
}

function infoIn(text: string): (name: string) => string {
  const lines = text.split('\n');
  return (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
}

const countAt = (values: readonly string[], place: number): number => Number(values[place] ?? '') || 0;
const total = (values: readonly string[], places: Places): number => countAt(values, places.numbers[2]!);
const redispatches = (values: readonly string[], places: Places): number => countAt(values, places.numbers[8]!);

function takeEntrance(values: readonly string[], places: Places, stats: Stats & { handedRequests: Map<string, HandedRequests> }): void {
  const [section = '', server = ''] = values;
  const backend = `be-${section.slice('svc-'.length)}`;
  if (server === 'BACKEND') stats.services.push({ backend, responses: places.answers.map((place) => countAt(values, place)) });
  else if (!own.has(server)) {
    const { attempts, movedOn } = stats.handedRequests.get(backend) ?? { attempts: 0, movedOn: 0 };
    stats.handedRequests.set(backend, { attempts: attempts + total(values, places), movedOn: movedOn + redispatches(values, places) });
  }
}

function serverOf(values: readonly string[], places: Places): ServerStats {
  const [backend = '', server = ''] = values;
  const [status = '', check = '', code = ''] = places.texts.map((place) => values[place] ?? '');
  const [current = 0, queued = 0, count = 0, bytesIn = 0, bytesOut = 0, retries = 0, failures = 0, idleConnections = 0] =
    places.numbers.map((place) => countAt(values, place));
  return {
    backend,
    server,
    status: statusOf(status),
    current,
    queued,
    total: count,
    bytesIn,
    bytesOut,
    retries,
    failures,
    responses: places.answers.map((place) => countAt(values, place)),
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
