/**
 * `npm run bench:gateway`: the same apps through the gateway, through a plain frp server with a group, and through an
 * HAProxy alone, in the same run, as ratios. All of it runs in network and process namespaces of its own: the ports are
 * those of the manifests, and nothing is left behind.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { FleetSize } from './gateway/fleet.ts';
import type { BenchOptions } from './gateway/inside.ts';
import { labFolder, namespaces, onPath } from './namespaces.ts';
import { buildChisel, buildGenerator } from './servers.ts';

const help = `usage: npm run bench:gateway -- [options]

  --rounds N       rounds of each load, alternating between the three ways (3)
  --seconds N      measured time of a round (2)
  --sidecars N     how many lose their tunnels at once; 0: leave it out (500). 5000 on two cores takes minutes
  --edits MINUTES  instead: 200 edits of services a minute, with a connection of a user held in every HAProxy that they start
  --idle N         instead: as many connections of users as HAProxy takes, of N that are tried and that stay idle
  --fleet S,M      instead: S services with M members each: the agent's memory, and its CPU at rest and for a member's change
  --shared-port    instead: users' https by a port of its own, and by the one that tunnels share with users
  --short          only beside a plain frp server, by two loads
  --peers          beside chisel too, another tunnel, which is built from its Go module outside the tree
  --record FILE    write the measurements to it
  --no-build       measure dist/frp-k8s.js as it is
  --help

A short look: npm run bench:gateway -- --rounds 1 --seconds 1 --sidecars 100
Needs root or user namespaces, Go, haproxy (2.6 or newer), and frps and frpc (the lab's, or FRPS and FRPC).
`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    sidecars: { type: 'string', default: '500' },
    edits: { type: 'string', default: '0' },
    idle: { type: 'string', default: '0' },
    fleet: { type: 'string' },
    'shared-port': { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    record: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const root = path.join(import.meta.dirname, '..', '..');

if (options.help) process.stdout.write(help);
else process.exitCode = bench();

/** @returns the exit code */
function bench(): number {
  const lab = labFolder('frp');
  const programs = {
    haproxy: process.env.HAPROXY ?? onPath('haproxy'),
    frps: process.env.FRPS ?? path.join(lab, 'frps'),
    frpc: process.env.FRPC ?? path.join(lab, 'frpc'),
  };
  const unshare = [...namespaces(), process.execPath];
  const problems = [
    ...(existsSync(programs.haproxy) ? [] : ['haproxy is not on the PATH (apt-get install haproxy)']),
    ...(existsSync(programs.frps) && existsSync(programs.frpc)
      ? []
      : ['frps and frpc are not built (test/cluster/lab build, or FRPS and FRPC)']),
    ...(spawnSync('ip', ['-V']).status === 0 ? [] : ['ip is not on the PATH (apt-get install iproute2)']),
    ...(spawnSync('unshare', [...unshare, '-e', '0']).status === 0 ? [] : ['no network namespace can be made (run it as root)']),
  ];
  if (problems.length > 0) {
    console.log(`The gateway is not measured: ${problems.join('; ')}.`);
    return 1;
  }
  if (!options['no-build']) execFileSync(process.execPath, [path.join(root, 'scripts', 'build.ts')], { cwd: root, stdio: 'inherit' });
  const inside: BenchOptions = {
    rounds: Number(options.rounds),
    seconds: Number(options.seconds),
    sidecars: Number(options.sidecars),
    edits: Number(options.edits),
    idle: Number(options.idle),
    sharedPort: options['shared-port'],
    fleet: options.fleet === undefined ? undefined : fleetOf(options.fleet),
    isShort: options.short,
    chisel: options.peers ? buildChisel() : undefined,
    record: options.record,
    generator: buildGenerator(),
    programs,
  };
  const args = [...unshare, path.join(import.meta.dirname, 'gateway', 'inside.ts'), JSON.stringify(inside)];
  const fleet = inside.fleet ? 300_000 + 100 * inside.fleet.services : 0;
  const timeout = 200_000 + 130 * inside.sidecars + 60_000 * inside.edits + 10 * inside.idle + fleet;
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', timeout, killSignal: 'SIGKILL' });
  if (status === null) console.log(`The gateway: not done in ${timeout / 1000} s; try fewer sidecars, or an idle machine.`);
  return status ?? 1;
}

function fleetOf(text: string): FleetSize {
  const [services, members] = text.split(',').map(Number);
  if (!(services! > 0) || !(members! > 0))
    throw new Error(`--fleet ${text}: must be two numbers, of services and of members of each, such as 1000,5`);
  return { services: services!, members: members! };
}
