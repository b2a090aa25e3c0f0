/**
 * Long texts made to hurt a regular expression, from its own structure; and as a program of its own, which a test can end:
 * reads expressions from standard input, throws such texts at each, and exits with 1 where one needs more than linear time.
 */
import { readFileSync } from 'node:fs';
import { parseRegExpLiteral, visitRegExpAST, type AST } from '@eslint-community/regexpp';
import { openApiSchema } from '../../src/model/crd.ts';
import type { FoundExpression } from './regular-expressions.ts';

const attackLength = 100_000;
/** CPU time of one text. A linear expression needs a hundredth of it; a quadratic one, at this length, twice as much and more. */
const mostCpuMs = 250;

/** The `pattern`s of the schema: RE2 in the API server, JavaScript in the command line. */
export function schemaPatterns(): FoundExpression[] {
  const found = new Map<string, FoundExpression>();
  const walk = (value: unknown, where: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'pattern' && typeof inner === 'string') found.set(inner, { where, source: inner, flags: 'u' });
      walk(inner, `${where}.${key}`);
    }
  };
  walk(openApiSchema(), 'schema');
  return [...found.values()];
}

/** Texts that repeat what the expression repeats, with an end that makes it fail, and one that does not. */
export function* attacksOn(expression: RegExp): Generator<string> {
  const { pattern } = parseRegExpLiteral(expression);
  const pumps = new Set<string>();
  const prefixes = new Set<string>(['', sample(pattern.alternatives[0]!)]);
  visitRegExpAST(pattern, {
    onCharacterClassEnter: (node) => void pumps.add(sample(node)),
    onCharacterClassRangeEnter: (node) => void pumps.add(String.fromCodePoint(node.min.value)).add(String.fromCodePoint(node.max.value)),
    onCharacterSetEnter: (node) => void pumps.add(sample(node)),
    onCharacterEnter: (node) => void pumps.add(String.fromCodePoint(node.value)),
    onQuantifierEnter: (node) => void pumps.add(sample(node.element)),
    onAlternativeEnter({ elements }) {
      // What stands between two repetitions repeats as well, where the first takes it in. A word is taken in whole: a match
      // that begins or ends inside of it has passed no repetition there, and costs at most the length of the word.
      const cuts = [...Array(elements.length + 1).keys()].filter((at) => !isLetter(elements[at - 1]) || !isLetter(elements[at]));
      for (const [index, from] of cuts.entries()) {
        prefixes.add(elements.slice(0, from).map(sample).join(''));
        for (const to of cuts.slice(index + 1, index + 40)) pumps.add(elements.slice(from, to).map(sample).join(''));
      }
    },
  });
  const heads = [...prefixes].sort((a, b) => a.length - b.length);
  const chosen = new Set([heads[0]!, heads[1] ?? '', heads[Math.floor(heads.length / 2)]!, heads.at(-1)!]);
  for (const pump of pumps) {
    if (pump === '') continue;
    const body = pump.repeat(Math.ceil(attackLength / pump.length));
    for (const prefix of chosen) for (const suffix of ['', '\0', '\n\0']) yield prefix + body + suffix;
  }
}

const isLetter = (element: AST.Element | undefined): boolean => element?.type === 'Character';

/** A short text that the node matches. */
function sample(node: AST.Element | AST.Alternative | AST.CharacterClassElement | AST.QuantifiableElement): string {
  switch (node.type) {
    case 'Alternative':
      return node.elements.map(sample).join('');
    case 'Group':
    case 'CapturingGroup':
      return sample(node.alternatives.find(({ elements }) => elements.length > 0) ?? node.alternatives[0]!);
    case 'Quantifier':
      return sample(node.element).repeat(Math.max(1, Math.min(node.min, 40)));
    case 'Character':
      return String.fromCodePoint(node.value);
    case 'CharacterClass':
      return node.negate ? outside(node) : sample(node.elements[0] as AST.CharacterClassElement);
    case 'CharacterClassRange':
      return String.fromCodePoint(node.min.value);
    case 'CharacterSet':
      return node.kind === 'digit' ? '0' : node.kind === 'space' ? ' ' : node.kind === 'property' ? '\u0001' : 'a';
    case 'Assertion':
    case 'Backreference':
    case 'ClassStringDisjunction':
    case 'ExpressionCharacterClass':
      return '';
  }
}

/** A character that a negated class lets pass. */
function outside(node: AST.CharacterClass): string {
  return ['a', '0', '.', ' ', '!'].find((character) => new RegExp(node.raw, 'u').test(character)) ?? 'Z';
}

if (import.meta.main) {
  for (const { where, source, flags } of JSON.parse(readFileSync(0, 'utf8')) as FoundExpression[]) {
    process.stdout.write(`/${source}/ at ${where}\n`);
    const expression = new RegExp(source, flags);
    for (const text of attacksOn(expression)) {
      const started = process.cpuUsage();
      if (expression.global) text.replace(expression, '');
      else expression.exec(text);
      const { user } = process.cpuUsage(started);
      if (user / 1000 <= mostCpuMs) continue;
      const [head, tail] = [JSON.stringify(text.slice(0, 40)), JSON.stringify(text.slice(-10))];
      process.stdout.write(`  took ${Math.round(user / 1000)} ms for ${text.length} characters such as ${head} … ${tail}\n`);
      process.exit(1);
    }
  }
}
