/** Facts by name, as both views begin with them. */
import { html, type Content, type Html } from './html.ts';

/** What is within `<dl class="facts">`. */
export const factsWithin = (facts: readonly (readonly [name: string, fact: Content])[]): Html => html`
  ${facts.map(
    ([name, fact]) =>
      html`<div>
        <dt>${name}</dt>
        <dd>${fact}</dd>
      </div>`,
  )}
`;
