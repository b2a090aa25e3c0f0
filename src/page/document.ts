/** The whole document, and what a browser may do with it. */
import { createHash } from 'node:crypto';
import { script } from './browser.ts';
import { versionOf } from './fragment.ts';
import { Html, html } from './html.ts';
import { style } from './style.ts';
import type { View } from './view.ts';

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing runs, looks or is loaded but what is here: whatever got into the page by somebody else's text can do nothing. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'self'",
    "form-action 'self'",
    'img-src data:',
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** To the letter: their hashes are in the policy. */
const styleElement = new Html(`<style>${style}</style>`);
const scriptElement = new Html(`<script>${script}</script>`);

/** @param stream path and query at which changes of the view are told; absent: nothing changes */
export function documentOf(view: View, stream?: string): Html {
  const { title, fragments, body } = view;
  const content = body(new Map(fragments.map((fragment) => [fragment.id, fragment.html])));
  const following = stream !== undefined && html` data-stream="${stream}" data-version="${versionOf(fragments)}"`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · frp-k8s</title>
        <link rel="icon" href="data:," />
        ${styleElement}
      </head>
      <body${following}>
        <a class="skip" href="#main">Skip to content</a>
        <header>
          <h1>frp-k8s: ${title}</h1>
          <span id="live" role="status" class="quiet"></span>
          <button id="pause" type="button" aria-pressed="false" hidden>Pause updates</button>
        </header>
        <main id="main">${content}</main>
        <p id="said" class="unseen" role="status" aria-live="polite"></p>
        ${scriptElement}
      </body>
    </html>`;
}
