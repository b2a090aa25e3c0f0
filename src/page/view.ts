/** A view: what is sent first, and what may change afterwards. */
import type { Fragment } from './fragment.ts';
import type { Html } from './html.ts';

export interface View {
  /** of the document */
  title: string;
  /** what does not change while one looks; the fragments are where it says */
  body: (fragments: ReadonlyMap<string, Html>) => Html;
  fragments: readonly Fragment[];
  /** state of each service that is told when it changes, by name; empty: nothing is told */
  states: ReadonlyMap<string, string>;
}

const mostTold = 3;

/** What a screen reader says of a change; undefined where no state has changed. */
export function announcement(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string | undefined {
  const changed = [...after].filter(([name, state]) => before.has(name) && before.get(name) !== state);
  if (changed.length === 0) return undefined;
  const told = changed.slice(0, mostTold).map(([name, state]) => `${name} is ${state}`);
  return `${told.join(', ')}${changed.length > mostTold ? ` and ${changed.length - mostTold} more have changed` : ''}`;
}
