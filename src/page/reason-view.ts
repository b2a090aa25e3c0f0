/** What a reason means, from the catalogue: nobody has to leave the page for it. */
import { catalogue } from '../model/reasons/catalogue.ts';
import { html } from './html.ts';
import type { View } from './view.ts';

/** @returns undefined for a word that is none of the catalogue */
export function reasonView(reason: string): View | undefined {
  const found = catalogue.filter((each) => each.reason === reason);
  if (found.length === 0) return undefined;
  return {
    title: reason,
    fragments: [],
    states: new Map(),
    body: () =>
      html`<p><a href="/">← All services</a></p>
        <h2>${reason}</h2>
        ${found.map(
          ({ parts, meaning, cause, remedy }) =>
            html`<section aria-label="${parts.join('; ')}">
              <p class="quiet">${parts.join('; ')}</p>
              <dl class="reason">
                <dt>Meaning</dt>
                <dd>${meaning}</dd>
                <dt>Cause</dt>
                <dd>${cause}</dd>
                <dt>What to do</dt>
                <dd>${remedy}</dd>
              </dl>
            </section>`,
        )}`,
  };
}
