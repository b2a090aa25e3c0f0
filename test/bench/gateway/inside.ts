/** The bench itself, in namespaces of its own (gateway.ts). Everything that it starts ends with it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { StandInMembers } from '../links/stand-in-members.ts';
import type { Measurement } from '../record/verdicts.ts';
import { table } from '../report.ts';
import { compare, cpuOf, loads, startWays, ways, type Figures, type WayName } from './compare.ts';
import { edits } from './edits.ts';
import { measureFleet, type FleetSize } from './fleet.ts';
import { idle } from './idle.ts';
import { Installation, type Programs } from './installation.ts';
import { fleetMeasurements, reconnectMeasurements, transferMeasurements, wayMeasurements, type Ways } from './measurements.ts';
import { reconnect } from './reconnect.ts';
import { compareEntrances, sharedPort } from './shared-port.ts';
import { transfers } from './transfer.ts';

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
  /** many services and members in place of everything else */
  fleet: FleetSize | undefined;
  /** only the gateway and a plain frps, by two loads */
  isShort: boolean;
  /** another tunnel to measure beside them */
  chisel: string | undefined;
  /** file for the measurements, JSON */
  record: string | undefined;
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
const standIn = options.fleet && new StandInMembers(directory);
const programs = standIn ? { ...options.programs, frps: standIn.program } : options.programs;
const bench = await Installation.create(directory, programs, options.sharedPort ? { tunnelPort: sharedPort } : {});
const measurements: Measurement[] = [];
if (options.edits > 0) console.log(await edits(bench, options.edits));
else if (options.idle > 0) console.log(await idle(bench, options.idle));
else if (options.sharedPort) console.log(await compareEntrances(bench, options));
else if (options.fleet && standIn) await tellFleet(options.fleet, standIn);
else await compareWays();
if (options.record !== undefined) writeFileSync(options.record, JSON.stringify(measurements));
process.exit();

async function compareWays(): Promise<void> {
  const { chisel, isShort } = options;
  await startWays(bench, chisel);
  const measured: WayName[] = [
    ...(isShort ? [] : ['HAProxy' as const]),
    'plain frps',
    'gateway',
    ...(chisel === undefined ? [] : ['chisel' as const]),
  ];
  const compared: Ways = Object.fromEntries(measured.map((name) => [name, ways[name]]));
  const used = isShort ? loads.slice(0, 2) : loads;
  const results = await compare(bench, compared as typeof ways, { ...options, loads: used });
  console.log(speedTable(measured, results));
  console.log(cpuTable(measured, results));
  const resident = bench.processes.residentMb();
  console.log(memoryTable(measured, resident));
  measurements.push(...wayMeasurements(measured, used, results, resident));
  const moved = await transfers(bench, measured, options);
  console.log(
    table(
      ['100 MB', 'down MB/s', 'CPU ms/MB', 'up MB/s', 'CPU ms/MB'],
      Object.entries(moved).map(([way, { down, up }]) => [
        way,
        ...[down, up].flatMap(({ megabytesPerSecond, cpu }) => [
          megabytesPerSecond.toFixed(0),
          Object.entries(cpu)
            .map(([part, ms]) => `${part} ${ms.toFixed(1)}`)
            .join(', '),
        ]),
      ]),
    ),
  );
  measurements.push(...transferMeasurements(moved));
  if (options.sidecars > 0) await tellReconnection();
}

async function tellFleet(size: FleetSize, members: StandInMembers): Promise<void> {
  const found = await measureFleet(bench, members, size);
  const { rss, idle: rest, change, seen } = found;
  console.log(`${size.services} services with ${size.members * size.services} members, ${busy()}\n`);
  const row = (part: 'agent' | 'users') => [part, rss[part].toFixed(0), (100 * rest[part]).toFixed(1), change[part].toFixed(1)];
  console.log(table(['of the gateway', 'RSS MB', '% of a core at rest', "CPU ms for a member's change"], [row('agent'), row('users')]));
  console.log(`HAProxy has such a change after ${seen.toFixed(0)} ms.\n`);
  measurements.push(...fleetMeasurements(size, found));
}

function speedTable(names: readonly WayName[], all: readonly Record<WayName, Figures>[]): string {
  const rows = all.flatMap((figures, index) => {
    const columns: ((of: Figures) => number)[] = [(of) => of.requestsPerSecond, (of) => of.p50Ms, (of) => of.p99Ms, cpuOf];
    const digits = [0, 2, 2, 0];
    const row = (name: WayName) => [name, ...columns.map((column, at) => column(figures[name]).toFixed(digits[at]))];
    const ratio = (to: WayName) => [
      `gateway : ${to}`,
      ...columns.map((column) => (column(figures.gateway) / column(figures[to])).toFixed(2)),
    ];
    const cells = [...names.map(row), ...names.filter((name) => name !== 'gateway').map(ratio)];
    return cells.map((each, line) => [line === 0 ? loads[index]!.name : '', ...each]);
  });
  return table(['load', 'way', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request'], rows);
}

function cpuTable(names: readonly WayName[], all: readonly Record<WayName, Figures>[]): string {
  const rows = names.flatMap((way) =>
    Object.keys(all[0]![way].cpu).map((part, line) => [
      line === 0 ? way : '',
      part,
      ...all.map((figures) => figures[way].cpu[part]!.toFixed(0)),
    ]),
  );
  return table(['way', 'CPU µs/request', ...loads.slice(0, all.length).map(({ name }) => name)], rows);
}

function memoryTable(names: readonly WayName[], resident: ReadonlyMap<string, number>): string {
  const rows = names.flatMap((way) =>
    Object.entries(ways[way].parts).map(([part, programs], line) => [
      line === 0 ? way : '',
      part,
      programs.reduce((sum, program) => sum + (resident.get(program) ?? 0), 0).toFixed(0),
    ]),
  );
  return table(['way', 'part', 'RSS MB'], rows);
}

async function tellReconnection(): Promise<void> {
  const found = await reconnect(bench, options.generator, options.sidecars, reconnectSeconds);
  const { sidecars, services, back, users, cpu } = found;
  const reached = (share: number) => back.find((at) => at.sidecars >= share * sidecars);
  const row = (name: string, share: number) => [name, reached(share)?.seconds.toFixed(1) ?? `not in ${reconnectSeconds}`];
  console.log(`${sidecars} sidecars of ${services} services lose their tunnels by a crash of the tunnels' HAProxy, ${busy()}\n`);
  const rows = [row('half of them', 0.5), row('nine in ten', 0.9), row(`all (5,000: aim ${aimSeconds})`, 1)];
  console.log(table(['requests are sent again to', 'after seconds'], rows));
  console.log(
    table(
      ['', 'CPU ms/sidecar'],
      Object.entries(cpu).map(([part, ms]) => [part, ms.toFixed(1)]),
    ),
  );
  if (users)
    console.log(
      `While as many come anew, the p99 of other users is ${users.meanwhile.toFixed(1)} ms; before it was ${users.before.toFixed(1)} ms.\n`,
    );
  console.log(memoryTable(['gateway'], bench.processes.residentMb()));
  measurements.push(...reconnectMeasurements(found));
}
