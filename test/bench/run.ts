/**
 * `npm run bench`: the bundled program beside a bare node:https server, in the same run, as ratios. Rounds alternate
 * between the two, so that whatever else the machine does falls on both. Last comes the gateway (gateway.ts).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { sizes, sizeText, writeCertificate, writeReviews, writeServices } from './inputs.ts';
import type { Size } from './pod.ts';
import { median, table } from './report.ts';
import { buildGenerator, load, pinned, startServer, waitForServer, type Load, type ServerSpec } from './servers.ts';

const help = `usage: npm run bench -- [options]

  --rounds N       rounds for each size, alternating between the servers (3)
  --seconds N      measured time of a round (4)
  --size SIZE      small (2 KB), typical (8 KB) or large (97 KB); may be repeated (all)
  --starts N       starts for the time to the first answer (5)
  --no-build       measure dist/frp-k8s.js as it is
  --no-scale       leave out 10 against 10,000 services
  --no-gateway     leave out the gateway (npm run bench:gateway)
  --help

A short look: npm run bench -- --rounds 1 --seconds 2 --size small --starts 1 --no-scale --no-gateway
It needs Go for the load generator. Aims are for one core a server; run it on an otherwise idle machine.
`;

/** Issue: CPU time of a review as a multiple of the floor's. */
const cpuAim: Record<Size, number> = { small: 1.5, typical: 1.4, large: 1.1 };
const p99Aim = 1.5;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    size: { type: 'string', multiple: true, default: [...sizes] },
    starts: { type: 'string', default: '5' },
    'no-build': { type: 'boolean', default: false },
    'no-scale': { type: 'boolean', default: false },
    'no-gateway': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const root = path.join(import.meta.dirname, '..', '..');
const program = path.join(root, 'dist', 'frp-k8s.js');
const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-bench-'));

