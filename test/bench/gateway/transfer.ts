/** 100 MB from an app and to it, by each way in turns: megabytes a second, and CPU. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { service } from '../../support/services.ts';
import { putService } from '../../gateway/installation.ts';
import { median } from '../report.ts';
import { sidecars, startSidecars, ways, type WayName } from './compare.ts';
import { bulkHost, bulkPort, ports, type Installation } from './installation.ts';

const bytes = 100_000_000;
const names = { plain: 'plain-bulk', gateway: 'bulk' };

export interface Direction {
  megabytesPerSecond: number;
  /** ms of CPU for each MB, by part */
  cpu: Record<string, number>;
}

export type Transfer = Record<'down' | 'up', Direction>;

/** Each leads to the one app of transfers. */
const entrances: Record<WayName, { url: string; host: string }> = {
  HAProxy: { url: ways.HAProxy.url, host: bulkHost },
  'plain frps': { url: ways['plain frps'].url, host: `${names.plain}.example.com` },
  gateway: { url: ways.gateway.url, host: bulkHost },
  chisel: { url: `http://127.0.0.1:${ports.chiselBulk}/`, host: bulkHost },
};

/** @param measured of the ways, which have been started @returns the medians of the rounds */
export async function transfers(
  bench: Installation,
  measured: readonly WayName[],
  { generator, rounds }: { generator: string; rounds: number },
): Promise<Partial<Record<WayName, Transfer>>> {
  bench.processes.start('app of transfers', generator, ['-serve', `127.0.0.1:${bulkPort}`]);
  for (const [at, isGateway] of [[201, false] as const, [301, true] as const]) {
    const name = isGateway ? names.gateway : names.plain;
    const served = service(name, { gateway: isGateway, loadBalancing: { healthCheck: { type: 'http', path: '/', interval: '10s' } } });
    putService(bench.api, served);
    await startSidecars(bench, served, at, [bulkPort]);
  }
  const run = async (way: WayName, isUp: boolean): Promise<Direction> => {
    const { url, host } = entrances[way];
    const args = ['-url', url, '-host', host, '-transfer', `${bytes}`, ...(isUp ? ['-upload'] : [])];
    const before = bench.processes.cpuMs();
    const answer = JSON.parse((await promisify(execFile)(generator, args)).stdout) as { mb_s: number };
    const after = bench.processes.cpuMs();
    const spent = (programs: string[]) => programs.reduce((sum, each) => sum + (after.get(each) ?? 0) - (before.get(each) ?? 0), 0);
    const parts = Object.entries({ ...ways[way].parts, ...ownSidecars[way] });
    return {
      megabytesPerSecond: answer.mb_s,
      cpu: Object.fromEntries(parts.map(([part, programs]) => [part, (spent(programs) * 1e6) / bytes])),
    };
  };
  const works = (way: WayName) => run(way, false).then(Boolean, () => false);
  for (const way of measured) await bench.eventually(`${way} leads to the app of transfers`, () => works(way));
  const samples = measured.map((way) => ({ way, down: [] as Direction[], up: [] as Direction[] }));
  for (let round = 0; round < rounds; round++)
    for (const { way, down, up } of samples) {
      down.push(await run(way, false));
      up.push(await run(way, true));
    }
  return Object.fromEntries(samples.map(({ way, down, up }) => [way, { down: middle(down), up: middle(up) }]));
}

const frpc = 'frpc ×3';
/** In the place of those to the other apps. */
const ownSidecars: Partial<Record<WayName, Record<string, string[]>>> = {
  'plain frps': { [frpc]: sidecars(names.plain, [bulkPort]) },
  gateway: { [frpc]: sidecars(names.gateway, [bulkPort]) },
};

const middle = (all: readonly Direction[]): Direction => ({
  megabytesPerSecond: median(all.map((each) => each.megabytesPerSecond)),
  cpu: Object.fromEntries(Object.keys(all[0]!.cpu).map((part) => [part, median(all.map(({ cpu }) => cpu[part]!))])),
});

/** ms of CPU for each MB, of all parts. */
export const cpuOfMegabyte = ({ cpu }: Direction): number => Object.values(cpu).reduce((sum, part) => sum + part, 0);
