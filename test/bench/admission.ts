/** The webhooks beside a bare node:https server: speed, starts, and 10 against 10,000 services. Rounds alternate. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { sizes, sizeText, writeCertificate, writeReviews, writeServices } from './inputs.ts';
import type { Size } from './pod.ts';
import type { Measurement } from './record/verdicts.ts';
import { median, table } from './report.ts';
import { load, startServer, waitForServer, type Load, type ServerSpec } from './servers.ts';

export interface AdmissionOptions {
  /** of each size */
  rounds: number;
  /** of a round */
  seconds: number;
  sizes: readonly Size[];
  /** of each server, for the time to the first answer */
  starts: number;
  /** whether 10,000 services are measured */
  isScaled: boolean;
  generator: string;
  /** dist/frp-k8s.js */
  program: string;
  /** for inputs and outputs */
  folder: string;
}

/** Prints what it found. */
export async function measureAdmission(options: AdmissionOptions): Promise<Measurement[]> {
  const { folder, program } = options;
  const { certFile, keyFile } = await writeCertificate(folder);
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
  // As in the image, where everything was compiled when it was built.
  const compiled = frp(10, { NODE_COMPILE_CACHE: compileCache(program, folder) });
  return [
    ...(await compareSpeed(options, reviews, [floor, frp(10)])),
    ...(await compareStarts(options, reviews.get('small')!, {
      floor,
      'frp-k8s': frp(10),
      'frp-k8s, compiled before, as in the image': compiled,
    })),
    ...(options.isScaled ? await compareScale(options, reviews.get('typical')!, [frp(10), frp(10_000)]) : []),
  ];
}

/** Requests until the code that answers them has been compiled. */
const warmUp: Record<Size, number> = { small: 3000, typical: 1500, large: 400 };
/** Of a round: some 200 ms of CPU. */
const least: Record<Size, number> = { small: 1000, typical: 600, large: 200 };

type Figure = 'req_s' | 'p50_ms' | 'p99_ms' | 'cpu_ms_per_req' | 'rss_peak_mb';
const middle = (loads: readonly Load[], key: Figure) => median(loads.map((each) => each[key]));

