/** The web page in a real browser: who sees it how, who can use it, and what hostile names do. `npm run test:page`; needs chromium. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { createPage, type PageServer } from '../../src/page/server.ts';
import type { Overview, ServiceView } from '../../src/page/model.ts';
import { backend, installation, overview, report, status, viewed } from '../unit/page/setup.ts';
import { axeFaults, looks, openBrowser, openPage, picture } from './browser.ts';

const many = (count: number): Overview['services'] =>
  Array.from({ length: count }, (_, index) =>
    status(`team-${index % 50}/service-${String(index).padStart(4, '0')}`, {
      active: index % 7 === 0 ? 4 : 5,
      total: 5,
      perSecond: index % 13,
      ...(index % 7 === 0 && {
        state: 'Degraded',
        reason: 'BackendsUnhealthy',
        message: '1 of 5 backends is not healthy: GET /health answered 503',
      }),
    }),
  );

describe('the page in a browser', () => {
  let browser: Browser;
  let server: PageServer;
  let base = '';
  let shown: Overview = overview;
  let service: ServiceView = viewed;
  before(async () => {
    browser = await openBrowser();
    server = createPage({
      source: { overview: async () => shown, service: async () => service },
      log: { warn: () => {} },
      everyMs: 50,
    });
    base = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
  });
  after(async () => {
    await browser.close();
    await server.close();
  });
  beforeEach(() => {
    shown = overview;
    service = viewed;
  });

  const paths: Readonly<Record<string, string>> = {
    overview: '/',
    service: '/services/shop/web',
    reason: '/reasons/BackendsUnhealthy',
    missing: '/nothing',
  };
  for (const look of looks)
    it(`is for everybody, ${look.scheme}, ${look.width} pixels wide`, async () => {
      const { page, faults } = await openPage(browser, look);
      for (const [name, path] of Object.entries(paths)) {
        await page.goto(`${base}${path}`);
        if (name === 'overview' || name === 'service') await page.getByText('Live', { exact: true }).waitFor();
        assert.deepEqual(await axeFaults(page), [], `${name}: axe`);
        assert.equal(
          await page.evaluate('document.documentElement.scrollWidth > innerWidth'),
          false,
          `${name}: it is wider than the screen`,
        );
        await picture(page, `${name}-${look.scheme}-${look.width}`);
      }
      assert.deepEqual(
        faults.filter((fault) => !fault.includes('404')),
        [],
      );
      await page.context().close();
    });

  it('is used with the keyboard alone, and shows where one is', async () => {
    const { page } = await openPage(browser);
    for (const path of ['/', '/services/shop/web']) {
      await page.goto(`${base}${path}`);
      await page.getByText('Live', { exact: true }).waitFor();
      const reachable = await page.evaluate<string[]>(
        `[...document.querySelectorAll('a[href],button,input,select,[tabindex="0"]')].map((each, index) => (each.dataset.place = String(index)))`,
      );
      const reached: string[] = [];
      for (let count = 0; count <= reachable.length; count++) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate<{ place: string | undefined; outline: string }>(
          `({ place: document.activeElement.dataset.place, outline: getComputedStyle(document.activeElement).outlineStyle })`,
        );
        if (at.place === undefined) break;
        assert.notEqual(at.outline, 'none', `element ${at.place} does not show that it has the focus`);
        reached.push(at.place);
      }
      assert.deepEqual(reached, reachable, path);
    }
    await page.goto(base);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(new URL(page.url()).hash, '#main');
    await page.context().close();
  });

  const rowText = (page: Page, id: string) => page.evaluate<string>(`document.getElementById(${JSON.stringify(id)})?.textContent ?? ''`);
  /** Asked from outside: a page that waits by itself would evaluate text, which the policy forbids. */
  const until = async (page: Page, condition: string) => {
    while ((await page.evaluate(condition)) !== true) await page.waitForTimeout(20);
  };

  it('takes a change without a reload, and leaves focus, text and scroll position where they were', async () => {
    shown = { ...overview, services: many(100) };
    const { page, faults } = await openPage(browser);
    await page.goto(base);
    await page.getByText('Live', { exact: true }).waitFor();
    const last = shown.services.at(-1)!.service;
    await page.evaluate(`window.mark = document.getElementById(${JSON.stringify(`s/${last}`)})`);
    await page.getByLabel('Name, address or state').fill('half typed');
    await page.getByRole('link', { name: last, exact: true }).focus();
    const scrolled = await page.evaluate<number>('scrollY');
    assert.ok(scrolled > 0);
    shown = {
      ...shown,
      services: shown.services.map((each) =>
        each.service === last ? { ...each, state: 'Failed', active: 0 } : { ...each, perSecond: 99 },
      ),
    };
    await until(page, `window.mark.textContent.includes('Failed')`);
    assert.match(await rowText(page, `s/${shown.services[0]!.service}`), /99/);
    assert.equal(await page.evaluate(`window.mark === document.getElementById(${JSON.stringify(`s/${last}`)})`), true);
    assert.equal(await page.evaluate('document.activeElement.textContent'), last);
    assert.equal(await page.getByLabel('Name, address or state').inputValue(), 'half typed');
    assert.equal(await page.evaluate('scrollY'), scrolled);
    await until(page, `document.getElementById('said').textContent === ${JSON.stringify(`${last} is Failed`)}`);
    assert.deepEqual(faults, []);
    await page.context().close();
  });

  it('keeps the focus where the rows change their order, and gives it to the heading where the row is gone', async () => {
    const { page } = await openPage(browser);
    await page.goto(base);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('rowheader', { name: 'shop/web' }).getByRole('link').focus();
    shown = { ...overview, services: [overview.services[1]!, overview.services[0]!] };
    await until(page, `document.querySelector('#services tbody tr').id === 's/shop/web'`);
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'shop/web');
    shown = { ...overview, services: [overview.services[0]!] };
    await until(page, `document.getElementById('s/shop/web') === null`);
    assert.equal(await page.evaluate('document.activeElement.id'), 'services-title');
    await page.context().close();
  });

  it('stands still where somebody wants it to', async () => {
    const { page } = await openPage(browser);
    await page.goto(base);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Pause updates' }).press('Enter');
    await page.getByText('Paused', { exact: true }).waitFor();
    shown = { ...overview, unknown: ['something new'] };
    await page.getByRole('button', { name: 'Pause updates' }).press('Enter');
    await page.getByText('something new').waitFor();
    await page.context().close();
  });

  it('says when it is not told any more, and goes on when it is', async () => {
    const { page } = await openPage(browser);
    const other = createPage({
      source: { overview: async () => shown, service: async () => service },
      log: { warn: () => {} },
      everyMs: 50,
    });
    const port = await other.listen('127.0.0.1', 0);
    await page.goto(`http://127.0.0.1:${port}`);
    await page.getByText('Live', { exact: true }).waitFor();
    await other.close();
    await page.getByText('Not connected, trying again').waitFor();
    const again = createPage({
      source: { overview: async () => ({ ...shown, unknown: ['new'] }), service: async () => service },
      log: { warn: () => {} },
      everyMs: 50,
    });
    await again.listen('127.0.0.1', port);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByText('new', { exact: true }).waitFor();
    await page.context().close();
    await again.close();
  });

  it('runs nothing that somebody has written', async () => {
    const text = `"><script>window.pwned=1;alert(1)</script><img src=x onerror="window.pwned=1"><svg onload=window.pwned=1>`;
    shown = {
      ...overview,
      title: text,
      services: [status(`shop/${text}`, { state: text, type: text, at: text, reason: text, message: text })],
      links: [{ cluster: text, gateway: text, isUp: false, detail: text, reason: text }],
      certificates: [{ name: text, subject: text, expires: overview.at }],
      turns: [{ at: overview.at, service: text, what: text, reason: text, message: text }],
      replicas: [{ replica: text, answer: { ...installation.answer, clusters: [{ cluster: text, up: 0, registered: 1 }] } }],
      unknown: [text],
    };
    service = { ...viewed, routes: [text], heard: [{ replica: text, answer: report([backend(text, { state: 'down', reason: text })]) }] };
    const { page, faults } = await openPage(browser);
    for (const path of ['/', '/services/shop/web']) {
      await page.goto(`${base}${path}`);
      await page.getByText('Live', { exact: true }).waitFor();
      // What comes as a change goes another way into the document.
      shown = { ...shown, unknown: [`${text} again`] };
      service = { ...service, unknown: [`${text} again`] };
      await page.getByText('again').first().waitFor();
      assert.equal(await page.evaluate('window.pwned'), undefined);
      assert.equal(await page.evaluate('document.querySelectorAll("main img, main script").length'), 0);
    }
    assert.deepEqual(faults, []);
    await page.context().close();
  });
});
