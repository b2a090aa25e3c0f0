/** Instructions of a command: what other work on the machine does not change. By perf, by valgrind, or not at all. */
import { spawnSync } from 'node:child_process';

export interface InstructionCounter {
  /** the program that counts */
  name: string;
  /** @param command program and arguments @returns user instructions of its process and threads; @throws where the command fails */
  count(command: readonly string[]): number;
}

const enough = { encoding: 'utf8', maxBuffer: 2 ** 28 } as const;

/** @returns undefined where neither works */
export function instructionCounter(): InstructionCounter | undefined {
  return [byPerf, byValgrind].find((counter) => {
    try {
      return counter.count(['true']) > 0;
    } catch {
      return false;
    }
  });
}

const byPerf: InstructionCounter = {
  name: 'perf',
  count: (command) => counted(['perf', 'stat', '-x', ',', '-e', 'instructions:u', ...command], /^(\d+),[^,]*,instructions/m),
};

/** Its one thread at a time and its translated code are not the processor's, but they are the same each time. */
const byValgrind: InstructionCounter = {
  name: 'valgrind',
  count: (command) =>
    counted(
      ['valgrind', '--tool=cachegrind', '--cache-sim=no', '--cachegrind-out-file=/dev/null', '--smc-check=all-non-file', ...command],
      /I\s+refs:\s+([\d,]+)/,
    ),
};

function counted([program, ...args]: readonly string[], answer: RegExp): number {
  const { status, stderr } = spawnSync(program!, args, enough);
  const [, digits] = answer.exec(stderr ?? '') ?? [];
  if (status !== 0 || digits === undefined) throw new Error(`${program} ${args.join(' ')}: no count: ${String(stderr).slice(-300)}`);
  return Number(digits.replaceAll(',', ''));
}
