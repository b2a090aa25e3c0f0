/** What is known of the traffic of users: from HAProxy's statistics, and from what its log tells of each request. */
import type { Registry } from '@prometheus-io/client';
import type { Config } from '../../config/schema.ts';
import type { Log } from '../../log.ts';
import { streamLoop, type Stats, type UsersSettings } from '../haproxy/index.ts';
import type { View } from '../ir/ir.ts';
import { ownerKey } from '../ir/service-key.ts';
import { accessLine } from './access-log.ts';
import { BackendPages } from './pages/backend-pages.ts';
import { ModelMetrics } from './pages/model-metrics.ts';
import { parseToldRequest } from './request-line.ts';
import { parseRequestLine, receiveLog } from './request-log.ts';
import { RequestRates } from './request-rates.ts';
import { RequestTimes } from './request-times.ts';
import { ServedNames } from './served-names.ts';
import { spanOf } from './span.ts';
import { SpanExporter, SpanMetrics } from './span-exporter.ts';
import { ToldMetrics } from './told-metrics.ts';
import { TrafficMetrics } from './traffic-metrics.ts';

export interface TrafficOptions {
  config: Config;
  registry: Registry;
  /** rejects where HAProxy is not there */
  stats: () => Promise<Stats>;
  /** UDP port on loopback; 0: any */
  logPort: number;
  /** name of this one */
  replica: string;
  log: Pick<Log, 'warn' | 'info'>;
  /** takes lines. @returns false where it has no room for them */
  write: (lines: string) => boolean;
}

export interface Traffic {
  /** what HAProxy is to tell, and to whom */
  settings: Pick<UsersSettings, 'requestLog' | 'requestLines'>;
  setView: (view: View) => void;
  reader: Pick<RequestRates, 'perSecond'> & Pick<RequestTimes, 'quantiles'>;
  close: () => Promise<void>;
}

/** Sections that lead to another frontend of this HAProxy, which tells of the connection itself. */
const onTheWay = new Set(['frp-tls', streamLoop]);

export async function openTraffic({ config, registry, stats, logPort, replica, write, log }: TrafficOptions): Promise<Traffic> {
  const { accessLog, tracing } = config.gateway;
  const isTelling = accessLog.enabled || tracing !== undefined;
  const times = new RequestTimes();
  const rates = new RequestRates();
  const metrics = new TrafficMetrics(registry, stats, rates);
  const pages: BackendPages = new BackendPages({
    labelsOf: (server) => metrics.labelsOf(server),
    count: (outcome) => models.count(outcome),
  });
  const models = new ModelMetrics(registry, { pages: () => pages.all(), skipped: () => pages.skipped });
  const names = new ServedNames();
  const spans = new SpanMetrics(registry);
  const exporter = tracing && new SpanExporter({ endpoint: tracing.endpoint, replica, metrics: spans, log });
  const told = new ToldMetrics(registry, () => receiver.lost());
  const receiver = await receiveLog(logPort, (text) => {
    const timed = parseRequestLine(text);
    if (timed) {
      metrics.observe(timed);
      times.add(timed);
      return;
    }
    const request = parseToldRequest(text);
    if (!request || onTheWay.has(request.section)) return;
    const line = accessLine(request, { settings: accessLog, names, replica });
    if (accessLog.enabled) told.line(write(`${JSON.stringify(line)}\n`));
    const span = exporter && spanOf(request, line, Date.now());
    if (span) exporter.add(span);
  });
  return {
    settings: {
      requestLog: `127.0.0.1:${receiver.port}`,
      requestLines: isTelling
        ? { all: accessLog.enabled, query: accessLog.enabled && accessLog.query, sampled: tracing?.ratio }
        : undefined,
    },
    setView: (view) => {
      metrics.setView(view);
      pages.setView(view);
      models.keep(new Set(view.services.map(({ service }) => ownerKey(service))));
      if (isTelling) names.setView(view);
    },
    reader: {
      perSecond: (servers) => rates.perSecond(servers),
      quantiles: (servers, wanted) => times.quantiles(servers, wanted),
    },
    close: async () => {
      receiver.close();
      pages.close();
      await Promise.all([metrics.close(), exporter?.close()]);
    },
  };
}
