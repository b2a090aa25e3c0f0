/**
 * `node scripts/recording.ts`: runs `npm run demo` and writes what it printed as a moving picture, docs/assets/demo.svg. Words
 * and order are the run's; the pace is one for reading. test/docs/recording.test.ts says when it has to be made again.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const columns = 104;
const rows = 26;
const lineHeight = 18;
/** seconds on the screen: of a line, of a title, and after the last one */
const pace = { line: 0.07, title: 2, end: 5 };

/** What `npm run demo` prints. @returns its lines, without what is beyond the picture's width */
export function demoLines(): string[] {
  const printed = execFileSync(process.execPath, ['src/main.ts', 'demo'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  });
  return ['$ npm run demo', ...printed.trimEnd().split('\n')].map((line) =>
    line.length > columns ? `${line.slice(0, columns - 1)}…` : line,
  );
}

const isTitle = (line: string): boolean => /^\d\. /.test(line);

function colourOf(line: string): string {
  if (isTitle(line)) return '#f8fafc" font-weight="700';
  if (line.startsWith('+')) return '#86efac';
  if (line.startsWith('-')) return '#fca5a5';
  if (/^(Error|\d errors|\*|annotation )/.test(line)) return '#fcd34d';
  return line.startsWith('$') ? '#93c5fd' : '#cbd5e1';
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The lines as SVG: they move up through a window of 26 rows, once every run through, and stand still for who wants that. */
export function recording(lines: readonly string[]): string {
  const times: number[] = [];
  let now = 0;
  for (const [index, line] of lines.entries()) {
    times.push(now);
    now += isTitle(lines[index + 1] ?? '') || line === '' ? pace.title / 2 : pace.line;
  }
  const total = now + pace.end;
  const offset = (shown: number) => (rows - shown) * lineHeight;
  const frames = times.map((time, index) => `${((time / total) * 100).toFixed(2)}%{transform:translateY(${offset(index + 1)}px)}`);
  const width = columns * 7.83 + 32;
  const height = rows * lineHeight + 32;
  const texts = lines.map((line, index) =>
    line === '' ? '' : `<text y="${index * lineHeight}" fill="${colourOf(line)}" xml:space="preserve">${escaped(line)}</text>\n`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13" role="img" aria-label="A recording of npm run demo">
<!-- Made by scripts/recording.ts from a run of npm run demo. -->
<style>
@keyframes up{${frames.join('')}100%{transform:translateY(${offset(lines.length)}px)}}
.lines{transform:translateY(${offset(lines.findIndex((line) => line.startsWith('4. ')) + rows - 2)}px);animation:up ${total.toFixed(1)}s step-end infinite}
@media (prefers-reduced-motion:reduce){.lines{animation:none}}
</style>
<rect width="${width}" height="${height}" rx="10" fill="#0f172a"/>
<clipPath id="window"><rect x="0" y="14" width="${width}" height="${height - 28}"/></clipPath>
<g clip-path="url(#window)"><g transform="translate(16 30)"><g class="lines">
${texts.join('')}</g></g></g>
</svg>
`;
}

if (import.meta.main) {
  writeFileSync(resolve(root, 'docs/assets/demo.svg'), recording(demoLines()));
  console.log('wrote docs/assets/demo.svg');
}
