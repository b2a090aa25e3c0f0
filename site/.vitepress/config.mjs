/** The site's settings. What its menus say is in ../navigation.ts. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'vitepress';
import { plainPages } from '../markdown.ts';
import { navigation } from '../navigation.ts';
import { slug } from '../slug.ts';

const site = path.resolve(import.meta.dirname, '..');
const docs = path.resolve(site, '../docs');
const { version } = JSON.parse(readFileSync(path.resolve(site, '../package.json'), 'utf8'));
/** Where these pages lie (`/v0.1/`), the versions that lie beside them, and the folder that is written: build.ts says them. */
const { DOCS_BASE = '/', DOCS_VERSIONS = '', DOCS_OUT = path.join(site, 'dist') } = process.env;

const linkOf = (page) => `/${page.replace(/(^|\/)index$/, '$1')}`;
const decisions = readdirSync(path.join(docs, 'decisions'))
  .filter((name) => /^\d{4}-/.test(name))
  .sort()
  .map((name) => ({
    text: /^# (.*)$/m.exec(readFileSync(path.join(docs, 'decisions', name), 'utf8'))[1],
    link: `/decisions/${name.replace(/\.md$/, '')}`,
  }));
const sidebar = [
  ...navigation.map(({ text, pages }) => ({
    text,
    collapsed: false,
    items: pages.map(([page, label]) => ({ text: label, link: linkOf(page) })),
  })),
  { text: 'Decisions, one by one', collapsed: true, items: decisions },
];
const versions = DOCS_VERSIONS.split(' ').filter(Boolean);
const current = DOCS_BASE === '/' ? version : DOCS_BASE.replaceAll('/', '');

export default defineConfig({
  title: 'frp-k8s',
  description: 'frp tunnels for Kubernetes, declared: backends that nobody can reach serve traffic all the same',
  base: DOCS_BASE,
  // No icon is asked for.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  srcDir: '../docs',
  outDir: DOCS_OUT,
  // Pages lie outside of this folder, where nobody finds its packages.
  vite: { resolve: { alias: [{ find: /^vue($|\/)/, replacement: `${path.join(site, 'node_modules/vue')}$1` }] } },
  markdown: { anchor: { slugify: slug }, config: (markdown) => plainPages(markdown, docs) },
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    sidebar,
    nav: [
      { text: 'Start', link: '/guide/quick-start' },
      { text: 'Concepts', link: '/concepts' },
      { text: 'Reference', link: '/reference/distributedservice' },
      { text: 'Operations', link: '/operations/runbook' },
      { text: '한국어', link: '/ko/quick-start' },
      { component: 'VersionMenu', props: { versions, current } },
    ],
  },
});
