/** Inputs from inputs: bytes and lines changed, moved, repeated; JSON changed as a value. */
import type { Random } from './random.ts';

export interface Materials {
  /** all inputs that parts may be taken from */
  pool: readonly Buffer[];
  words: readonly string[];
  isJson: boolean;
}

/** No mutation makes an input longer than that. Bytes. */
export const longest = 256 * 1024;

/** Another input, from one of the pool. */
export function mutated({ pool, words, isJson }: Materials, random: Random): Buffer {
  let input = random.pick(pool);
  const materials = { pool, words };
  for (let left = 1 + random.int(4); left > 0; left--) {
    const value = isJson && !random.once(4) ? parsed(input) : undefined;
    input = value === undefined ? bytesOf(input, materials, random) : Buffer.from(JSON.stringify(valueOf(value, materials, random)) ?? '');
    if (input.length > longest) input = input.subarray(0, longest);
  }
  return input;
}

type Given = Pick<Materials, 'pool' | 'words'>;

function bytesOf(input: Buffer, { pool, words }: Given, random: Random): Buffer {
  const at = random.int(input.length + 1);
  const until = Math.min(input.length, at + random.int(random.once(4) ? 4096 : 16));
  const between = (part: Buffer | string) => Buffer.concat([input.subarray(0, at), Buffer.from(part as string), input.subarray(until)]);
  switch (random.int(12)) {
    case 0:
      return between('');
    case 1:
      return between(Buffer.from([random.int(256)]));
    case 2:
      return between(random.pick(words));
    case 3:
      return between(Buffer.concat(Array<Buffer>(1 + random.int(random.once(8) ? 2000 : 8)).fill(input.subarray(at, until))));
    case 4: {
      const other = random.pick(pool);
      const from = random.int(other.length + 1);
      return between(other.subarray(from, from + random.int(512)));
    }
    case 5: {
      const copy = Buffer.from(input);
      if (copy.length > 0) copy[random.int(copy.length)]! ^= 1 << random.int(8);
      return copy;
    }
    case 6:
      return input.subarray(0, at);
    case 7:
      return linesOf(input, random);
    case 8:
    case 9:
    case 10:
      return valuesOf(input, { pool, words }, random);
    default:
      return between(random.pick(odd).repeat(1 + random.int(random.once(8) ? 5000 : 4)));
  }
}

const odd = [
  '\0',
  '\n',
  '\r\n',
  '\t',
  '"',
  "'",
  '\\',
  '{{',
  '}}',
  '[',
  '{',
  ' ',
  '%',
  '$',
  '#',
  '\u2028',
  'é',
  '\ud83d\ude00',
  '-',
  '/',
  '..',
];

function linesOf(input: Buffer, random: Random): Buffer {
  const lines = input.toString('latin1').split('\n');
  const [one, other] = [random.int(lines.length), random.int(lines.length)];
  const line = lines[one]!;
  if (random.once(2)) lines.splice(one, 1);
  lines.splice(other, 0, ...Array<string>(1 + random.int(3)).fill(line));
  return Buffer.from(lines.join('\n'), 'latin1');
}

/** What is behind a key, in a line of its own as in TOML, INI and YAML, or a text in quotation marks. */
function valuesOf(input: Buffer, { pool, words }: Given, random: Random): Buffer {
  const text = input.toString('latin1');
  const places = [...text.matchAll(/(?<=^[ \t]{0,20}[\w.-]{1,80}[ \t]{0,3}[=:])[^\n]*$|"[^"\n]*"/gm)];
  if (places.length === 0) return input;
  const place = random.pick(places);
  const other = random.pick(pool).toString('latin1');
  const others = random.once(3) ? [...other.slice(0, 20_000).matchAll(/(?<=[=:])[^\n]*$|"[^"\n]*"/gm)].map(([found]) => found) : [];
  const fresh = `${random.pick(words)}${random.pick(odd)}${random.once(2) ? random.pick(words) : ''}`;
  const next = others.length > 0 ? random.pick(others) : random.once(3) ? String(random.int(100_000)) : JSON.stringify(fresh);
  return Buffer.from(text.slice(0, place.index) + next + text.slice(place.index + place[0].length), 'latin1');
}

/** undefined: no JSON, or so deep that a walk through it would be what fails */
export function parsed(input: Buffer): unknown {
  if (input.length > longest) return undefined;
  try {
    const value: unknown = JSON.parse(input.toString('utf8'));
    return isDeeper(value, 200) ? undefined : value;
  } catch {
    return undefined;
  }
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' && value !== null && (levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1)));

/** The value with one place changed. Changes it. */
function valueOf(value: unknown, given: Given, random: Random): unknown {
  const places: { holder: Record<string, unknown>; key: string }[] = [];
  const collect = (holder: unknown) => {
    if (typeof holder !== 'object' || holder === null) return;
    for (const [key, each] of Object.entries(holder)) {
      places.push({ holder: holder as Record<string, unknown>, key });
      collect(each);
    }
  };
  collect(value);
  if (places.length === 0) return replacement(value, given, random);
  const { holder, key } = random.pick(places);
  switch (random.int(6)) {
    case 0:
      delete holder[key];
      break;
    case 1:
      define(holder, random.once(2) ? random.pick(given.words) : random.pick(places).key, holder[key]);
      break;
    case 2: {
      const { holder: from, key: other } = random.pick(places);
      define(holder, key, structuredClone(from[other]));
      break;
    }
    case 3:
      if (Array.isArray(holder)) holder.push(...Array<unknown>(1 + random.int(random.once(6) ? 300 : 3)).fill(holder[Number(key)]));
      else define(holder, key, Array<unknown>(random.int(4)).fill(holder[key]));
      break;
    default:
      define(holder, key, replacement(holder[key], given, random));
  }
  return value;
}

/** A key of its own, whatever its name. */
const define = (holder: object, key: string, value: unknown): void =>
  void Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });

function replacement(before: unknown, { pool, words }: Given, random: Random): unknown {
  switch (random.int(7)) {
    case 0:
      return random.pick([null, true, false, '', [], {}, 0, -1, 1.5, 65_536, 2 ** 31, 2 ** 53, 1e308, '__proto__']);
    case 1:
      return random.pick(words);
    case 2:
      return typeof before === 'string'
        ? before.slice(0, random.int(before.length + 1)) + random.pick(odd) + random.pick(words)
        : String(before);
    case 3:
      return random.pick(odd).repeat(random.int(random.once(5) ? 3000 : 80));
    case 4:
      return typeof before === 'number' ? before + random.pick([1, -1, 0.5, 1e9]) : [before];
    case 5: {
      const other = parsed(random.pick(pool));
      return typeof other === 'object' && other !== null ? random.pick([other, ...Object.values(other)]) : other;
    }
    default: {
      let nested: unknown = before;
      for (let level = random.int(random.once(6) ? 100 : 5); level > 0; level--) nested = random.once(2) ? [nested] : { a: nested };
      return nested;
    }
  }
}
