/**
 * Fuzzes what reads bytes from outside: npm run fuzz -- [--minutes N] [--seconds N] [--seed N] [--target NAME] [--haproxy]
 *
 * The time is for all targets together (default: 24 seconds). What is found goes to artifacts/fuzz, and runs again by
 * --replay FILE. What was mended belongs in test/fuzz/found, which every run begins with. --haproxy has a real
 * HAProxy check each configuration that is rendered.
 */
import { createHash, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzz, type Outcome } from './fuzz.ts';

const targets = ['admission', 'migrate', 'rendering', 'link'] as const;
type Name = (typeof targets)[number];
const isName = (text: string): text is Name => (targets as readonly string[]).includes(text);
const moduleOf = (name: Name): string => new URL(`./targets/${name}.ts`, import.meta.url).href;
const found = join(import.meta.dirname, 'found');
const artifacts = 'artifacts/fuzz';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    target: { type: 'string', multiple: true },
    replay: { type: 'string' },
    haproxy: { type: 'boolean' },
  },
});
if (values.haproxy) process.env.FUZZ_HAPROXY = process.env.HAPROXY ?? 'haproxy';

const named = (name: string): Name => {
  if (isName(name)) return name;
  throw new Error(`there is no target ${name}; there are ${targets.join(', ')}`);
};

function save(name: Name, { broken, input }: Extract<Outcome, { broken: string }>, seed: number): string {
  mkdirSync(artifacts, { recursive: true });
  const file = join(artifacts, `${name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  writeFileSync(file, input);
  writeFileSync(`${file}.txt`, `seed ${seed}\n${broken}\n`);
  return file;
}

/** @returns whether all holds */
async function one(name: Name, seed: number, wanted: { forMs: number; given: Buffer[]; hasCorpus: boolean }): Promise<boolean> {
  const outcome = await fuzz({ module: moduleOf(name), seed, ...wanted });
  if ('broken' in outcome) {
    console.error(`${name}: ${outcome.broken}\n  node test/fuzz/run.ts --replay ${save(name, outcome, seed)}`);
    return false;
  }
  console.log(`${name}: ${outcome.inputs} inputs, ${outcome.ways} ways`);
  return true;
}

if (values.replay !== undefined) {
  const name = named(values.target?.[0] ?? basename(values.replay).replace(/-.*$/, ''));
  const isFine = await one(name, 0, { forMs: 0, given: [readFileSync(values.replay)], hasCorpus: false });
  process.exitCode = isFine ? 0 : 1;
} else {
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  const names = values.target?.map(named) ?? targets;
  const forMs = (Number(values.minutes ?? 0) * 60_000 + Number(values.seconds ?? 0) * 1000 || 24_000) / names.length;
  console.log(`seed ${seed}, ${Math.round(forMs / 1000)} s for each of ${names.join(', ')}`);
  for (const name of names) {
    const given = existsSync(found)
      ? readdirSync(found)
          .filter((file) => file.startsWith(`${name}-`))
          .map((file) => readFileSync(join(found, file)))
      : [];
    if (!(await one(name, seed, { forMs, given, hasCorpus: true }))) process.exitCode = 1;
  }
}
