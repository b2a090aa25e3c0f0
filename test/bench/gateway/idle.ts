/**
 * Idle users, more than HAProxy takes: what it holds of them, the memory that this costs beside its limit, and whether the
 * kubelet is answered. Then it is reloaded, again and again, and each process fills up anew beside those that it replaces.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../../src/gateway/haproxy/runtime/cli.ts';
import { putPod, putService } from '../../gateway/installation.ts';
import { service } from '../../support/services.ts';
import { table } from '../report.ts';
import { ports, type Installation } from './installation.ts';
import { podOf, writeSidecar } from './sidecars.ts';

/** The open files of this machine may not allow what 1 GiB does. */
const memory = 512 * 2 ** 20;
const seconds = 20;
const generations = 6;
const perProcess = 5000;
const appPort = 6005;
const healthPort = 10_002;
const host = 'idle.example.com';

/** @param count of users @returns what it found, as text */
export async function idle(bench: Installation, count: number): Promise<string> {
  const app = createServer((request, response) => void (request.url === '/' && response.end('app'))).listen(appPort, '127.0.0.1');
  await once(app, 'listening');
  await bench.startGateway(memory);
  await publish(bench, 0);
  const rows = [row(bench, 'before', 0, '')];
  const client = path.join(import.meta.dirname, 'idle-users.ts');
  for (let first = 0; first < count; first += perProcess) {
    const address = `127.0.0.${2 + first / perProcess}`;
    const some = String(Math.min(perProcess, count - first));
    bench.processes.start(`users ${first}`, process.execPath, [client, some, address, host, String(ports.http), '8443']);
  }
  for (let generation = 0; generation <= generations; generation++) {
    if (generation > 0) await publish(bench, generation);
    rows.push(await watch(bench, generation === 0 ? 'filled' : `reload ${generation}`));
  }
  const title = `${count} users try; the memory limit is ${memory / 2 ** 20} MB\n`;
  return `${title}\n${table(['', 'processes', 'users of the newest', 'RSS MB, max', 'open files', 'answers to the kubelet'], rows)}`;
}

async function watch(bench: Installation, name: string): Promise<string[]> {
  let [most, held, answered] = [0, 0, 0];
  for (let second = 0; second < seconds; second++) {
    await sleep(1000);
    most = Math.max(most, bench.processes.residentMb().get('users') ?? 0);
    held = Math.max(held, await usersOf(bench));
    answered += await fetch(`http://127.0.0.1:${healthPort}/`, { signal: AbortSignal.timeout(2000) }).then(
      ({ ok }) => Number(ok),
      () => 0,
    );
  }
  return row(bench, name, held, `${answered} of ${seconds}`, most);
}

function row({ processes }: Installation, name: string, held: number, answered: string, most = processes.residentMb().get('users') ?? 0) {
  const of = (sums: Map<string, number>) => String(sums.get('users') ?? 0);
  return [name, of(processes.count()), String(held), most.toFixed(0), of(processes.openFiles()), answered];
}

/** Connections at both ports for users of the newest process (management manual, 9.1). */
async function usersOf(bench: Installation): Promise<number> {
  const text = await runCommand(path.join(bench.file('users'), 'worker.sock'), 'show stat').catch(() => '');
  const rows = text.split('\n').map((line) => line.split(','));
  const of = (name: string) => rows.find(([section, kind]) => section === name && kind === 'FRONTEND')?.[4];
  return Number(of('frp-http') ?? 0) + Number(of('frp-https') ?? 0);
}

/** @param generation another one needs a reload */
async function publish(bench: Installation, generation: number): Promise<void> {
  const served = service('idle', {
    expose: { type: 'domain', domain: host, tls: { secretName: 'idle' } },
    advanced: { timeout: { keepAlive: `${3600 + generation}s` } },
  });
  putService(bench.api, served);
  if (generation > 0) return;
  const { config, identity, directory } = bench;
  bench.putCertificate('idle');
  const pod = podOf('idle', 1);
  putPod(bench.api, pod);
  const file = await writeSidecar({ pod, service: served, port: appPort, config, identity, directory });
  bench.processes.start('idle frpc', bench.programs.frpc, ['-c', file]);
  await bench.eventually('the app is published', async () => (await bench.serversUp()).size === 1);
}
