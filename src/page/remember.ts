/** What was found a moment ago: everybody who looks at the page at once costs one question. */
import type { Overview, PageSource, ServiceView } from './model.ts';

const mostServices = 100;

/** @param keptMs how long an answer is good; milliseconds */
export function remembering(source: PageSource, keptMs: number, now: () => number = Date.now): PageSource {
  const known = new Map<string, { until: number; answer: Promise<unknown> }>();
  const recall = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const found = known.get(key);
    if (found && now() < found.until) return found.answer as Promise<T>;
    const answer = ask();
    known.delete(key);
    known.set(key, { until: now() + keptMs, answer });
    if (known.size > mostServices) known.delete(known.keys().next().value!);
    return answer;
  };
  return {
    overview: () => recall<Overview>('', () => source.overview()),
    service: (key) => recall<ServiceView | undefined>(key, () => source.service(key)),
  };
}