if (options.help) process.stdout.write(help);
else {
  try {
    await bench();
    // What it lacks on this machine it says itself.
    if (!options['no-gateway'])
      spawnSync(process.execPath, [path.join(import.meta.dirname, 'gateway.ts'), '--no-build'], { stdio: 'inherit' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bench(): Promise<void> {
  if (!options['no-build']) execFileSync(process.execPath, [path.join(root, 'scripts', 'build.ts')], { cwd: root, stdio: 'inherit' });
  const generator = buildGenerator();
  const { certFile, keyFile } = await writeCertificate(folder);
  const measured = sizes.filter((size) => options.size.includes(size));
  const reviews = new Map(sizes.map((size) => [size, writeReviews(path.join(folder, 'reviews'), size)]));

  const floor: ServerSpec = {
    name: 'floor',
    args: [path.join(import.meta.dirname, 'floor.mjs')],
    env: (port) => ({ PORT: String(port), TLS_CRT: certFile, TLS_KEY: keyFile }),
  };
  const frp = (services: number, more: Record<string, string> = {}): ServerSpec => ({
    name: 'frp-k8s',
    args: [program, 'serve', '--services', writeServices(folder, services)],
    env: (port, metricsPort) => ({
      FRPK8S_HOST: '127.0.0.1',
      FRPK8S_PORT: String(port),
      FRPK8S_METRICS_PORT: String(metricsPort),
      FRPK8S_TLS_CERT_FILE: certFile,
      FRPK8S_TLS_KEY_FILE: keyFile,
      ...more,
    }),
  });

  const { model = 'unknown' } = cpus()[0] ?? {};
  console.log(
    `\nNode ${process.version}, ${cpus().length} × ${model}${pinned ? ', server and generator on a core each' : ', not pinned'}\n`,
  );
  await compareSpeed(generator, measured, reviews, floor, frp(10));
  await compareStarts(generator, reviews.get('small')!, [
    ['floor', floor],
    ['frp-k8s', frp(10)],
    ['frp-k8s, compile cache as in the image', frp(10, { NODE_COMPILE_CACHE: compileCache() })],
  ]);
  if (!options['no-scale']) await compareScale(generator, reviews.get('typical')!, [frp(10), frp(10_000)]);
}

async function compareSpeed(generator: string, measured: readonly Size[], reviews: Map<Size, string>, ...specs: [ServerSpec, ServerSpec]) {
  const servers = await Promise.all(specs.map((spec) => startServer(spec, folder)));
  const rows: string[][] = [];
  try {
    for (const server of servers) waitForServer(generator, server, reviews.get('small')!);
    for (const size of measured) {
      const results: [Load[], Load[]] = [[], []];
      for (let round = 0; round < Number(options.rounds); round++) {
        for (const [index, server] of servers.entries())
          results[index]!.push(load(generator, server, reviews.get(size)!, Number(options.seconds)));
      }
      rows.push(...speedRows(size, ...results));
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
  console.log(table(['review', 'server', 'reviews/s', 'p50 ms', 'p99 ms', 'CPU ms/review', 'peak RSS MB'], rows));
}

function speedRows(size: Size, floor: Load[], frp: Load[]): string[][] {
  const of = (loads: Load[], key: 'req_s' | 'p50_ms' | 'p99_ms' | 'cpu_ms_per_req' | 'rss_peak_mb') =>
    median(loads.map((load) => load[key]));
  const row = (name: string, loads: Load[]) => [
    sizeText[size],
    name,
    of(loads, 'req_s').toFixed(0),
    of(loads, 'p50_ms').toFixed(2),
    of(loads, 'p99_ms').toFixed(2),
    of(loads, 'cpu_ms_per_req').toFixed(3),
    of(loads, 'rss_peak_mb').toFixed(0),
  ];
  const ratio = (key: 'req_s' | 'p50_ms' | 'p99_ms' | 'cpu_ms_per_req', aim?: number) => {
    const value = of(frp, key) / of(floor, key);
    return value.toFixed(2) + (aim === undefined ? '' : ` (aim ${aim}${value <= aim ? '' : ', missed'})`);
  };
  const ratios = ['', 'ratio', ratio('req_s'), ratio('p50_ms'), ratio('p99_ms', p99Aim), ratio('cpu_ms_per_req', cpuAim[size]), ''];
  return [row('floor', floor), row('frp-k8s', frp), ratios];
}

async function compareStarts(generator: string, reviews: string, specs: [name: string, spec: ServerSpec][]) {
  const rows: string[][] = [];
  const starts = specs.map((): { start_ms: number; rss_idle_mb: number }[] => []);
  for (let round = 0; round < Number(options.starts); round++) {
    for (const [index, [, spec]] of specs.entries()) starts[index]!.push(await once(generator, spec, reviews));
  }
  for (const [index, [name]] of specs.entries()) {
    const first = median(starts[index]!.map(({ start_ms }) => start_ms));
    const idle = median(starts[index]!.map(({ rss_idle_mb }) => rss_idle_mb));
    rows.push([name, first.toFixed(0), idle.toFixed(1)]);
  }
  console.log(table(['start', 'first answer ms (aim 250)', 'idle RSS MB (aim 90)'], rows));
}

async function once(generator: string, spec: ServerSpec, reviews: string) {
  const server = await startServer(spec, folder);
  try {
    return waitForServer(generator, server, reviews);
  } finally {
    await server.stop();
  }
}

async function compareScale(generator: string, reviews: string, specs: [ServerSpec, ServerSpec]) {
  const servers = await Promise.all(specs.map((spec) => startServer(spec, folder)));
  try {
    for (const server of servers) waitForServer(generator, server, reviews);
    // Once more: the two have started on one core, and are at rest only now.
    const idle = servers.map((server) => waitForServer(generator, server, reviews).rss_idle_mb);
    const loads: [Load[], Load[]] = [[], []];
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const [index, server] of servers.entries()) loads[index]!.push(load(generator, server, reviews, Number(options.seconds)));
    }
    const rows = ['10', '10,000'].map((count, index) => [
      count,
      idle[index]!.toFixed(1),
      median(loads[index]!.map((load) => load.cpu_ms_per_req)).toFixed(3),
      median(loads[index]!.map((load) => load.p50_ms)).toFixed(2),
    ]);
    console.log(table(['services', 'RSS MB (aim 130)', 'CPU ms/review of 8 KB', 'p50 ms'], rows));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** What the image's build does: the bundle is compiled once, and each start reads the result. */
function compileCache(): string {
  const cache = path.join(folder, 'compile-cache');
  execFileSync(process.execPath, [program, '--help'], { env: { ...process.env, NODE_COMPILE_CACHE: cache }, stdio: 'ignore' });
  return cache;
}
