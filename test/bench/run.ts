/**
 * `npm run bench`: what the program costs, beside floors that are measured in the same run, in turns; a table of aims, met and
 * missed; a record of the run, and what changed since the last one.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measureAdmission } from './admission.ts';
import { measureCommandLine } from './command-line.ts';
import type { ControllerOptions } from './controller-alone.ts';
import { sizes } from './inputs.ts';
import { labFolder, namespaces, onPath } from './namespaces.ts';
import { aims } from './record/aims.ts';
import { instructionCounter } from './record/instructions.ts';
import { changes, commitOf, lastRun, loadNow, thisMachine, writeRun, type Run } from './record/results.ts';
import { judge, verdictTable, type Measurement } from './record/verdicts.ts';
import { buildGenerator, pinned } from './servers.ts';

const help = `usage: npm run bench -- [options]

It measures the webhooks beside a bare node:https server, commands beside a bare node, and the gateway beside a plain frp server and
HAProxy alone, all of them in turns, so that what else the machine does falls on both. Then it prints every aim with what was
reached, writes bench/results/DATE-COMMIT.json (which git ignores), and tells what changed since the newest file there. A part alone
is compared and not written.

  --short          a few minutes: less of everything, no 10,000 services; exit code 1 where a ratio is more than twice its aim
  --peers          the gateway beside chisel too, another tunnel, built from its Go module
  --only PART      admission, commands, controller, gateway or fleet; may be repeated (all; --short: not controller and fleet)
  --rounds N       rounds of each comparison (3)
  --seconds N      measured time of a round (4; --short: 0.5)
  --size SIZE      of reviews: small (2 KB), typical (8 KB) or large (97 KB); may be repeated (all)
  --sidecars N     how many lose their tunnels at once (500; --short: 100); 5000 takes a quarter of an hour
  --no-build       measure dist/frp-k8s.js as it is
  --help

One thing again: npm run bench -- --only admission --size typical --rounds 9
It needs Go for the load generator, and what npm run bench:gateway -- --help names for the gateway; what lacks is told, and its aims are
"not measured". Instructions are counted by perf, else by valgrind (only of short commands, and not with --short), else not.
The controller has an API server without a node here: kube-apiserver of the lab, or KUBE_APISERVER, and Debian's etcd. On a whole cluster:
npm run bench:controller.
`;

const parts = ['admission', 'commands', 'controller', 'gateway', 'fleet'] as const;
const notShort: readonly string[] = ['controller', 'fleet'];
const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    size: { type: 'string', multiple: true, default: [...sizes] },
    sidecars: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const root = path.join(import.meta.dirname, '..', '..');
const program = path.join(root, 'dist', 'frp-k8s.js');
const results = path.join(root, 'bench', 'results');

if (options.help) process.stdout.write(help);
else {
  const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-bench-'));
  try {
    process.exitCode = await bench(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns the exit code */
async function bench(folder: string): Promise<number> {
  const { short: isShort } = options;
  const wanted = new Set<string>(options.only ?? parts.filter((part) => !isShort || !notShort.includes(part)));
  for (const part of wanted)
    if (!parts.some((each) => each === part)) throw new Error(`--only ${part}: must be one of ${parts.join(', ')}`);
  const [machine, loadAtStart] = [thisMachine(), loadNow()];
  if (!options['no-build']) execFileSync(process.execPath, [path.join(root, 'scripts', 'build.ts')], { cwd: root, stdio: 'inherit' });
  const placed = pinned ? ', a server and the load generator on a core each' : '';
  console.log(`\nNode ${machine.node}, ${machine.cores} × ${machine.cpu}${placed}, load ${loadAtStart.toFixed(1)}\n`);
  const measurements: Measurement[] = [];
  if (wanted.has('admission')) measurements.push(...(await admission(folder)));
  if (wanted.has('commands')) {
    const counter = instructionCounter();
    if (!counter) console.log('Instructions are not counted: neither perf nor valgrind can do it here.');
    const used = isShort && counter?.name === 'valgrind' ? undefined : counter;
    measurements.push(
      ...measureCommandLine({
        rounds: isShort ? 5 : 15,
        injections: isShort ? { runs: 1, pods: 200 } : { runs: 2, pods: 1000 },
        counter: used,
        program,
        folder,
      }),
    );
  }
  if (wanted.has('controller')) measurements.push(...controller(folder));
  if (wanted.has('gateway')) measurements.push(...gateway(folder, gatewayOptions()));
  if (wanted.has('fleet')) measurements.push(...fleets(folder));
  return tell({
    at: new Date().toISOString(),
    commit: commitOf(root),
    form: isShort ? 'short' : 'full',
    machine,
    load: [loadAtStart, loadNow()],
    measurements,
  });
}

