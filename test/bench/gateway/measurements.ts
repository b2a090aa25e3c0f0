/** What the gateway's benchmark found, by the names under which it is recorded. The floor is the plain frp server, unless the name says another. */
import type { Measurement } from '../record/verdicts.ts';
import { cpuOf, ways, type Figures, type LoadKind, type Way, type WayName } from './compare.ts';
import type { FleetFigures, FleetSize } from './fleet.ts';
import type { Reconnection } from './reconnect.ts';
import { cpuOfMegabyte, type Transfer } from './transfer.ts';

export type Ways = Partial<Record<WayName, Way>>;

const floors = { 'plain frps': '', HAProxy: '.haproxy', chisel: '.chisel' } as const;
const isFloor = (name: WayName): name is keyof typeof floors => name !== 'gateway';

export function wayMeasurements(
  measured: readonly WayName[],
  loads: readonly LoadKind[],
  results: readonly Record<WayName, Figures>[],
  resident: ReadonlyMap<string, number>,
): Measurement[] {
  const rssOf = (way: WayName, part?: string) =>
    (part === undefined ? Object.values(ways[way].parts).flat() : ways[way].parts[part]!).reduce(
      (sum, each) => sum + (resident.get(each) ?? 0),
      0,
    );
  const ofLoads = results.flatMap((figures, index) =>
    measured.filter(isFloor).flatMap((name): Measurement[] => {
      const [{ id }, gateway, floor] = [loads[index]!, figures.gateway, figures[name]];
      const end = `${id}${floors[name]}`;
      return [
        { id: `gateway.cpu.${end}`, value: cpuOf(gateway), floor: cpuOf(floor), unit: 'µs' },
        { id: `gateway.p99.${end}`, value: gateway.p99Ms, floor: floor.p99Ms, unit: 'ms' },
        { id: `gateway.rate.${end}`, value: gateway.requestsPerSecond, floor: floor.requestsPerSecond, unit: 'requests/s' },
      ];
    }),
  );
  const rss = measured
    .filter(isFloor)
    .map((name): Measurement => ({ id: `gateway.rss${floors[name]}`, value: rssOf('gateway'), floor: rssOf(name), unit: 'MB' }));
  const [closed] = results;
  const frpc = 'frpc ×3';
  return [
    ...ofLoads,
    ...rss,
    { id: 'sidecar.cpu', value: closed!.gateway.cpu[frpc]!, floor: closed!['plain frps'].cpu[frpc]! },
    { id: 'sidecar.rss', value: rssOf('gateway', frpc) / 3, floor: rssOf('plain frps', frpc) / 3 },
  ];
}

export function transferMeasurements(moved: Partial<Record<WayName, Transfer>>): Measurement[] {
  const { gateway } = moved;
  return Object.entries(moved).flatMap(([way, of]) => {
    const name = way as WayName;
    if (!gateway || !isFloor(name)) return [];
    return (['down', 'up'] as const).flatMap((direction): Measurement[] => {
      const [mine, its] = [gateway[direction], of[direction]];
      return [
        { id: `gateway.${direction}${floors[name]}`, value: mine.megabytesPerSecond, floor: its.megabytesPerSecond, unit: 'MB/s' },
        { id: `gateway.${direction}.cpu${floors[name]}`, value: cpuOfMegabyte(mine), floor: cpuOfMegabyte(its), unit: 'ms/MB' },
      ];
    });
  });
}

export function reconnectMeasurements({ sidecars, back, users, cpu }: Reconnection): Measurement[] {
  const { 'the sidecars': _, ...gateway } = cpu;
  const last = back.at(-1)!;
  const isBack = last.sidecars >= sidecars;
  // The sidecars of the ways to the apps are among them.
  const round = Math.floor(sidecars / 100) * 100;
  return [
    { id: 'gateway.reconnect.cpu', value: Object.values(gateway).reduce((sum, ms) => sum + ms, 0) },
    ...(isBack ? [{ id: `gateway.reconnect.${round}`, value: last.seconds, unit: 's' }] : []),
    ...(users ? [{ id: 'gateway.reconnect.p99', value: users.meanwhile, floor: users.before }] : []),
  ];
}

export function fleetMeasurements({ services, members }: FleetSize, { rss, idle, change, seen }: FleetFigures): Measurement[] {
  const name = `fleet.${services}x${members}`;
  return [
    { id: `${name}.agent.rss`, value: rss.agent, unit: 'MB' },
    { id: `${name}.agent.idle`, value: 100 * idle.agent, unit: '% of a core' },
    { id: `${name}.agent.change`, value: change.agent, unit: 'ms' },
    { id: `${name}.haproxy.rss`, value: rss.users, unit: 'MB' },
    { id: `${name}.haproxy.change`, value: change.users, unit: 'ms' },
    { id: `${name}.seen`, value: seen, unit: 'ms' },
  ];
}
