/** The bench itself, in namespaces of its own (gateway.ts). Everything that it starts ends with it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { table } from '../report.ts';
import { compare, cpuOf, loads, partsOfGateway, startWays, ways, type Figures, type WayName } from './compare.ts';
import { edits } from './edits.ts';
import { idle } from './idle.ts';
import { Installation, type Programs } from './installation.ts';
import { reconnect } from './reconnect.ts';
import { compareEntrances, sharedPort } from './shared-port.ts';

export interface BenchOptions {
  rounds: number;
  seconds: number;
  /** 0: leave it out */
  sidecars: number;
  /** minutes of edits in place of everything else; 0: none */
  edits: number;
  /** idle connections to try in place of everything else; 0: none */
  idle: number;
  /** the port that tunnels share with users in place of everything else */
  sharedPort: boolean;
  generator: string;
  programs: Programs;
}

const aimSeconds = 30;
const reconnectSeconds = 60;
const options = JSON.parse(process.argv[2]!) as BenchOptions;
// As the first process of its namespace it gets only the signals that it asks for.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
spawnSync('ip', ['link', 'set', 'lo', 'up'], { stdio: 'inherit' });
const directory = mkdtempSync(path.join(tmpdir(), 'frp-bench-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

const { model = 'unknown' } = cpus()[0] ?? {};
const busy = () => `load ${loadavg()[0]!.toFixed(1)}`;
console.log(`\nThe gateway, on ${cpus().length} × ${model}, ${busy()}\n`);
const bench = await Installation.create(directory, options.programs, options.sharedPort ? { tunnelPort: sharedPort } : {});
if (options.edits > 0) console.log(await edits(bench, options.edits));
else if (options.idle > 0) console.log(await idle(bench, options.idle));
else if (options.sharedPort) console.log(await compareEntrances(bench, options));
else await compareWays();
process.exit();

async function compareWays(): Promise<void> {
  await startWays(bench);
  const results = await compare(bench, ways, options);
  console.log(speedTable(results));
  console.log(cpuTable(results));
  console.log(memoryTable('3 sidecars'));
  if (options.sidecars > 0) await tellReconnection();
}

function speedTable(all: readonly Record<WayName, Figures>[]): string {
  const rows = all.flatMap((figures, index) => {
    const columns: ((of: Figures) => number)[] = [(of) => of.requestsPerSecond, (of) => of.p50Ms, (of) => of.p99Ms, cpuOf];
    const digits = [0, 2, 2, 0];
    const row = (name: WayName) => [name, ...columns.map((column, at) => column(figures[name]).toFixed(digits[at]))];
    const ratio = (to: WayName) => [
      `gateway : ${to}`,
      ...columns.map((column) => (column(figures.gateway) / column(figures[to])).toFixed(2)),
    ];
    const cells = [row('HAProxy'), row('plain frps'), row('gateway'), ratio('HAProxy'), ratio('plain frps')];
    return cells.map((each, line) => [line === 0 ? loads[index]!.name : '', ...each]);
  });
  return table(['load', 'way', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request'], rows);
}

function cpuTable(all: readonly Record<WayName, Figures>[]): string {
  const rows = (['HAProxy', 'plain frps', 'gateway'] as const).flatMap((way) =>
    Object.keys(all[0]![way].cpu).map((part, line) => [
      line === 0 ? way : '',
      part,
      ...all.map((figures) => figures[way].cpu[part]!.toFixed(0)),
    ]),
  );
  return table(['way', 'CPU µs/request', ...loads.map(({ name }) => name)], rows);
}

function memoryTable(when: string): string {
  const resident = bench.processes.residentMb();
  const rows = Object.entries(partsOfGateway).map(([part, programs]) => [
    part,
    programs.reduce((sum, program) => sum + (resident.get(program) ?? 0), 0).toFixed(0),
  ]);
  return table(['of the gateway', `RSS MB, ${when}`], rows);
}

async function tellReconnection(): Promise<void> {
  const { sidecars, services, back, cpu } = await reconnect(bench, options.sidecars, reconnectSeconds);
  const reached = (share: number) => back.find((at) => at.sidecars >= share * sidecars);
  const row = (name: string, share: number) => [name, reached(share)?.seconds.toFixed(1) ?? `not in ${reconnectSeconds}`];
  const all = reached(1)?.seconds ?? Infinity;
  console.log(`${sidecars} sidecars of ${services} services lose their tunnels by a crash of the tunnels' HAProxy, ${busy()}\n`);
  const rows = [row('half of them', 0.5), row('nine in ten', 0.9), row(`all (aim ${aimSeconds}${all <= aimSeconds ? '' : ', missed'})`, 1)];
  console.log(table(['requests are sent again to', 'after seconds'], rows));
  console.log(
    table(
      ['', 'CPU ms/sidecar'],
      Object.entries(cpu).map(([part, ms]) => [part, ms.toFixed(1)]),
    ),
  );
  console.log(memoryTable(`${sidecars} sidecars`));
}
