/** The documentation site as readers have it: built by site/build.ts, in a real browser, light and dark, wide and narrow. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { createReadStream, existsSync, globSync, readFileSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { navigation } from '../../site/navigation.ts';
import { looks, openBrowser, openPage, picture } from '../page/browser.ts';
import { root } from '../support/markdown.ts';

const dist = join(root, 'site/dist');
const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** Files as any static server gives them: no rewriting of paths. */
function serve(): Promise<Server> {
  const server = createServer(({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://site');
    const file = join(dist, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

/** @returns addresses of this site in a page's links, each as the file that it is of */
const filesLinked = (page: string): string[] =>
  [...readFileSync(join(dist, page), 'utf8').matchAll(/ href="([^":#]+)[#"]/g)].map(([, href]) => {
    const { pathname } = new URL(href!, `http://site/${page}`);
    return decodeURI(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
  });

suite('the documentation site', () => {
  let server: Server;
  let browser: Browser;
  let address = '';
  before(async () => {
    server = await serve();
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await openBrowser();
  });
  after(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });

  test('has every page of the menu, and whatever its pages lead to', () => {
    const pages = navigation.flatMap((group) => group.pages.map(([page]) => `/${page}.html`));
    const linked = globSync('**/*.html', { cwd: dist }).flatMap((page) => filesLinked(page));
    assert.ok(linked.length > 1000);
    assert.deepEqual(
      [...new Set([...pages, ...linked])].filter((file) => !existsSync(join(dist, file))),
      [],
    );
  });

  for (const look of looks)
    test(`is read ${look.scheme} at ${look.width} px: nothing fails, nothing is cut off, pictures are there`, async () => {
      const { page, faults } = await openPage(browser, look);
      for (const path of ['index.html', 'security.html', 'reference/reasons.html']) {
        await page.goto(`${address}/${path}`);
        await page.locator('h1').waitFor();
        const isDark = await page.evaluate<boolean>('document.documentElement.classList.contains("dark")');
        assert.equal(isDark, look.scheme === 'dark', path);
        assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, `${path} is wider than the window`);
        assert.equal(await page.evaluate('[...document.images].every(({ complete, naturalWidth }) => complete && naturalWidth > 0)'), true, path);
        // A page of 1,669 lines is no picture.
        if (!path.startsWith('reference/')) await picture(page, `site-${path.replace('.html', '')}-${look.scheme}-${look.width}`);
      }
      assert.deepEqual(faults, []);
      await page.context().close();
    });

  test('finds by search, without a server, what a page says', async () => {
    const { page, faults } = await openPage(browser);
    await page.goto(`${address}/index.html`);
    await page.locator('#local-search button').click();
    await page.locator('#localsearch-input').fill('GatewayRequired');
    await page.locator('#localsearch-list a').first().click();
    await page.waitForURL(/\.html#/);
    // The address changes before the page does.
    await page.locator('main').filter({ hasText: 'GatewayRequired' }).waitFor();
    assert.deepEqual(faults, []);
  });

  test('a link to a heading, as GitHub makes it, leads to it', async () => {
    const { page } = await openPage(browser);
    await page.goto(`${address}/guide/install.html#1-the-image`);
    await page.locator('h2[id="1-the-image"]').waitFor();
    await page.context().close();
  });
});
