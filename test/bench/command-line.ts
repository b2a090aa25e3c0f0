/** The command line beside a bare node: what a start costs, and `inject` of a thousand Pods. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { writeServices } from './inputs.ts';
import { pod } from './pod.ts';
import type { InstructionCounter } from './record/instructions.ts';
import type { Measurement } from './record/verdicts.ts';
import { median, table } from './report.ts';

export interface CommandLineOptions {
  /** of each command, in turns */
  rounds: number;
  /** runs of `inject`, and Pods of each */
  injections: { runs: number; pods: number };
  /** undefined: only times */
  counter: InstructionCounter | undefined;
  program: string;
  folder: string;
}

/** USER_HZ, which is 100 on every architecture that the program runs on. */
const tickMs = 10;
/** What the aim is about. */
const aimedPods = 1000;

/** Prints what it found. */
export function measureCommandLine(options: CommandLineOptions): Measurement[] {
  return [...measureStarts(options), ...measureInject(options)];
}

function measureStarts({ rounds, counter, program }: CommandLineOptions): Measurement[] {
  const all: Record<string, string[]> = {
    'bare node': ['-e', '0'],
    version: [program, '--version'],
    help: [program, '--help'],
    completion: [program, 'completion', 'bash'],
  };
  const known = Object.entries(all).filter(([, args]) => spawnSync(process.execPath, args).status === 0);
  for (const name of Object.keys(all)) if (!known.some(([each]) => each === name)) console.log(`There is no command for ${name}.`);
  const times = new Map(known.map(([name]) => [name, { wall: [] as number[], cpu: 0 }]));
  for (let round = 0; round < rounds; round++)
    for (const [name, args] of known) {
      const { wall, cpu } = spent([process.execPath, ...args]);
      times.get(name)!.wall.push(wall);
      times.get(name)!.cpu += cpu / rounds;
    }
  const found = known.map(([name, args]) => ({
    name,
    wall: median(times.get(name)!.wall),
    cpu: times.get(name)!.cpu,
    instructions: counter?.count([process.execPath, ...args]),
  }));
  const rows = found.map(({ name, wall, cpu, instructions }) => [name, wall.toFixed(0), cpu.toFixed(0), million(instructions)]);
  console.log(table(['command', 'ms', 'CPU ms', `million instructions${counter ? `, by ${counter.name}` : ''}`], rows));
  const [bare, ...commands] = found;
  return commands.flatMap(({ name, wall, cpu, instructions }): Measurement[] => [
    { id: `command.${name}`, value: wall, floor: bare!.wall },
    { id: `command.${name}.cpu`, value: cpu, floor: bare!.cpu, unit: 'ms' },
    ...(instructions === undefined
      ? []
      : [{ id: `command.${name}.instructions`, value: instructions, floor: bare!.instructions!, unit: 'instructions' }]),
  ]);
}

/** Pods of 2 KB each, from one file of YAML to one of YAML, with the program's start. */
function measureInject({ injections: { runs: count, pods }, counter, program, folder }: CommandLineOptions): Measurement[] {
  const file = path.join(folder, 'pods.yaml');
  const objects = Array.from({ length: pods }, (_, index) => pod('small', index % 8)).map((each, index) => ({
    ...each,
    metadata: { ...each.metadata, name: `pod-${index}` },
  }));
  writeFileSync(file, objects.map((each) => stringify(each)).join('---\n'));
  const command = [process.execPath, program, 'inject', '-f', file, '--services', writeServices(folder, 10)];
  const runs = Array.from({ length: count }, () => spent(command));
  const [wall, cpu] = [median(runs.map((each) => each.wall)), median(runs.map((each) => each.cpu))];
  const instructions = counter?.name === 'perf' ? counter.count(command) : undefined;
  console.log(
    table(
      [`inject of ${pods} Pods`, 's', 'CPU s', 'million instructions'],
      [[`${((pods * 1000) / wall).toFixed(0)} a second`, (wall / 1000).toFixed(2), (cpu / 1000).toFixed(2), million(instructions)]],
    ),
  );
  return [
    { id: pods === aimedPods ? 'command.inject' : `command.inject.${pods}`, value: (pods * 1000) / wall, unit: 'Pods/s' },
    { id: 'command.inject.cpu', value: cpu / pods, unit: 'ms/Pod' },
    ...(instructions === undefined ? [] : [{ id: 'command.inject.instructions', value: instructions, unit: 'instructions' }]),
  ];
}

const million = (instructions: number | undefined) => (instructions === undefined ? 'not counted' : (instructions / 1e6).toFixed(0));

/** Milliseconds of a command, and of CPU of its processes. @throws where it fails */
function spent([command, ...args]: readonly string[]): { wall: number; cpu: number } {
  const [before, start] = [childrenCpuMs(), performance.now()];
  const { status, stderr } = spawnSync(command!, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr.slice(-1000)}`);
  return { wall: performance.now() - start, cpu: childrenCpuMs() - before };
}

/** Of all that have ended: cutime and cstime (proc(5)), counted from the state on. */
function childrenCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * tickMs;
}
