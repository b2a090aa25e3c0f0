/** What rules and dashboards ask for is there, and every alert says what to do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metricsOfPrograms } from '../../../scripts/registries.ts';
import { fleetDashboard } from '../../../src/monitoring/fleet-dashboard.ts';
import { grafanaJson } from '../../../src/monitoring/grafana.ts';
import { queriesOf } from '../../../src/monitoring/panel.ts';
import { isAlert } from '../../../src/monitoring/rule.ts';
import { alerts, ruleGroups, runbook } from '../../../src/monitoring/rule-objects.ts';
import { objectiveNames } from '../../../src/monitoring/service-rules.ts';
import { modelDashboard } from '../../../src/monitoring/model-dashboard.ts';
import { dashboardOf, serviceDashboard } from '../../../src/monitoring/service-dashboard.ts';

const metrics = Object.values(metricsOfPrograms()).flat();
const series = new Map(
  metrics.flatMap(({ name, type, labelNames }): [string, readonly string[]][] =>
    type === 'histogram'
      ? [
          [`${name}_bucket`, [...labelNames, 'le']],
          [`${name}_count`, labelNames],
          [`${name}_sum`, labelNames],
        ]
      : [[name, labelNames]],
  ),
);
const recorded = ruleGroups.flatMap(({ rules }) => rules.flatMap((rule) => (isAlert(rule) ? [] : [rule.record])));
const known = new Set([...series.keys(), ...recorded, ...Object.values(objectiveNames), 'up']);
/** Names of series: what is no label, function or word of PromQL. */
const namesIn = (expr: string): string[] =>
  expr.match(/\b(?:frp[a-z_]*:[a-z0-9_:]+|frp_[a-z0-9_]+|process_[a-z_]+|nodejs_[a-z_]+|up(?=\{))/g) ?? [];
/** Series with the labels that they are asked for by. */
const selectorsIn = (expr: string): [name: string, labels: string[]][] =>
  [...expr.matchAll(/\b([a-z_]+)\{([^}]*)\}/g)].map(([, name = '', matchers = '']) => [
    name,
    [...matchers.matchAll(/([a-z_]+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label),
  ]);

const expressions = [
  ...ruleGroups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
  ...[fleetDashboard, serviceDashboard, modelDashboard, dashboardOf('shop', 'web')].flatMap((each) =>
    queriesOf(each).map(({ expr }) => expr),
  ),
];

describe('rules and dashboards', () => {
  it('ask only for metrics that a program has, or a rule records', () => {
    assert.ok(expressions.length > 60);
    for (const expr of expressions) {
      const names = namesIn(expr);
      assert.ok(names.length > 0, expr);
      for (const name of names) assert.ok(known.has(name), `${name} in ${expr}`);
    }
  });

  it('ask only for labels that the metric has', () => {
    for (const expr of expressions)
      for (const [name, labels] of selectorsIn(expr)) {
        const has = series.get(name);
        for (const label of has ? labels : []) assert.ok([...has!, 'job'].includes(label), `${label} of ${name} in ${expr}`);
      }
  });

  it('have each name once, and a template only of labels that the expression leaves', () => {
    const names = [...recorded, ...alerts.map(({ alert }) => alert)];
    assert.equal(new Set(names).size, names.length);
    for (const { summary, description, expr } of alerts)
      for (const [, label = ''] of `${summary} ${description}`.matchAll(/\$labels\.([a-z_]+)/g)) {
        const grouped = /^(?:max|sum|count|min) by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ');
        if (grouped && !expr.includes(' or ')) assert.ok(grouped.includes(label), `${label} in ${expr}`);
      }
  });

  it('have a chapter of the runbook for each alert, at the place that it names', () => {
    const headings = new Set([...runbook().matchAll(/^### (.*)$/gm)].map(([, name = '']) => name.toLowerCase()));
    for (const { alert, meaning, look, act, summary, description } of alerts) {
      assert.ok(headings.has(alert.toLowerCase()), alert);
      for (const text of [meaning, summary, description, ...look, ...act]) assert.ok(text.length > 10, alert);
      assert.ok(look.length > 0 && act.length > 0, alert);
    }
  });

  it('give panels that lie beside each other and never on each other', () => {
    for (const dashboard of [fleetDashboard, serviceDashboard, modelDashboard]) {
      const { panels } = grafanaJson(dashboard) as { panels: { id: number; gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[] };
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      for (const [at, { gridPos: a }] of panels.entries()) {
        assert.ok(a.x + a.w <= 24);
        for (const { gridPos: b } of panels.slice(at + 1))
          assert.ok(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y, dashboard.title);
      }
    }
  });

  it('have the four panels of every service first', () => {
    const [first] = dashboardOf('shop', 'web').rows;
    assert.deepEqual(
      first?.panels.map(({ title }) => title),
      ['Request rate', 'Latency', 'Error rate', 'Backend health'],
    );
    for (const { expr } of queriesOf(dashboardOf('shop', 'web'))) assert.ok(expr.includes('namespace="shop",name="web"'), expr);
  });
});
