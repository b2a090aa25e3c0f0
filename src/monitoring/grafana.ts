/** A dashboard in Grafana's form (schema 39, Grafana 10 and later), and the ConfigMap that its sidecar finds by label. */
import type { Dashboard, Panel } from './panel.ts';

const datasource = { type: 'prometheus', uid: '${datasource}' };
const height = 8;
const across = 24;

export function grafanaJson({ uid, title, description, variables, rows }: Dashboard): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: across, h: 1 },
      panels: [],
    });
    let x = 0;
    for (const panel of row.panels) {
      const { width = 8 } = panel;
      if (x + width > across) [x, y] = [0, y + height];
      panels.push({ id: panels.length + 1, gridPos: { x, y, w: width, h: height }, ...panelJson(panel) });
      x += width;
    }
    y += height;
  }
  return {
    uid,
    title,
    description,
    tags: ['frp-k8s'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
        ...variables.map(({ name, query }) => ({
          name,
          label: name,
          type: 'query',
          datasource,
          definition: query,
          query: { query, refId: name },
          refresh: 2,
          sort: 1,
        })),
      ],
    },
    panels,
  };
}

const panelJson = ({ title, description, unit, queries, kind = 'timeseries', max }: Panel): object => ({
  type: kind,
  title,
  description,
  datasource,
  fieldConfig: {
    defaults: {
      unit,
      min: 0,
      ...(max === undefined ? {} : { max }),
      ...(kind === 'timeseries' ? { custom: { fillOpacity: 8, lineWidth: 1, showPoints: 'never' } } : {}),
    },
    overrides: [],
  },
  options:
    kind === 'stat'
      ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'none' }
      : { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
  targets: queries.map(({ expr, legend }, at) => ({ refId: String.fromCharCode(65 + at), datasource, expr, legendFormat: legend })),
});

export const dashboardConfigMap = (dashboard: Dashboard): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: `${dashboard.uid}-dashboard`,
    namespace: 'frp-system',
    labels: { 'app.kubernetes.io/part-of': 'frp-k8s', grafana_dashboard: '1' },
  },
  data: { [`${dashboard.uid}.json`]: `${JSON.stringify(grafanaJson(dashboard), undefined, 2)}\n` },
});
