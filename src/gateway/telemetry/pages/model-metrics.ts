/** Metrics of models, as backends tell of them on their pages. */
import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import { backendLabelNames, type BackendLabels } from '../backend-series.ts';
import { families, memoryFamily, type Family, type Told, type Value } from './model-families.ts';
import type { Outcome } from './fetch-page.ts';
import type { Page } from './backend-pages.ts';

/** Of a service: names of models that have series of their own, and characters of one. Later ones are together. */
export const modelLimits = { ofService: 8, name: 100 };
const otherModel = 'other';
const prefix = 'frp_distributed_service_llm';
const outcomes: readonly Outcome[] = ['read', 'unreachable', 'refused', 'too_large', 'too_slow', 'not_understood'];

interface Series {
  metricName: string;
  labels: Record<string, string>;
  value: number;
}

export interface PagesRead {
  pages: () => Iterable<Page>;
  /** backends that are not asked, because they are too many */
  skipped: () => number;
}

export class ModelMetrics {
  readonly #asked: Counter<'outcome'>;
  /** names that have been seen, by namespace/name of the service: who changes them all the time makes no more series */
  readonly #names = new Map<string, Set<string>>();

  constructor(registry: Registry, { pages, skipped }: PagesRead) {
    const registers = [registry];
    this.#asked = new Counter({
      name: 'frp_gateway_backend_pages_total',
      help: 'Times that backends were asked for their metrics (spec.metrics), by what came of it',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of outcomes) this.#asked.inc({ outcome }, 0);
    const left: Gauge = new Gauge({
      name: 'frp_gateway_skipped_backend_pages',
      help: 'Backends of services with spec.metrics that are not asked, because they are too many',
      registers,
      collect: () => left.set(skipped()),
    });
    const up: Gauge<(typeof backendLabelNames)[number] | 'outcome'> = new Gauge({
      name: `${prefix}_page_up`,
      help: 'Whether the metrics of a backend (spec.metrics) could be read when it was asked last, 1 or 0, and what came of it',
      labelNames: [...backendLabelNames, 'outcome'],
      registers,
      collect: () => {
        up.reset();
        for (const { labels, outcome } of pages()) if (outcome !== undefined) up.set({ ...labels, outcome }, outcome === 'read' ? 1 : 0);
      },
    });
    const models: Gauge<(typeof backendLabelNames)[number] | 'model'> = new Gauge({
      name: `${prefix}_model_info`,
      help: 'Models that a backend tells of, always 1: of format ollama those that are loaded',
      labelNames: [...backendLabelNames, 'model'],
      registers,
      collect: () => {
        models.reset();
        for (const page of pages()) for (const [model] of this.#modelsOf(page)) models.set({ ...page.labels, model }, 1);
      },
    });
    const named = Map.groupBy([...families, memoryFamily], ({ name }) => name);
    for (const [name, same] of named) register(registry, name, same, () => this.#series(pages(), same));
  }

  count(outcome: Outcome): void {
    this.#asked.inc({ outcome });
  }

  /** @param owners services (namespace/name) that are there */
  keep(owners: ReadonlySet<string>): void {
    for (const owner of this.#names.keys()) if (!owners.has(owner)) this.#names.delete(owner);
  }

  *#series(pages: Iterable<Page>, same: readonly Family[]): Iterable<Series> {
    for (const page of pages)
      for (const [model, values] of this.#modelsOf(page))
        for (const family of same) {
          const value = values.get(family);
          if (value !== undefined) yield* seriesOf(family, value, { ...page.labels, ...(family.state && { state: family.state }), model });
        }
  }

  /** By the names that they have series by. */
  #modelsOf({ owner, told }: Page): Told {
    const models = new Map<string, Map<Family, Value>>();
    for (const [model, values] of told ?? []) {
      const name = this.#nameOf(owner, model);
      const known = models.get(name) ?? new Map<Family, Value>();
      for (const [family, value] of values) known.set(family, added(known.get(family), value));
      models.set(name, known);
    }
    return models;
  }

  #nameOf(owner: string, model: string): string {
    const name = model.slice(0, modelLimits.name).replace(/[^\x20-\x7e]/g, '_');
    const known = this.#names.get(owner) ?? new Set<string>();
    this.#names.set(owner, known);
    if (known.has(name)) return name;
    if (known.size >= modelLimits.ofService) return otherModel;
    known.add(name);
    return name;
  }
}

function* seriesOf({ name, buckets }: Family, value: Value, labels: BackendLabels & { model: string }): Iterable<Series> {
  const metricName = `${prefix}_${name}`;
  if (typeof value === 'number') {
    yield { metricName, labels: { ...labels }, value };
    return;
  }
  for (const [at, bound] of buckets!.entries())
    yield { metricName: `${metricName}_bucket`, labels: { ...labels, le: `${bound}` }, value: value.buckets[at]! };
  yield { metricName: `${metricName}_bucket`, labels: { ...labels, le: '+Inf' }, value: value.count };
  yield { metricName: `${metricName}_sum`, labels: { ...labels }, value: value.sum };
  yield { metricName: `${metricName}_count`, labels: { ...labels }, value: value.count };
}

function added(known: Value | undefined, value: Value): Value {
  if (known === undefined) return value;
  if (typeof known === 'number' || typeof value === 'number') return Number(known) + Number(value);
  return {
    buckets: known.buckets.map((count, at) => count + value.buckets[at]!),
    sum: known.sum + value.sum,
    count: known.count + value.count,
  };
}

/** The library's own histograms count what they observe; these have been counted elsewhere. */
function register(registry: Registry, name: string, [first, ...more]: readonly Family[], series: () => Iterable<Series>): void {
  const { type, help, buckets } = first!;
  const states = [first!, ...more].some(({ state }) => state !== undefined) ? ['state'] : [];
  const facts = { name: `${prefix}_${name}`, help: `${help}; as the backend says`, type, aggregator: 'sum' };
  const metric = {
    ...facts,
    labelNames: [...backendLabelNames, ...states, 'model'],
    ...(buckets && { buckets }),
    get: () => Promise.resolve({ ...facts, values: [...series()] }),
    reset: () => {},
  };
  registry.registerMetric(metric as unknown as Gauge);
}
