/**
 * Pictures of the page of a running installation, for the guide:
 *
 *   node test/page/screenshots.ts DIRECTORY SERVICE [options of frp-k8s dashboard]
 *
 * SERVICE is NAMESPACE/NAME of one that is shown by itself. Needs chromium.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { openBrowser, type Look } from './browser.ts';

const [directory, service, ...options] = process.argv.slice(2);
if (directory === undefined || service === undefined)
  throw new Error('usage: screenshots.ts DIRECTORY SERVICE [options of frp-k8s dashboard]');

const main = path.join(import.meta.dirname, '../../src/main.ts');
const dashboard = spawn(process.execPath, [main, 'dashboard', '--no-open', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
const [line] = (await once(dashboard.stdout, 'data')) as [Buffer];
const [address] = /http:\S+/.exec(line.toString()) ?? [];
if (address === undefined) throw new Error(line.toString());

const pictures: readonly (Look & { name: string; at: string; height?: number })[] = [
  { name: 'overview', at: '/', scheme: 'light', width: 1280 },
  { name: 'service', at: `/services/${service}`, scheme: 'dark', width: 1280 },
  { name: 'overview-narrow', at: '/', scheme: 'light', width: 360, height: 800 },
];

const browser = await openBrowser();
try {
  // The address opens the page once, for one browser: all pictures are of one context.
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(address);
  await page.getByText('Live', { exact: true }).waitFor();
  for (const { name, at, scheme, width, height } of pictures) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: height ?? 900 });
    await page.goto(new URL(at, address).href);
    await page.getByText('Live', { exact: true }).waitFor();
    const file = path.join(directory, `${name}.png`);
    await page.screenshot({ path: file, fullPage: height === undefined });
    console.log(file);
  }
} finally {
  await browser.close();
  dashboard.kill();
}
