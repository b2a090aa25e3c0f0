/**
 * `npm run bench:links`: clusters that have joined one gateway (`gateway up`), each with many services and Pods: the real link
 * protocol over real sockets, all clusters from this one process. The Pods have no tunnels. In namespaces of its own.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Machine } from '../gateway/up-harness.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { table } from './report.ts';

const help = `usage: npm run bench:links -- [options]

  --clusters N   that have joined (10)
  --services N   of each (500)
  --pods N       of each (500)
  --quiet N      seconds in which nothing happens (60)
  --help

Needs root, haproxy (2.6 or newer), and frps (FRPS and HAPROXY; test/gateway/run finds the same).
`;
const { values } = parseArgs({
  options: {
    clusters: { type: 'string', default: '10' },
    services: { type: 'string', default: '500' },
    pods: { type: 'string', default: '500' },
    quiet: { type: 'string', default: '60' },
    inside: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(help);
else if (values.inside) await measure();
else {
  const own = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', 'ip link set lo up; "$@"; exit $?', 'sh'];
  const words = [...own, process.execPath, import.meta.filename, ...process.argv.slice(2), '--inside'];
  process.exitCode = spawnSync('unshare', words, { stdio: 'inherit' }).status ?? 1;
}

async function measure(): Promise<void> {
  const [clusters, services, pods, quiet] = [values.clusters, values.services, values.pods, values.quiet].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  console.log(
    `\n${clusters} clusters with ${services} services and ${pods} Pods each, on ${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]!.toFixed(1)}\n`,
  );
  const machine = new Machine();
  const joined: TestCluster[] = [];
  const rows: string[][] = [];
  const row = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const [before, start] = [cpuSeconds(machine), performance.now()];
    await work();
    const seconds = (performance.now() - start) / 1000;
    const cpu = Object.entries(cpuSeconds(machine)).map(([part, used]) => `${part} ${Math.max(0, used - (before[part] ?? 0)).toFixed(1)}`);
    const line = [what, seconds.toFixed(1), cpu.join(', '), `agent ${rssMb(machine, 'agent')}, users ${rssMb(machine, 'users')}`];
    console.log(line.join(' | '));
    rows.push(line);
  };
  const isServed = async (host: string) => (await machine.get('/', { host })).status === 503;
  const until = async (isSo: () => Promise<boolean>) => {
    while (!(await isSo())) await sleep(50);
  };
  try {
    await machine.started();
    for (let i = 0; i < clusters; i++) {
      const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', `c${i}`);
      joined.push(startCluster(await joinAs(token.trim())));
    }
    await row('all services, from the first word until the last is served', async () => {
      for (const [i, { end }] of joined.entries()) {
        for (let at = 0; at < pods; at++)
          end.outbox.set({
            kind: 'pod',
            key: `uid-${i}-${at}`,
            value: { namespace: `n${i}`, name: `p-${at}`, isReady: true, ports: { [`s${i}-${at}`]: 80 } },
          });
        for (let at = 0; at < services; at++) end.outbox.set(serviceItem(`s${i}-${at}`, { namespace: `n${i}` }));
      }
      for (const i of joined.keys()) await until(() => isServed(`s${i}-${services - 1}.example.com`));
    });
    await row(`${quiet} quiet seconds`, () => sleep(quiet * 1000));
    await row('a change, until it is served', async () => {
      joined[0]!.end.outbox.set(serviceItem('fresh', { namespace: 'n0' }));
      await until(() => isServed('fresh.example.com'));
    });
    const agent = machine.leader('agent');
    await row('a restart of the agent, until all is served and every link is up', async () => {
      process.kill(agent, 'SIGKILL');
      await until(async () => machine.processes('agent').some(({ pid, isLeader }) => isLeader && pid !== agent));
      await machine.ready();
      for (const i of joined.keys()) await until(() => isServed(`s${i}-${services - 1}.example.com`));
      await until(() => Promise.resolve(joined.every(({ link, end }) => link.state.isUp && 'gateway gateway' in heard(end))));
    });
    console.log(table(['', 'seconds', 'CPU seconds', 'RSS MB'], rows));
  } finally {
    for (const each of joined) await each.close();
    await machine.close();
  }
}

/** By part, of the processes that run. */
function cpuSeconds(machine: Machine): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { pid, part } of machine.processes()) {
    const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
    sums[part] = (sums[part] ?? 0) + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
  }
  return sums;
}

function rssMb(machine: Machine, part: 'agent' | 'users'): string {
  const kilobytes = machine.processes(part).map(({ pid }) => Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0));
  return (kilobytes.reduce((sum, each) => sum + each, 0) / 1024).toFixed(0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
