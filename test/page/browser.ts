/** A headless Chromium of the system (Debian: chromium), by playwright-core. */
import axe from 'axe-core';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Of pictures; not kept in the repository. */
const pictures = path.join(import.meta.dirname, '../../artifacts/page');

export function openBrowser(): Promise<Browser> {
  mkdirSync(pictures, { recursive: true });
  // Without its sandbox, which root may not have; it looks at this machine's loopback alone.
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
}

export interface Look {
  scheme: 'light' | 'dark';
  /** pixels */
  width: number;
}

export const looks: readonly Look[] = (['light', 'dark'] as const).flatMap((scheme) => [360, 1280].map((width) => ({ scheme, width })));

/** A page in a context of its own, which tells what went wrong in it. */
export async function openPage(
  browser: Browser,
  { scheme, width }: Look = { scheme: 'light', width: 1280 },
): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 } });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, faults };
}

/** What axe finds against WCAG 2.2 A and AA and its own good practice; a line each. */
export async function axeFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>(
    'axe.run(document, { resultTypes: ["violations"] })',
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.slice(0, 3).map(({ html, failureSummary = '' }) => `${id}: ${html} ${failureSummary}`),
  );
}

export const picture = (page: Page, name: string): Promise<Buffer> =>
  page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