async function compareSpeed(
  { generator, folder, sizes: measured, rounds, seconds }: AdmissionOptions,
  reviews: Map<Size, string>,
  specs: [ServerSpec, ServerSpec],
): Promise<Measurement[]> {
  const servers = await Promise.all(specs.map((spec) => startServer(spec, folder)));
  const rows: string[][] = [];
  const measurements: Measurement[] = [];
  try {
    for (const server of servers) waitForServer(generator, server, reviews.get('small')!);
    for (const size of measured) {
      const loads: [Load[], Load[]] = [[], []];
      for (let round = 0; round < rounds; round++)
        for (const [index, server] of servers.entries())
          loads[index]!.push(
            load(generator, server, reviews.get(size)!, { seconds, least: least[size], warmUp: round === 0 ? warmUp[size] : 0 }),
          );
      rows.push(...speedRows(size, ...loads));
      const both = (key: Figure) => ({ value: middle(loads[1], key), floor: middle(loads[0], key) });
      measurements.push(
        { id: `admission.cpu.${size}`, ...both('cpu_ms_per_req') },
        { id: `admission.p99.${size}`, ...both('p99_ms') },
        { id: `admission.p50.${size}`, ...both('p50_ms'), unit: 'ms' },
        { id: `admission.rate.${size}`, ...both('req_s'), unit: 'reviews/s' },
      );
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
  console.log(table(['review', 'server', 'reviews/s', 'p50 ms', 'p99 ms', 'CPU ms/review', 'peak RSS MB'], rows));
  return measurements;
}

function speedRows(size: Size, floor: Load[], frp: Load[]): string[][] {
  const columns: [Figure, digits: number][] = [
    ['req_s', 0],
    ['p50_ms', 2],
    ['p99_ms', 2],
    ['cpu_ms_per_req', 3],
    ['rss_peak_mb', 0],
  ];
  const row = (name: string, loads: Load[]) => [
    sizeText[size],
    name,
    ...columns.map(([key, digits]) => middle(loads, key).toFixed(digits)),
  ];
  const ratios = columns.map(([key]) => (middle(frp, key) / middle(floor, key)).toFixed(2));
  return [row('floor', floor), row('frp-k8s', frp), ['', 'ratio', ...ratios]];
}

/** @param specs the last one is as in the image, and is the one that is told */
async function compareStarts(options: AdmissionOptions, reviews: string, specs: Record<string, ServerSpec>): Promise<Measurement[]> {
  const starts = new Map<string, { start_ms: number; rss_idle_mb: number }[]>(Object.keys(specs).map((name) => [name, []]));
  for (let round = 0; round < options.starts; round++)
    for (const [name, spec] of Object.entries(specs)) starts.get(name)!.push(await once(options, spec, reviews));
  const found = [...starts].map(([name, all]) => ({
    name,
    first: median(all.map(({ start_ms }) => start_ms)),
    idle: median(all.map(({ rss_idle_mb }) => rss_idle_mb)),
  }));
  console.log(
    table(
      ['start', 'first answer ms', 'idle RSS MB'],
      found.map(({ name, first, idle }) => [name, first.toFixed(0), idle.toFixed(1)]),
    ),
  );
  const [floor, plain, image] = [found[0]!, found[1]!, found.at(-1)!];
  return [
    { id: 'admission.start', value: image.first, floor: floor.first },
    { id: 'admission.start.uncompiled', value: plain.first, floor: floor.first, unit: 'ms' },
    { id: 'admission.rss', value: image.idle, floor: floor.idle },
  ];
}

async function once({ generator, folder }: AdmissionOptions, spec: ServerSpec, reviews: string) {
  const server = await startServer(spec, folder);
  try {
    return waitForServer(generator, server, reviews);
  } finally {
    await server.stop();
  }
}

async function compareScale(
  { generator, folder, rounds, seconds }: AdmissionOptions,
  reviews: string,
  specs: [ServerSpec, ServerSpec],
): Promise<Measurement[]> {
  const servers = await Promise.all(specs.map((spec) => startServer(spec, folder)));
  try {
    for (const server of servers) waitForServer(generator, server, reviews);
    // Once more: the two have started on one core, and are at rest only now.
    const idle = servers.map((server) => waitForServer(generator, server, reviews).rss_idle_mb);
    const loads: [Load[], Load[]] = [[], []];
    for (let round = 0; round < rounds; round++)
      for (const [index, server] of servers.entries())
        loads[index]!.push(load(generator, server, reviews, { seconds, least: least.typical, warmUp: round === 0 ? warmUp.typical : 0 }));
    const rows = ['10', '10,000'].map((count, index) => [
      count,
      idle[index]!.toFixed(1),
      middle(loads[index]!, 'cpu_ms_per_req').toFixed(3),
      middle(loads[index]!, 'p50_ms').toFixed(2),
    ]);
    console.log(table(['services', 'RSS MB', 'CPU ms/review of 8 KB', 'p50 ms'], rows));
    const cpu = loads.map((each) => middle(each, 'cpu_ms_per_req'));
    return [
      { id: 'admission.rss.10000', value: idle[1]! },
      { id: 'admission.cpu.10000', value: cpu[1]!, floor: cpu[0]!, unit: 'ms' },
    ];
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** What the image's build does: every part is compiled once, and each start reads the result. */
function compileCache(program: string, folder: string): string {
  const cache = path.join(folder, 'compile-cache');
  const parts = path.join(path.dirname(program), 'parts');
  const code = `require('node:module').enableCompileCache(${JSON.stringify(cache)}); (async () => { for (const part of require('node:fs').readdirSync(${JSON.stringify(parts)})) if (part.endsWith('.mjs')) await import(${JSON.stringify(`${parts}/`)} + part); })()`;
  execFileSync(process.execPath, ['-e', code]);
  return cache;
}
