/**
 * Thousands of sidecars lose their tunnels at one moment and come back. They are frp's own clients, each with a TLS
 * connection, a token, a session and a proxy of its own; frpc runs many in one process, so that they fit in memory.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { service } from '../../support/services.ts';
import { putPod, putService } from '../../gateway/installation.ts';
import type { Load } from '../servers.ts';
import { partsOfGateway, usersRate, ways } from './compare.ts';
import { appPorts, type Installation } from './installation.ts';
import { podOf, writeSidecar } from './sidecars.ts';

const perService = 5;
/** They join in so many at a time: that all do at once is what is measured afterwards. */
const perProcess = 250;
const joinSeconds = 60;
const pollMs = 250;

export interface Reconnection {
  sidecars: number;
  services: number;
  /** how many of them had a request sent to them again after so many seconds; the last one is when all had, or when nobody waited any longer */
  back: { seconds: number; sidecars: number }[];
  /**
   * 99th percentile, ms, of users whose own tunnels stay: before, and while as many sidecars come anew (their programs are
   * killed and started again); undefined where those were not back in time
   */
  users: { before: number; meanwhile: number } | undefined;
  /** milliseconds of CPU for each that came back, by part of the gateway, and of the sidecars themselves */
  cpu: Record<string, number>;
}

/** @param generator of the users' load @param limitSeconds how long to wait for the last one */
export async function reconnect(bench: Installation, generator: string, count: number, limitSeconds: number): Promise<Reconnection> {
  const { processes } = bench;
  const lasting = await bench.serversUp();
  const clients = await join(bench, count);
  const cpuBefore = processes.cpuMs();
  const before = await bench.serversUp();
  const back = await comeBack(bench, before, limitSeconds, async () => {
    await processes.stop('tunnel');
    bench.startProxy('tunnel');
  });
  const cpuAfter = processes.cpuMs();
  const spent = (programs: string[]) => programs.reduce((sum, each) => sum + (cpuAfter.get(each) ?? 0) - (cpuBefore.get(each) ?? 0), 0);
  const { 'frpc ×3': _, ...gateway } = partsOfGateway;
  const parts = Object.entries({ ...gateway, 'the sidecars': clients });
  const cpu = Object.fromEntries(parts.map(([part, programs]) => [part, spent(programs) / Math.max(1, back.at(-1)!.sidecars)]));
  const isBack = back.at(-1)!.sidecars === before.size;
  const users = isBack ? await usersMeanwhile(bench, generator, { clients, lasting }, limitSeconds) : undefined;
  return { sidecars: before.size, services: Math.ceil(count / perService) + 1, back, users, cpu };
}

/** @param lose what takes their tunnels away from `before` */
async function comeBack(
  bench: Installation,
  before: ReadonlyMap<string, string>,
  limitSeconds: number,
  lose: () => Promise<void>,
): Promise<Reconnection['back']> {
  const start = performance.now();
  const back: Reconnection['back'] = [];
  await lose();
  do {
    await sleep(pollMs);
    // A port rests for a minute, so whoever has another one than before has registered anew.
    const now = [...(await bench.serversUp())].filter(([name, port]) => before.has(name) && before.get(name) !== port);
    back.push({ seconds: (performance.now() - start) / 1000, sidecars: now.length });
  } while (back.at(-1)!.sidecars < before.size && back.at(-1)!.seconds < limitSeconds);
  return back;
}

/** @param clients programs of the sidecars that come anew @param lasting servers of other sidecars */
async function usersMeanwhile(
  bench: Installation,
  generator: string,
  { clients, lasting }: { clients: readonly string[]; lasting: ReadonlyMap<string, string> },
  limitSeconds: number,
): Promise<Reconnection['users']> {
  const { processes, programs } = bench;
  const others = new Map([...(await bench.serversUp())].filter(([name]) => !lasting.has(name)));
  const before = await p99Of(bench, generator, 3);
  const coming = comeBack(bench, others, limitSeconds, async () => {
    await Promise.all(clients.map((name) => processes.stop(name)));
    for (const name of clients) processes.start(name, programs.frpc, [`--config_dir=${directoryOf(bench, name)}/clients`]);
  });
  // As long as the whole of it may take; the load ends when they are back.
  const meanwhile = await p99Of(bench, generator, limitSeconds, coming);
  return (await coming).at(-1)!.sidecars === others.size ? { before, meanwhile } : undefined;
}

/** Of a fixed rate, for so many seconds or until something has happened. */
async function p99Of(bench: Installation, generator: string, seconds: number, until?: Promise<unknown>): Promise<number> {
  const { url, host } = ways.gateway;
  const args = ['-plain', '-url', url, '-host', host, '-expect', bench.file('body'), '-c', '25', '-rate', `${usersRate}`];
  const child = spawn(generator, [...args, '-d', `${seconds}s`], { stdio: ['ignore', 'pipe', 'inherit'] });
  void until?.then(() => child.kill('SIGINT'));
  const answer = JSON.parse(await text(child.stdout)) as Load;
  if (answer.errors > 0) throw new Error(`${url}: ${answer.errors} wrong answers: ${JSON.stringify(answer.error_kinds)}`);
  return answer.p99_ms;
}

const directoryOf = (bench: Installation, name: string) => bench.file(name.replace(' ', '-'));

/** @returns the names of their processes, once HAProxy sends requests to every one */
async function join(bench: Installation, count: number): Promise<string[]> {
  const { api, config, identity, processes, programs } = bench;
  const names: string[] = [];
  const already = (await bench.serversUp()).size;
  for (let number = 0; number < count; number += perService) putService(api, serviceOf(number));
  for (let first = 0; first < count; first += perProcess) {
    names.push(`sidecars ${first}`);
    const directory = directoryOf(bench, names.at(-1)!);
    const end = Math.min(count, first + perProcess);
    for (let number = first; number < end; number++) {
      const pod = podOf('app', 1000 + number);
      putPod(api, pod);
      const port = appPorts[number % appPorts.length]!;
      await writeSidecar({ pod, service: serviceOf(number), port, config, identity, directory, logLevel: 'warn' });
    }
    processes.start(names.at(-1)!, programs.frpc, [`--config_dir=${directory}/clients`]);
    const all = async () => (await bench.serversUp()).size === already + end;
    await bench.eventually(`${end} sidecars have joined`, all, joinSeconds, pollMs);
  }
  return names;
}

const serviceOf = (number: number) =>
  service(`app-${Math.floor(number / perService)}`, {
    loadBalancing: { healthCheck: { type: 'http', path: '/', interval: '10s' } },
  });
