/** What a command did with each object, for people: on stderr, beside the output. */
import type { Decision } from '../../webhooks/review/types.ts';

type Kind = Decision['outcome'] | 'warning' | 'passed over';

const titles: Record<Kind, string> = {
  warning: 'warning',
  patched: 'injected',
  allowed: 'unchanged',
  skipped: 'skipped',
  denied: 'refused',
  'passed over': 'passed over',
};

export class Report {
  readonly #lines: string[] = [];
  readonly #counts = new Map<Kind, number>();

  add(kind: Kind, text: string): void {
    this.#lines.push(`${titles[kind]}: ${text}`);
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /** @param objects how many there are in all */
  text(objects: number): string {
    const kinds: Kind[] = ['patched', 'allowed', 'skipped', 'passed over'];
    const counts = kinds.map((kind) => [kind, this.#counts.get(kind) ?? 0] as const).filter(([, count]) => count > 0);
    const rest = objects - counts.reduce((sum, [, count]) => sum + count, 0);
    const parts = [...counts.map(([kind, count]) => `${count} ${titles[kind]}`), ...(rest > 0 ? [`${rest} without a Pod`] : [])];
    return [...this.#lines, `${countOf(objects, 'object')}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`]
      .map((line) => `${line}\n`)
      .join('');
  }
}

export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
