/** What is passed on of a backend's page: these families and no others, under names of ours, by the model and nothing else. */
import { samplesIn, type Sample } from './exposition.ts';

export interface Family {
  /** without prefix */
  name: string;
  help: string;
  type: 'histogram' | 'counter' | 'gauge';
  /** upper bounds of a histogram's buckets, seconds; the same whatever the backend's are */
  buckets?: readonly number[];
  /** of a gauge that is told by state */
  state?: string;
  /** names that servers have for it; of several on one page the first that is there */
  from: readonly string[];
  /** of what a backend tells by more labels, such as one for each engine; default: the sum */
  join?: 'max';
}

export const families: readonly Family[] = [
  {
    name: 'time_to_first_token_seconds',
    help: 'Time from a request’s arrival at the backend to the first token',
    type: 'histogram',
    buckets: [0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640],
    from: ['vllm:time_to_first_token_seconds', 'sglang:time_to_first_token_seconds'],
  },
  {
    name: 'time_per_output_token_seconds',
    help: 'Time from a token to the next one',
    type: 'histogram',
    buckets: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10],
    from: ['vllm:inter_token_latency_seconds', 'vllm:time_per_output_token_seconds', 'sglang:inter_token_latency_seconds'],
  },
  {
    name: 'prompt_tokens_total',
    help: 'Tokens that were read',
    type: 'counter',
    from: ['vllm:prompt_tokens_total', 'sglang:prompt_tokens_total', 'llamacpp:prompt_tokens_total'],
  },
  {
    name: 'generated_tokens_total',
    help: 'Tokens that were written',
    type: 'counter',
    from: ['vllm:generation_tokens_total', 'sglang:generation_tokens_total', 'llamacpp:tokens_predicted_total'],
  },
  {
    name: 'requests',
    help: 'Requests at the backend by state: running or waiting',
    type: 'gauge',
    state: 'running',
    from: ['vllm:num_requests_running', 'sglang:num_running_reqs', 'llamacpp:requests_processing'],
  },
  {
    name: 'requests',
    help: '',
    type: 'gauge',
    state: 'waiting',
    from: ['vllm:num_requests_waiting', 'sglang:num_queue_reqs', 'llamacpp:requests_deferred'],
  },
  {
    name: 'cache_usage',
    help: 'Part of the cache of keys and values that is in use; the fullest one, where a backend has several',
    type: 'gauge',
    join: 'max',
    from: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc', 'sglang:token_usage', 'llamacpp:kv_cache_usage_ratio'],
  },
  {
    name: 'load_seconds',
    help: 'Time that the weights took to load, of servers that say so (SGLang)',
    type: 'gauge',
    join: 'max',
    from: ['sglang:engine_load_weights_time'],
  },
];

/** Of format ollama. */
export const memoryFamily: Family = {
  name: 'model_memory_bytes',
  help: 'Memory of the GPU that a loaded model takes, of format ollama',
  type: 'gauge',
  from: [],
};

/** Numbers of the buckets count from zero, as in the text format: each has those of the ones before it. */
export type Value = number | { buckets: readonly number[]; sum: number; count: number };

/** By model, which is empty where the backend does not say: what it tells. */
export type Told = ReadonlyMap<string, ReadonlyMap<Family, Value>>;

const suffixes = ['_bucket', '_sum', '_count'] as const;
const wanted = new Set(
  families.flatMap(({ type, from }) => (type === 'histogram' ? from.flatMap((name) => suffixes.map((end) => name + end)) : from)),
);
const modelLabels = ['model_name', 'model'] as const;

/** @param text of Prometheus's format @throws Error where it has too much of what is asked for, or none of it */
export function toldIn(text: string): Told {
  const samples = samplesIn(text, (name) => wanted.has(name));
  if (samples.length === 0) throw new Error('nothing that is passed on');
  const byName = Map.groupBy(samples, ({ name }) => name);
  const told = new Map<string, Map<Family, Value>>();
  const put = (model: string, family: Family, value: Value) => {
    const values = told.get(model) ?? new Map<Family, Value>();
    told.set(model, values.set(family, value));
  };
  for (const family of families) {
    const name = family.from.find((each) => byName.has(family.type === 'histogram' ? `${each}_count` : each));
    if (name === undefined) continue;
    if (family.type === 'histogram') {
      const [buckets, sums, counts] = suffixes.map((end) => byModel(byName.get(name + end) ?? [])) as [ByModel, ByModel, ByModel];
      for (const [model, all] of counts) {
        const count = sum(all);
        put(model, family, { buckets: counted(buckets.get(model) ?? [], family.buckets!, count), sum: sum(sums.get(model) ?? []), count });
      }
    } else {
      for (const [model, all] of byModel(byName.get(name)!))
        put(model, family, family.join === 'max' ? all.reduce((most, { value }) => Math.max(most, value), 0) : sum(all));
    }
  }
  return told;
}

const sum = (samples: readonly Sample[]): number => samples.reduce((all, { value }) => all + value, 0);

type ByModel = ReadonlyMap<string, readonly Sample[]>;

const byModel = (samples: readonly Sample[]): ByModel =>
  Map.groupBy(samples, ({ labels }) => modelLabels.map((name) => labels.get(name)).find((model) => model !== undefined) ?? '');

/** What is at or below each bound of ours: of a bucket whose bound lies between two of ours, at the higher one. */
function counted(samples: readonly Sample[], bounds: readonly number[], count: number): number[] {
  const byBound = new Map<number, number>();
  for (const { labels, value } of samples) {
    const bound = Number(labels.get('le') ?? Number.NaN);
    if (!Number.isNaN(bound)) byBound.set(bound, (byBound.get(bound) ?? 0) + value);
  }
  const given = [...byBound].sort(([a], [b]) => a - b);
  let most = 0;
  return bounds.map((bound) => {
    for (const [at, value] of given) {
      if (at > bound) break;
      most = Math.max(most, Math.min(value, count));
    }
    return most;
  });
}
