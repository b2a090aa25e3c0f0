import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, after } from 'node:test';
import { aims, type Aim } from '../../bench/record/aims.ts';
import { changes, lastRun, writeRun, type Run } from '../../bench/record/results.ts';
import { judge, verdictTable } from '../../bench/record/verdicts.ts';

const cpu: Aim = { id: 'cpu', what: 'CPU', kind: 'ratio', unit: 'ms', limit: 1.5, better: 'less' };
const speed: Aim = { id: 'speed', what: 'Pods', kind: 'figure', unit: 'Pods/s', limit: 500, better: 'more' };
const share: Aim = { id: 'share', what: '100 MB', kind: 'ratio', unit: 'MB/s', limit: 1, better: 'more' };
const run = (more: Partial<Run> = {}): Run => ({
  at: '2026-11-27T10:00:00.000Z',
  commit: 'abc1234',
  form: 'full',
  machine: { cpu: 'one', cores: 2, node: 'v24' },
  load: [1, 2],
  measurements: [],
  ...more,
});

describe('an aim', () => {
  const outcome = (aim: Aim, value: number, floor?: number) => {
    const [verdict] = judge([aim], [{ id: aim.id, value, ...(floor === undefined ? {} : { floor }) }]);
    return [verdict!.outcome, verdict!.isFarOff];
  };

  it('is met at its limit, missed above it, and far off above twice its limit', () => {
    assert.deepEqual(outcome(cpu, 3, 2), ['met', false]);
    assert.deepEqual(outcome(cpu, 6, 2), ['missed', false]);
    assert.deepEqual(outcome(cpu, 6.1, 2), ['missed', true]);
  });

  it('of which more is better is missed below its limit, and far off below half of it', () => {
    assert.deepEqual(outcome(share, 1, 1), ['met', false]);
    assert.deepEqual(outcome(share, 0.6, 1), ['missed', false]);
    assert.deepEqual(outcome(share, 0.4, 1), ['missed', true]);
  });

  it('that is a figure of this machine is never far off', () => {
    assert.deepEqual(outcome(speed, 1), ['missed', false]);
    assert.deepEqual(outcome(speed, 501), ['met', false]);
  });

  it('that is known to be far off is far off above twice what is known, and missed all the same', () => {
    const worse = { ...cpu, known: 4 };
    assert.deepEqual(outcome(worse, 8, 1), ['missed', false]);
    assert.deepEqual(outcome(worse, 8.1, 1), ['missed', true]);
    assert.deepEqual(outcome({ ...share, known: 0.2 }, 0.11, 1), ['missed', false]);
    assert.deepEqual(outcome({ ...share, known: 0.2 }, 0.09, 1), ['missed', true]);
  });

  it('that nobody measured is told so, and so is a ratio without its floor', () => {
    assert.deepEqual(judge([cpu], [])[0]!.outcome, 'not measured');
    assert.deepEqual(outcome(cpu, 1), ['not measured', false]);
  });

  it('is a line of the table with its limit, what was reached, and of what', () => {
    const text = verdictTable(judge([cpu, speed], [{ id: 'cpu', value: 0.61, floor: 0.2 }]));
    assert.match(text, /\| CPU +\| ≤ 1\.5 +\| 3\.05 +\| 0\.61 : 0\.2 ms \| far off +\|/);
    assert.match(text, /\| Pods +\| ≥ 500 Pods\/s \| +\| +\| not measured +\|/);
  });

  it('has an id of its own', () => {
    assert.equal(new Set(aims.map(({ id }) => id)).size, aims.length);
  });
});

describe('a record of runs', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-record-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is a file for each date and commit, of which the newest of the same form is compared with', () => {
    const later = run({ at: '2026-11-27T12:00:00.000Z', commit: 'def5678', form: 'short' });
    for (const each of [run(), later, run({ at: '2026-11-26T10:00:00.000Z', commit: '0000000' })]) writeRun(folder, each);
    writeFileSync(path.join(folder, 'other.json'), '{"at":1}');
    writeFileSync(path.join(folder, 'broken.json'), '{');
    assert.ok(['2026-11-27-abc1234.json', '2026-11-27-def5678-short.json'].every((file) => readdirSync(folder).includes(file)));
    assert.equal(lastRun(folder, 'full')?.commit, 'abc1234');
    assert.equal(lastRun(folder, 'short')?.commit, 'def5678');
    assert.equal(lastRun(path.join(folder, 'none'), 'full'), undefined);
  });

  it('tells ratios and figures that changed by more than noise, and those only', () => {
    const before = run({
      measurements: [
        { id: 'cpu', value: 2, floor: 1 },
        { id: 'rss', value: 100 },
        { id: 'gone', value: 1 },
      ],
    });
    const now = run({
      measurements: [
        { id: 'cpu', value: 6, floor: 2 },
        { id: 'rss', value: 105 },
        { id: 'new', value: 1 },
      ],
    });
    const text = changes(before, now);
    assert.match(text, /\| cpu +\| 2 +\| 3 +\| \+50 % +\|/);
    assert.doesNotMatch(text, /rss|gone|new/);
    assert.match(changes(now, now), /none of 3 that can be compared/);
  });

  it('of another machine is compared by its ratios alone', () => {
    const measurements = [
      { id: 'cpu', value: 2, floor: 1 },
      { id: 'rss', value: 100 },
    ];
    const other = run({ machine: { cpu: 'two', cores: 64, node: 'v24' }, measurements });
    const now = run({ measurements: measurements.map((each) => ({ ...each, value: each.value * 2 })) });
    assert.match(changes(other, now), /another machine/);
    assert.match(changes(other, now), /\| cpu /);
    assert.doesNotMatch(changes(other, now), /rss/);
  });
});
