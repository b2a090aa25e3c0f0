/** The page of a large installation, in a real browser, from a server that is a process of its own. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openPage, picture } from './browser.ts';

interface Memory {
  heapUsed: number;
  rss: number;
  cpu: NodeJS.CpuUsage;
}

const mb = (bytes: number): number => Math.round(bytes / 1e6);

describe('the page of 1,000 services and 5,000 backends', () => {
  let browser: Browser;
  let server: ChildProcess;
  let base = '';
  let large = '';
  before(async () => {
    server = fork(path.join(import.meta.dirname, 'large-installation.ts'), { execArgv: ['--expose-gc'] });
    const [started] = (await once(server, 'message')) as [{ port: number; large: string }];
    base = `http://127.0.0.1:${started.port}`;
    ({ large } = started);
    browser = await openBrowser();
  });
  after(async () => {
    await browser.close();
    server.disconnect();
  });

  const memory = async (): Promise<Memory> => {
    const answer = once(server, 'message');
    server.send('memory');
    return ((await answer) as [Memory])[0];
  };
  const count = (page: Page) => page.evaluate<number>('document.querySelectorAll("*").length');
  const heapOf = async (page: Page): Promise<number> => {
    const session = await page.context().newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    await session.detach();
    return usedSize;
  };
  /** Changes that the browser has taken; of the summary, which has the time. */
  const changes = async (page: Page, wanted: number) => {
    await page.evaluate('window.taken = 0');
    while ((await page.evaluate<number>('window.taken')) < wanted) await page.waitForTimeout(50);
  };

  for (const [name, pathOf] of [
    ['overview', () => '/'],
    ['service', () => `/services/${large}`],
  ] as const)
    it(`is there, and stays in its place and its size while all of it changes: ${name}`, async (t) => {
      const { page, faults } = await openPage(browser);
      await page.addInitScript(
        `window.taken = 0; window.shifts = [];
         new PerformanceObserver((list) => window.shifts.push(...list.getEntries().flatMap(({ sources }) => sources.flatMap(moved)))).observe({ type: 'layout-shift', buffered: true });
         // Text that is aligned right begins elsewhere when it gets longer; its box stays.
         const moved = ({ node, previousRect: from, currentRect: to }) => JSON.stringify(from) === JSON.stringify(to) ? [] : [node ? node.id || node.textContent : 'gone'];
         addEventListener('DOMContentLoaded', () => new MutationObserver(() => window.taken++).observe(document.getElementById('summary').parentNode, { childList: true, subtree: true, characterData: true }));`,
      );
      await page.goto(`${base}${pathOf()}`);
      await page.getByText('Live', { exact: true }).waitFor();
      const painted = await page.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN`);
      await changes(page, 3);
      const [nodes, heap, before] = [await count(page), await heapOf(page), await memory()];
      await page.evaluate('window.shifts.length = 0');
      await changes(page, 20);
      const shifts = await page.evaluate<string[]>('window.shifts.slice(0, 20)');
      const [heapAfter, serverAfter] = [await heapOf(page), await memory()];
      t.diagnostic(
        `first contentful paint ${Math.round(painted)} ms; ${(await page.content()).length} characters, ${nodes} elements; heap of the page ${mb(heap)} to ${mb(heapAfter)} MB; of the server ${mb(before.heapUsed)} to ${mb(serverAfter.heapUsed)} MB, RSS ${mb(serverAfter.rss)} MB`,
      );
      assert.deepEqual(shifts, [], 'something has moved');
      assert.equal(await count(page), nodes);
      assert.ok(heapAfter - heap < 3e6, `the page has grown by ${mb(heapAfter - heap)} MB`);
      assert.ok(serverAfter.heapUsed - before.heapUsed < 60e6, `the server has grown by ${mb(serverAfter.heapUsed - before.heapUsed)} MB`);
      assert.deepEqual(faults, []);
      await picture(page, `large-${name}`);
      await page.context().close();
    });
});
