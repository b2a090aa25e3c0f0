/** Whether strangers get at every port what the table says, and whether the table has every port. */
import { readFileSync } from 'node:fs';
import { items, kubectl, tryKubectl } from './kubectl.ts';
import { clientNamespace, gatewayNamespace, system } from './places.ts';
import { firstProcessOf } from './processes.ts';
import { rows, type Part, type Question, type Row } from './strangers-table.ts';

/** A port that a process has open, as the kernel lists it. */
interface Listener {
  port: number;
  protocol: 'tcp' | 'udp';
  isLoopback: boolean;
}

const isOf =
  ({ port, protocol }: Listener) =>
  (row: Row): boolean =>
    row.port <= port && port <= (row.until ?? row.port) && (row.protocol ?? 'tcp') === protocol;

/** From here on the kernel gives ports to sockets that ask for none: they send, and read no stranger's datagram. */
const ephemeral = 32_768;

/** What is open and in no row, is in a row and not open, or is open to more than its row says; empty: the table is right. */
function differences(part: Part, listeners: readonly Listener[]): string[] {
  const own = rows.filter((row) => row.part === part);
  const open = listeners.filter(({ port, protocol }) => protocol === 'tcp' || port < ephemeral);
  const unknown = open.filter((listener) => !own.some(isOf(listener))).map(({ protocol, port }) => `${protocol} ${port} has no row`);
  const wide = open
    .filter((listener) => !listener.isLoopback && own.find(isOf(listener))?.isLoopback)
    .map(({ protocol, port }) => `${protocol} ${port} is open beyond loopback`);
  const closed = own
    .filter((row) => !listeners.some((listener) => isOf(listener)(row) && (row.isLoopback ?? !listener.isLoopback)))
    .map(({ port }) => `${port} is in the table, and nobody listens there`);
  return [...new Set([...unknown, ...wide, ...closed])].map((problem) => `${part}: ${problem}`);
}

/** Sockets that listen in a network namespace, from the text of /proc/PID/net/{tcp,tcp6,udp,udp6}. */
function listenersIn(protocol: Listener['protocol'], text: string): Listener[] {
  const state = protocol === 'tcp' ? '0A' : '07';
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === state)
    .map((fields) => {
      const [address = '', port = ''] = fields[1]!.split(':');
      return { protocol, port: Number.parseInt(port, 16), isLoopback: /^(0100007F|0{24}01000000)$/.test(address) };
    });
}

/** Status and body, or 000 and curl's own words where no HTTP was spoken. */
export async function asked(url: string, ...options: string[]): Promise<{ status: string; text: string }> {
  const command = ['curl', '-sSk', '--max-time', '10', '-w', '\n%{http_code}', ...options, url];
  const { stdout, stderr } = await tryKubectl('-n', clientNamespace, 'exec', 'client', '--', ...command);
  const lines = stdout.trimEnd().split('\n');
  return { status: lines.pop() ?? '', text: lines.join('\n') + stderr };
}

/** Every port of every Pod of a part, asked from a Pod without credentials. @returns what differs from the table */
export async function problemsOf(part: Part, hidden: RegExp): Promise<string[]> {
  const pods = await items(part === 'frp-gateway' ? gatewayNamespace : system, 'pod', '-l', `app=${part}`);
  if (pods.length === 0) return [`${part}: there is no Pod`];
  const problems: string[] = [];
  const exposed = part === 'frp-gateway' ? await exposedPorts() : new Set<number>();
  for (const { metadata, status } of pods as { metadata: { name: string }; status: { podIP: string } }[]) {
    const listeners = listenersOf(metadata.name).filter(({ port }) => !exposed.has(port));
    problems.push(...differences(part, listeners));
    for (const row of rows.filter((row) => row.part === part)) {
      const port = listeners.find((listener) => isOf(listener)(row))?.port ?? row.port;
      for (const problem of await wrongAnswers({ ...row, port }, status.podIP, hidden)) problems.push(`${metadata.name}: ${problem}`);
    }
  }
  return problems;
}

/** Ports that services have asked for are for everybody. */
async function exposedPorts(): Promise<Set<number>> {
  const { items } = JSON.parse(await kubectl('get', 'distributedservices', '-A', '-o', 'json')) as {
    items: { spec: { expose?: { port?: number } }; status?: { clusterService?: { gatewayPort?: number } } }[];
  };
  return new Set(items.flatMap(({ spec, status }) => [spec.expose?.port ?? [], status?.clusterService?.gatewayPort ?? []].flat()));
}

async function wrongAnswers(row: Row, address: string, hidden: RegExp): Promise<string[]> {
  if (row.protocol === 'udp') return (await isRefusedByUdp(address, row.port)) ? [] : [`udp ${row.port} takes datagrams`];
  const refused: Question = { url: `http://ADDRESS:${row.port}/`, status: '000', says: /connection refused/ };
  const wrong: string[] = [];
  for (const { url, status, says } of row.isLoopback ? [refused] : (row.asks ?? [])) {
    const answer = await asked(url.replace('ADDRESS', address));
    const isWrong = answer.status !== status || (says && !says.test(answer.text)) || (!row.tellsNames && hidden.test(answer.text));
    if (isWrong) wrong.push(`${url}: ${answer.status} ${answer.text.slice(0, 200)}`);
  }
  return wrong;
}

async function isRefusedByUdp(address: string, port: number): Promise<boolean> {
  const { stderr } = await tryKubectl('-n', clientNamespace, 'exec', 'client', '--', 'client', 'udp', `${address}:${port}`, 'hello');
  return /connection refused/.test(stderr);
}

function listenersOf(pod: string): Listener[] {
  const pid = firstProcessOf(pod);
  const read = (file: string) => readFileSync(`/proc/${pid}/net/${file}`, 'utf8');
  return (['tcp', 'udp'] as const).flatMap((protocol) => [protocol, `${protocol}6`].flatMap((file) => listenersIn(protocol, read(file))));
}