function admission(folder: string): Promise<Measurement[]> {
  return measureAdmission({
    rounds: Number(options.rounds),
    seconds: Number(options.seconds ?? (options.short ? 0.5 : 4)),
    sizes: sizes.filter((size) => options.size.includes(size)),
    starts: options.short ? 2 : 5,
    isScaled: !options.short,
    generator: buildGenerator(),
    program,
    folder,
  });
}

/** With as many services as the aims have. */
function controller(folder: string): Measurement[] {
  const services = 500;
  const record = path.join(folder, 'controller.json');
  const apiServer = process.env.KUBE_APISERVER ?? path.join(labFolder('k8s'), 'kube-apiserver');
  const inside: ControllerOptions = { services, record, apiServer, etcd: onPath('etcd') };
  const script = path.join(import.meta.dirname, 'controller-alone.ts');
  for (const each of [apiServer, inside.etcd])
    if (!existsSync(each)) {
      console.log(`The controller is not measured: there is no ${each} (test/cluster/lab build; apt-get install etcd-server).`);
      return [];
    }
  spawnSync('unshare', [...namespaces(), process.execPath, script, JSON.stringify(inside)], { stdio: 'inherit' });
  const all = existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as Measurement[]) : [];
  const aimed = ['converge', 'delete'].flatMap((what) =>
    all.filter(({ id }) => id === `controller.${services}.${what}`).map(({ value }) => ({ id: `controller.${what}`, value })),
  );
  return [...all, ...aimed];
}

function gatewayOptions(): string[] {
  const { short: isShort, peers, rounds, sidecars, seconds } = options;
  return [
    ...['--rounds', rounds, '--seconds', seconds ?? (isShort ? '1' : '2'), '--sidecars', sidecars ?? (isShort ? '100' : '500')],
    ...(isShort ? ['--short'] : []),
    ...(peers ? ['--peers'] : []),
  ];
}

/** A process that makes a network of its own; what it lacks on this machine it says itself. */
function gateway(folder: string, more: readonly string[]): Measurement[] {
  const record = path.join(folder, 'gateway.json');
  rmSync(record, { force: true });
  spawnSync(process.execPath, [path.join(import.meta.dirname, 'gateway.ts'), '--no-build', '--record', record, ...more], {
    stdio: 'inherit',
  });
  return existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as Measurement[]) : [];
}

/** The agent's memory with many members, and what a member's change costs among few services and among many. */
function fleets(folder: string): Measurement[] {
  const all = ['1000,5', '10,1', '2000,1'].flatMap((size) => gateway(folder, ['--fleet', size]));
  const of = (id: string) => all.find((each) => each.id === id)?.value;
  const [rss, few, many] = ['1000x5.agent.rss', '10x1.agent.change', '2000x1.agent.change'].map((id) => of(`fleet.${id}`));
  return [
    ...all,
    ...(rss === undefined ? [] : [{ id: 'gateway.agent.rss', value: rss }]),
    ...(few === undefined || many === undefined ? [] : [{ id: 'gateway.change', value: many, floor: few }]),
  ];
}

/** @returns the exit code */
function tell(run: Run): number {
  const before = lastRun(results, run.form);
  const isWhole = options.only === undefined;
  const verdicts = judge(aims, run.measurements).filter(({ outcome }) => isWhole || outcome !== 'not measured');
  const count = (outcome: string) => verdicts.filter((each) => each.outcome === outcome).length;
  console.log(`${verdictTable(verdicts)}\n${count('met')} met, ${count('missed')} missed, ${count('not measured')} not measured.\n`);
  if (before) console.log(changes(before, run));
  if (isWhole) console.log(`Written to ${path.relative(root, writeRun(results, run))}`);
  const farOff = verdicts.filter((each) => each.isFarOff);
  if (!options.short || farOff.length === 0) return 0;
  console.log(`\nMore than twice its aim, or than what is known: ${farOff.map(({ aim }) => aim.what).join('; ')}`);
  return 1;
}
