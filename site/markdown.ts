/** What a page of docs/, which is plain Markdown, needs to become a page of the site. */
import { existsSync } from 'node:fs';
import path from 'node:path';

interface Token {
  type: string;
  info: string;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
  tag: string;
  children: Token[] | null;
}
interface Markdown {
  core: { ruler: { push(name: string, rule: (state: { tokens: Token[]; env: { path?: string } }) => void): void } };
}

/**
 * A page may name a file of the repository, which the site does not have: such a link becomes its text. And a page is a
 * template of Vue's on the site, where `{{ }}` is code: not in ours.
 * @param docs the folder of the pages, absolute
 */
export function plainPages(markdown: Markdown, docs: string): void {
  markdown.core.ruler.push('plain-pages', ({ tokens, env }) => {
    for (const block of tokens) {
      // The highlighter does not know Prometheus' language.
      if (block.type === 'fence' && block.info === 'promql') block.info = 'txt';
      const all = block.children ?? [];
      all.forEach((token, index) => {
        if (token.type === 'code_inline') token.attrSet('v-pre', '');
        const href = token.type === 'link_open' ? token.attrGet('href') : null;
        if (href === null || !leaves(href, env.path ?? docs, docs)) return;
        const end = all.findIndex((each, at) => at > index && each.type === 'link_close');
        for (const each of [token, all[end]!]) Object.assign(each, { type: 'text', tag: '', content: '', nesting: 0 });
      });
    }
  });
}

function leaves(href: string, page: string, docs: string): boolean {
  if (/^([a-z]+:|#|\/)/i.test(href)) return false;
  const target = path.resolve(path.dirname(page), href.split('#')[0]!);
  return path.relative(docs, target).startsWith('..') && existsSync(target);
}
