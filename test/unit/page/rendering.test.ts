/** Views of the page as their HTML. FRPK8S_GOLDEN=1 writes the texts anew. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { changesBetween, type Fragment } from '../../../src/page/fragment.ts';
import { html } from '../../../src/page/html.ts';
import { pathOf, wantedIn } from '../../../src/page/query.ts';
import { listFragment } from '../../../src/page/fragment.ts';
import { reasonView } from '../../../src/page/reason-view.ts';
import { announcement } from '../../../src/page/view.ts';
import type { Overview, ServiceView } from '../../../src/page/model.ts';
import { backend, installation, overview, overviewHtml, overviewOf, report, serviceHtml, status, viewed } from './setup.ts';
import { anyCharacter } from '../../support/arbitraries.ts';

/** What is the same in every document is told by its place. */
function checkGolden(name: string, text: string): void {
  const file = path.join(import.meta.dirname, 'golden', name);
  const shown = text.replace(/<(style|script)>.*?<\/\1>/gs, '<$1></$1>');
  if (process.env.FRPK8S_GOLDEN === '1') {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, shown);
  }
  assert.equal(shown, readFileSync(file, 'utf8'));
}

/** Names of the elements and of their attributes: what somebody else's text must not change. */
const structure = (text: string): string[] =>
  [...text.replace(/<(style|script)>.*?<\/\1>/gs, '').matchAll(/<(\/?[a-z0-9]+)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*\/?>/gi)].map(
    ([, name, attributes = '']) =>
      `${name} ${[...attributes.matchAll(/([a-z-]+)(?:="[^"]*")?/gi)].map(([, attribute]) => attribute).join(' ')}`,
  );

const angles = (text: string): number => [...text.replace(/<(style|script)>.*?<\/\1>/gs, '').matchAll(/</g)].length;

/** The same installation with a text in every place that somebody else writes. */
function overviewWith(text: string): Overview {
  const { replica, answer } = installation;
  return {
    ...overview,
    title: text,
    services: [status(text, { state: text, type: text, at: text, reason: text, message: text })],
    replicas: [
      {
        replica,
        answer: {
          ...answer,
          clusters: [{ cluster: text, up: 0, registered: 1 }],
          refusals: [{ service: text, pod: text, cluster: text, reason: text, message: text, at: text }],
        },
      },
    ],
    links: [{ cluster: text, gateway: text, isUp: false, since: text, reason: text, detail: text }],
    certificates: [{ name: text, subject: text, expires: text }],
    turns: [{ at: text, service: text, what: text, reason: text, message: text }],
    unknown: [text],
  };
}

function viewWith(text: string): ServiceView {
  const one = backend(text, { cluster: text, proxy: text, address: text, state: text as 'down', check: text, reason: text, since: text });
  return {
    ...viewed,
    title: text,
    status: status(text, { state: text, type: text, reason: text, message: text }),
    conditions: [{ level: 'error', text, reason: text, remedy: text }],
    access: [{ level: 'info', text }],
    routes: [text],
    heard: [
      {
        replica: text,
        answer: { ...report([one]), refusals: [{ pod: text, cluster: text, reason: text, message: text, at: text }] },
      },
    ],
    unknown: [text],
  };
}

const hostile = fc.oneof(
  fc.constantFrom('"><script>alert(1)</script>', "' onmouseover='alert(1)", '</style><img src=x onerror=alert(1)>', '${1}', '&lt;'),
  fc.string({ unit: anyCharacter, minLength: 1, maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '/', '=', ' ', 'a', '`', '-', '!', '\n', '\0'), minLength: 1, maxLength: 30 }),
);

