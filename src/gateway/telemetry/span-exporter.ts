/** Sends spans by OTLP/HTTP in JSON (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP"), in batches, and keeps few while nobody takes them. */
import { Counter, type Registry } from '@prometheus-io/client';
import { pause } from '../../kube/backoff.ts';
import type { Log } from '../../log.ts';
import { programVersion } from '../../version.ts';
import type { Span } from './span.ts';

export interface SpanExporterOptions {
  /** URL; without a path it is /v1/traces */
  endpoint: string;
  replica: string;
  metrics: SpanMetrics;
  log: Pick<Log, 'warn' | 'info'>;
  pauses?: typeof defaultPauses;
}

export const mostWaiting = 2048;
const batchSize = 256;
const patienceMs = 10_000;
/** Until a batch is sent, before each further attempt of one, and until the last ones are given up. Milliseconds. */
const defaultPauses = { gather: 1000, again: [1000, 3000] as readonly number[], end: 1000 };
/** With others the collector says that it will never take it. */
const retriedStatuses = new Set([429, 502, 503, 504]);
/** That a busy collector may ask for (Retry-After). Milliseconds. */
const longestWaitMs = 60_000;

export class SpanMetrics {
  readonly #spans: Counter<'outcome'>;

  constructor(registry: Registry) {
    this.#spans = new Counter({
      name: 'frp_gateway_spans_total',
      help: 'Spans of sampled requests: sent to the collector, or dropped because it did not take them or too many were waiting',
      labelNames: ['outcome'],
      registers: [registry],
    });
    for (const outcome of ['sent', 'dropped'] as const) this.add(outcome, 0);
  }

  add(outcome: 'sent' | 'dropped', count: number): void {
    this.#spans.inc({ outcome }, count);
  }
}

export class SpanExporter {
  readonly #options: SpanExporterOptions;
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #end = new AbortController();
  readonly #pauses: typeof defaultPauses;
  #waiting: Span[] = [];
  #sending: Promise<void> | undefined;
  /** whether the last batch was not taken */
  #isFailing = false;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#url = urlOf(options.endpoint);
    this.#pauses = options.pauses ?? defaultPauses;
  }

  add(span: Span): void {
    if (this.#waiting.length >= mostWaiting) return this.#options.metrics.add('dropped', 1);
    this.#waiting.push(span);
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** What waits is sent once more, as far as that goes within a second. */
  async close(): Promise<void> {
    this.#stop.abort();
    const end = setTimeout(() => this.#end.abort(), this.#pauses.end);
    await this.#sending;
    clearTimeout(end);
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < batchSize) await pause(this.#pauses.gather, this.#stop.signal);
      await this.#send(this.#waiting.splice(0, batchSize));
    }
  }

  async #send(spans: readonly Span[]): Promise<void> {
    const { metrics } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#post(spans);
      if ('rejected' in outcome) {
        metrics.add('sent', spans.length - outcome.rejected);
        metrics.add('dropped', outcome.rejected);
        return this.#tell(undefined);
      }
      const pauseMs = outcome.isFinal || this.#stop.signal.aborted ? undefined : this.#pauses.again[attempt];
      const wait = pauseMs === undefined ? undefined : Math.max(pauseMs, outcome.waitMs ?? 0);
      if (wait === undefined) {
        metrics.add('dropped', spans.length);
        return this.#tell(outcome.problem);
      }
      await pause(wait, this.#stop.signal);
    }
  }

  async #post(spans: readonly Span[]): Promise<{ rejected: number } | { problem: string; isFinal: boolean; waitMs?: number }> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': `frp-k8s/${programVersion}` },
        body: JSON.stringify(this.#requestOf(spans)),
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(patienceMs), this.#end.signal]),
      });
      const text = await response.text();
      if (response.ok) return { rejected: Math.min(spans.length, rejectedIn(text)) };
      const waitMs = waitIn(response.headers.get('retry-after'));
      return { problem: `HTTP status ${response.status}`, isFinal: !retriedStatuses.has(response.status), waitMs };
    } catch (error) {
      const { message, cause } = error as Error & { cause?: Error };
      return { problem: cause?.message ?? message, isFinal: false };
    }
  }

  #requestOf(spans: readonly Span[]): unknown {
    const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
    const attributes = [
      attribute('service.name', 'frp-gateway'),
      attribute('service.version', programVersion),
      attribute('service.instance.id', this.#options.replica),
    ];
    const scope = { name: 'frp-k8s', version: programVersion };
    return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope, spans }] }] };
  }

  /** Once when it begins, and once when it is over. */
  #tell(problem: string | undefined): void {
    const { log, endpoint } = this.#options;
    if (problem !== undefined && !this.#isFailing)
      log.warn({ endpoint }, `spans are dropped, gateway.tracing.endpoint does not take them: ${problem}`);
    if (problem === undefined && this.#isFailing) log.info({ endpoint }, 'spans are taken again');
    this.#isFailing = problem !== undefined;
  }
}

const urlOf = (endpoint: string): string => {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
};

/** Milliseconds that a Retry-After in seconds asks for; OTLP has no other one. */
const waitIn = (header: string | null): number =>
  header !== null && /^[0-9]{1,9}$/.test(header) ? Math.min(longestWaitMs, Number(header) * 1000) : 0;

/** A collector may take some, and say how many not (ExportTracePartialSuccess). */
function rejectedIn(text: string): number {
  try {
    const { partialSuccess } = JSON.parse(text) as { partialSuccess?: { rejectedSpans?: string | number } };
    return Math.max(0, Number(partialSuccess?.rejectedSpans ?? 0)) || 0;
  } catch {
    return 0;
  }
}
