/**
 * `npm run bench:links`: clusters that have joined one gateway (`gateway up`), each with many services, and a Pod with a tunnel for
 * each: the real link protocol over real sockets, all clusters from this one process; real HAProxy and agent, and a stand-in for frps
 * (links/frps-stand-in.ts). In namespaces of its own.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Machine } from '../gateway/up-harness.ts';
import { heard } from '../unit/link/ends.ts';
import { joinAs, serviceItem, startCluster, type TestCluster } from '../unit/link/joined.ts';
import { StandInMembers } from './links/stand-in-members.ts';
import { table } from './report.ts';

const help = `usage: npm run bench:links -- [options]

  --clusters N   that have joined (10)
  --services N   of each (500)
  --quiet N      seconds in which nothing happens (60)
  --profile DIR  CPU profiles of the agent go there
  --help

Needs root, and haproxy (2.6 or newer; HAPROXY).
`;
const { values } = parseArgs({
  options: {
    clusters: { type: 'string', default: '10' },
    services: { type: 'string', default: '500' },
    quiet: { type: 'string', default: '60' },
    profile: { type: 'string' },
    inside: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(help);
else if (values.inside) await measure();
else {
  const own = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', 'ip link set lo up; "$@"; exit $?', 'sh'];
  const words = [...own, process.execPath, import.meta.filename, ...process.argv.slice(2), '--inside'];
  const profiling = values.profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${values.profile}` };
  process.exitCode = spawnSync('unshare', words, { stdio: 'inherit', env: { ...process.env, ...profiling } }).status ?? 1;
}

async function measure(): Promise<void> {
  const [clusters, services, quiet] = [values.clusters, values.services, values.quiet].map(Number) as [number, number, number];
  console.log(
    `\n${clusters} clusters with ${services} services each, a Pod for each of them, on ${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]!.toFixed(1)}\n`,
  );
  const machine = new Machine();
  const members = new StandInMembers(machine.root);
  process.env.FRPS = members.program;
  process.env.HAPROXY ??= 'haproxy';
  const memberOf = (cluster: number, at: number) => ({
    service: `s${cluster}-${at}`,
    identity: { cluster: `c${cluster}`, namespace: `n${cluster}`, pod: `p-${at}`, uid: `uid-${cluster}-${at}` },
    port: 20_000 + cluster * services + at,
  });
  const joined: TestCluster[] = [];
  const rows: string[][] = [];
  const answers = new Worker(new URL('./links/answer-times.ts', import.meta.url));
  const longest = async (): Promise<number> => {
    answers.postMessage('');
    return (await once(answers, 'message'))[0] as number;
  };
  const row = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const [before, start] = [cpuSeconds(machine), performance.now()];
    await longest();
    await work();
    const seconds = (performance.now() - start) / 1000;
    const after = cpuSeconds(machine);
    const cpu = (['agent', 'users'] as const).map((part) => `${part} ${(after[part]! - before[part]!).toFixed(2)}`).join(', ');
    const rss = `agent ${rssMb(machine, 'agent')}, users ${rssMb(machine, 'users')}`;
    const line = [what, seconds.toFixed(1), cpu, rss, (await longest()).toFixed(0)];
    console.log(line.join(' | '));
    rows.push(line);
  };
  const answersWith = (status: number, host: string) => until(async () => (await machine.get('/', { host })).status === status);
  const last = (cluster: number) => `s${cluster}-${services - 1}.example.com`;
  try {
    await machine.started();
    for (let i = 0; i < clusters; i++) {
      const token = await machine.command('gateway', 'token', 'create', '--dir', machine.directory, '--cluster', `c${i}`);
      joined.push(startCluster(await joinAs(token.trim())));
    }
    await row('all services, from the first word until the last is served', async () => {
      for (const [i, { end }] of joined.entries())
        for (let at = 0; at < services; at++) {
          end.outbox.set(podItem(i, at));
          end.outbox.set(serviceItem(`s${i}-${at}`, { namespace: `n${i}` }));
        }
      for (const i of joined.keys()) await answersWith(503, last(i));
    });
    await row('all tunnels, until the last answers', async () => {
      for (const i of joined.keys()) for (let at = 0; at < services; at++) members.add(memberOf(i, at));
      await members.tell();
      for (const i of joined.keys()) await answersWith(200, last(i));
    });
    await sleep(10_000);
    await row(`${quiet} quiet seconds`, () => sleep(quiet * 1000));
    await row('ten tunnels go and come, each until that is served', async () => {
      for (let round = 0; round < 10; round++) {
        members.remove(memberOf(0, 0));
        await members.tell();
        await answersWith(503, 's0-0.example.com');
        members.add(memberOf(0, 0));
        await members.tell();
        await answersWith(200, 's0-0.example.com');
      }
    });
    await row('a service, until it is served', async () => {
      joined[0]!.end.outbox.set(serviceItem('fresh', { namespace: 'n0' }));
      await answersWith(503, 'fresh.example.com');
    });
    await sleep(20_000);
    const agent = machine.leader('agent');
    await row('a restart of the agent, until all is served and every link is up', async () => {
      process.kill(agent, values.profile === undefined ? 'SIGKILL' : 'SIGTERM');
      await until(async () => machine.processes('agent').some(({ pid, isLeader }) => isLeader && pid !== agent));
      await machine.ready();
      for (const i of joined.keys()) await answersWith(200, last(i));
      await until(() => Promise.resolve(joined.every(({ link, end }) => link.state.isUp && 'gateway gateway' in heard(end))));
    });
    await row("a restart of the users' HAProxy, until all is served", async () => {
      const users = machine.leader('users');
      process.kill(users, 'SIGKILL');
      await until(async () => machine.processes('users').some(({ pid, isLeader }) => isLeader && pid !== users));
      for (const i of joined.keys()) await answersWith(200, last(i));
    });
    console.log(table(['', 'seconds', 'CPU seconds', 'RSS MB', 'longest answer of the agent, ms'], rows));
    const said = machine.log.filter(({ msg }) => /does not answer|is started again|Unable|cannot/.test(msg));
    for (const { part, msg } of said) console.log(`${part ?? ''}: ${msg}`);
    if (values.profile !== undefined) {
      process.kill(machine.leader('agent'), 'SIGTERM');
      await sleep(5000);
    }
  } finally {
    await answers.terminate();
    for (const each of joined) await each.close();
    await machine.close();
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 120_000; !(await isSo()); await sleep(20))
    if (performance.now() > end) throw new Error('it is not so after two minutes');
}

function podItem(cluster: number, at: number) {
  const value = { namespace: `n${cluster}`, name: `p-${at}`, isReady: true, ports: { [`s${cluster}-${at}`]: 80 } };
  return { kind: 'pod', key: `uid-${cluster}-${at}`, value };
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