describe('views of the page', () => {
  it('show an installation at a glance', () => checkGolden('overview.html.txt', overviewHtml(overview)));

  it('show a service with its backends', () => checkGolden('service.html.txt', serviceHtml(viewed)));

  it('have the same elements and attributes whatever others have written', () => {
    const [plainOverview, plainService] = [overviewHtml(overviewWith('x')), serviceHtml(viewWith('x'))];
    fc.assert(
      fc.property(hostile, (text) => {
        for (const [plain, shown] of [
          [plainOverview, overviewHtml(overviewWith(text))],
          [plainService, serviceHtml(viewWith(text))],
        ] as const) {
          assert.deepEqual(structure(shown), structure(plain));
          assert.equal(angles(shown), angles(plain));
        }
      }),
      { numRuns: 60, examples: [['__proto__'], ['constructor']] },
    );
  });

  it('show characters that turn the direction of text, and other invisible ones, by their number', () => {
    assert.equal(html`<p>${'a\u202Eb\u0000'}</p>`.text, '<p>a\\u202eb\\u0000</p>');
  });

  it('stay small with 1,000 services and 5,000 backends', () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      status(`team-${index % 50}/service-${index}`, { active: 5, total: 5, reason: 'BackendsUnhealthy', message: 'x'.repeat(1000) }),
    );
    const text = overviewHtml({ ...overview, services: many });
    assert.ok(text.length < 300_000, `${text.length} bytes`);
    const backends = Array.from({ length: 5000 }, (_, index) => backend(`web-${index}`));
    assert.ok(serviceHtml({ ...viewed, heard: [{ replica: 'frp-gateway-0', answer: report(backends) }] }).length < 300_000);
  });

  it('show a part of the services at a time, and lead to the others', () => {
    const many = Array.from({ length: 150 }, (_, index) => status(`shop/web-${String(index).padStart(3, '0')}`));
    const second = overviewOf({ ...overview, services: many }, 2).fragments.find(({ id }) => id === 'services')!;
    assert.equal(second.rows?.length, 50);
    assert.equal(second.rows[0]!.id, 's/shop/web-100');
  });

  it('explain a reason by its own words, and no other word', () => {
    assert.match(reasonView('BackendsUnhealthy')!.body(new Map()).text, /What to do/);
    assert.equal(reasonView('Nonsense'), undefined);
  });
});

describe('changes of a view', () => {
  const rowOf = ([id, text]: [string, string]): Fragment => ({ id, html: html`<li id="${id}">${text}</li>` });
  const listOf = (rows: [string, string][]): Fragment =>
    listFragment(
      'list',
      rows.map(rowOf),
      (shown) =>
        html`<ul id="list">
          ${shown}
        </ul>`,
    );
  const rows = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2')), { selector: ([id]) => id });

  it('turn the view before into the view after', () => {
    fc.assert(
      fc.property(rows, rows, (before, after) => {
        let text = listOf(before).html.text;
        for (const { id, html: next } of changesBetween([listOf(before)], [listOf(after)]))
          text = id === 'list' ? next : text.replace(new RegExp(`<li id="${id}">[^<]*</li>`), next);
        assert.equal(text, listOf(after).html.text);
      }),
    );
  });

  it('are the rows that differ where the same rows are there', () => {
    const changes = changesBetween(
      [
        listOf([
          ['a', '1'],
          ['b', '1'],
        ]),
      ],
      [
        listOf([
          ['a', '1'],
          ['b', '2'],
        ]),
      ],
    );
    assert.deepEqual(changes, [{ id: 'b', html: '<li id="b">2</li>' }]);
  });

  it('are none where nothing has changed', () => {
    assert.deepEqual(changesBetween(overviewOf(overview).fragments, overviewOf(structuredClone(overview)).fragments), []);
  });

  it('are told in words where a state has changed, a few by name', () => {
    const states = (state: string) => new Map(['a', 'b', 'c', 'd'].map((name) => [name, state]));
    assert.equal(announcement(states('Running'), states('Failed')), 'a is Failed, b is Failed, c is Failed and 1 more have changed');
    assert.equal(announcement(states('Running'), states('Running')), undefined);
    assert.equal(announcement(new Map(), states('Running')), undefined);
  });
});

describe('paths of the page', () => {
  it('lead back to what was wanted', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 50 }),
        fc.constantFrom('all', 'problems'),
        fc.integer({ min: 1, max: 500 }),
        (text, only, page) => {
          const wanted = { kind: 'overview', text: text.trim(), only: only as 'all', page } as const;
          assert.deepEqual(wantedIn(pathOf(wanted)), wanted);
        },
      ),
    );
  });

  it('are none for what no object can be called', () => {
    for (const url of [
      '/services/a/b%2Fc',
      '/services/a/..',
      '//',
      'http://[',
      '/services/a/%zz',
      '/services/a',
      '/x',
      '/reasons/a-b',
      '/services/A/b',
    ])
      assert.equal(wantedIn(url), undefined, url);
  });
});
