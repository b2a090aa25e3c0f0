/** Metrics of what HAProxy tells of requests: what came of it, and what was lost on the way. */
import { Counter, type Registry } from '@prometheus-io/client';

const outcomes = ['written', 'dropped'] as const;

export class ToldMetrics {
  readonly #lines: Counter<'outcome'>;

  /** @param lost messages that there was no room for */
  constructor(registry: Registry, lost: () => number) {
    const registers = [registry];
    this.#lines = new Counter({
      name: 'frp_gateway_access_log_lines_total',
      help: 'Lines of the access log: written, or dropped because the standard output of the agent is not read fast enough',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of outcomes) this.#lines.inc({ outcome }, 0);
    const total: Counter = new Counter({
      name: 'frp_gateway_request_messages_lost_total',
      help: 'Messages of HAProxy about requests that the agent was too busy to take: they are in no histogram, no trace and no access log',
      registers,
      collect: () => {
        total.reset();
        total.inc(lost());
      },
    });
  }

  line(isWritten: boolean): void {
    this.#lines.inc({ outcome: isWritten ? 'written' : 'dropped' });
  }
}
