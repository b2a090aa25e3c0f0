/**
 * Services that are edited all the time, with a connection of a user held in every HAProxy that this starts: how many
 * processes there are, and the memory and open files of each part. Tenants are ten, so that what bounds them is not a
 * namespace's share of reloads alone.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify } from '../../../src/gateway/haproxy/runtime/running.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { putPod, putService } from '../../gateway/installation.ts';
import { service } from '../../support/services.ts';
import { table } from '../report.ts';
import { ports, type Installation } from './installation.ts';
import { podOf, writeSidecar } from './sidecars.ts';

const perMinute = 200;
const tenants = 10;
const sampleMs = 5000;
const echoPort = 6004;
const usersPort = 9000;
const parts = ['users', 'tunnel', 'frps', 'agent'] as const;
const titles = { users: "users' HAProxy", tunnel: "tunnels' HAProxy", frps: 'frps', agent: 'agent' };

type Sample = Record<(typeof parts)[number], { processes: number; mb: number; files: number }>;

/** @returns what it found, as text */
export async function edits(bench: Installation, minutes: number): Promise<string> {
  await startEcho();
  await bench.startGateway();
  for (let tenant = 0; tenant < tenants; tenant++) putService(bench.api, edited(tenant, 0));
  await publishEcho(bench);
  const users = new HeldUsers(path.join(bench.file('users'), 'worker.sock'));
  await users.open();

  const first = sample(bench);
  const samples: Sample[][] = Array.from({ length: Math.ceil(minutes) }, () => []);
  const begin = performance.now();
  let sampled = begin;
  const count = Math.round(minutes * perMinute);
  for (let edit = 1; edit <= count; edit++) {
    putService(bench.api, edited(edit % tenants, edit));
    await sleep(Math.max(0, begin + (edit * 60_000) / perMinute - performance.now()));
    await users.open();
    if (performance.now() - sampled < sampleMs && edit < count) continue;
    sampled = performance.now();
    samples[Math.floor(((edit - 1) * samples.length) / count)]!.push(sample(bench));
  }
  const seconds = (performance.now() - begin) / 1000;
  const said = `${count} edits in ${seconds.toFixed(0)} s, ${await reloads()} reloads; of ${users.opened} connections, one in each process, ${users.held} are held yet, and ${users.failed} did not come about\n`;
  return `${said}\n${tableOf(first, samples)}`;
}

/** The edits of a service are in turns of a time limit, which needs a reload, and of its host, which does not. */
function edited(tenant: number, edit: number): DistributedService {
  const name = `web-${tenant}`;
  const round = Math.floor(edit / tenants);
  return service(
    name,
    {
      expose: { type: 'domain', domain: `${name}-${Math.floor(round / 2)}.example.com` },
      advanced: { timeout: { keepAlive: `${30 + Math.ceil(round / 2)}s` } },
    },
    `tenant-${tenant}`,
  );
}

async function startEcho(): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(echoPort, '127.0.0.1');
  await once(server, 'listening');
}

/** A service of another tenant, at a port, which answers what it is sent. */
async function publishEcho(bench: Installation): Promise<void> {
  const served = service('echo', { serviceType: 'tcp', expose: { type: 'port', port: usersPort } });
  const pod = podOf('echo', 1);
  putService(bench.api, served);
  putPod(bench.api, pod);
  const { config, identity, directory } = bench;
  const file = await writeSidecar({ pod, service: served, port: echoPort, config, identity, directory });
  bench.processes.start('echo frpc', bench.programs.frpc, ['-c', file]);
  await bench.eventually('the echo is published', async () => (await bench.serversUp()).size === 1);
}

/** One connection to each process that HAProxy has had. */
class HeldUsers {
  readonly #worker: string;
  readonly #sockets = new Set<Socket>();
  #last: string | undefined;
  opened = 0;
  failed = 0;

  constructor(worker: string) {
    this.#worker = worker;
  }

  get held(): number {
    return this.#sockets.size;
  }

  /** Where HAProxy is another process than at the last call. */
  async open(): Promise<void> {
    const pid = await identify(this.#worker).then(
      (who) => who.pid,
      () => this.#last,
    );
    if (pid === this.#last) return;
    this.#last = pid;
    const socket = connect(usersPort, '127.0.0.1').on('error', () => {});
    const isServed = await new Promise<boolean>((settled) => {
      socket.once('data', () => settled(true)).once('close', () => settled(false));
      socket.write('hello');
    });
    if (!isServed) return void this.failed++;
    this.opened++;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function sample({ processes }: Installation): Sample {
  const [count, mb, files] = [processes.count(), processes.residentMb(), processes.openFiles()];
  const of = (part: string) => ({ processes: count.get(part) ?? 0, mb: mb.get(part) ?? 0, files: files.get(part) ?? 0 });
  return { users: of('users'), tunnel: of('tunnel'), frps: of('frps'), agent: of('agent') };
}

function tableOf(first: Sample, minutes: readonly Sample[][]): string {
  const last = minutes.at(-1)!.at(-1)!;
  const units = { processes: 'processes', mb: 'RSS MB', files: 'open files' };
  const rows = parts.flatMap((part) =>
    (['processes', 'mb', 'files'] as const).map((unit, line) => {
      const of = (each: Sample) => each[part][unit];
      const most = minutes.map((each) => Math.max(...each.map(of)));
      return [line === 0 ? titles[part] : '', units[unit], ...[of(first), ...most, of(last)].map((value) => value.toFixed(0))];
    }),
  );
  return table(['', '', 'start', ...minutes.map((_, index) => `max, minute ${index + 1}`), 'end'], rows);
}

async function reloads(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${ports.agent}/metrics`)).text();
  return [...text.matchAll(/^frp_gateway_reloads_total(?:\{.*\})? ([0-9.e+]+)$/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
}
