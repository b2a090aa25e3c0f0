/** Servers of language models as the gateway sees them: pages with the names that vLLM 0.11, SGLang 0.5 and Ollama 0.12 have. */
import { createServer, type RequestListener, type Server } from 'node:http';

/** What a server has done since it started. */
export interface Counted {
  requests: number;
}

const bounds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

/** A histogram in which each request took as long. */
function histogram(name: string, labels: string, count: number, seconds: number): string {
  const line = (bound: string, value: number) => `${name}_bucket{le="${bound}",${labels}} ${value.toFixed(1)}`;
  return [
    `# HELP ${name} Histogram.`,
    `# TYPE ${name} histogram`,
    ...bounds.map((bound) => line(bound.toFixed(3), seconds <= bound ? count : 0)),
    line('+Inf', count),
    `${name}_count{${labels}} ${count.toFixed(1)}`,
    `${name}_sum{${labels}} ${count * seconds}`,
  ].join('\n');
}

/** Two engines, of which each has half of the requests. */
export function vllmPage({ requests }: Counted): string {
  const model = 'model_name="meta-llama/Llama-3.1-8B-Instruct"';
  const engines = [0, 1].map((engine) => `engine="${engine}",${model}`);
  const lines = (name: string, value: number) => engines.map((labels) => `${name}{${labels}} ${value.toFixed(1)}`);
  return [
    '# HELP python_gc_objects_collected_total Objects collected during gc',
    '# TYPE python_gc_objects_collected_total counter',
    'python_gc_objects_collected_total{generation="0"} 9827.0',
    ...lines('vllm:num_requests_running', 1),
    ...lines('vllm:num_requests_waiting', 2),
    ...engines.map((labels, engine) => `vllm:kv_cache_usage_perc{${labels}} ${engine === 0 ? 0.25 : 0.5}`),
    ...lines('vllm:prompt_tokens_total', 8 * requests),
    ...lines('vllm:prompt_tokens_created', 1.76e9),
    ...lines('vllm:generation_tokens_total', 16 * requests),
    ...engines.map((labels) => `vllm:request_success_total{${labels},finished_reason="stop"} ${requests}`),
    ...engines.map((labels) => histogram('vllm:time_to_first_token_seconds', labels, requests, 0.2)),
    ...engines.map((labels) => histogram('vllm:inter_token_latency_seconds', labels, requests, 0.02)),
    '',
  ].join('\n');
}

export function sglangPage({ requests }: Counted): string {
  const labels = 'model_name="qwen2.5"';
  return [
    `sglang:num_running_reqs{${labels}} 3.0`,
    `sglang:num_queue_reqs{${labels}} 0.0`,
    `sglang:token_usage{${labels}} 0.28`,
    `sglang:engine_load_weights_time{${labels}} 12.5`,
    `sglang:prompt_tokens_total{${labels}} ${4 * requests}`,
    `sglang:generation_tokens_total{${labels}} ${32 * requests}`,
    histogram('sglang:time_to_first_token_seconds', labels, requests, 0.4),
    histogram('sglang:inter_token_latency_seconds', labels, requests, 0.03),
    '',
  ].join('\n');
}

/** A server whose answers come a token at a time. @param pages by path */
export function modelServer(pages: Record<string, (counted: Counted) => string>): Server {
  const counted: Counted = { requests: 0 };
  return createServer((incoming, response) => {
    incoming.resume();
    const page = pages[incoming.url!];
    if (page) return void response.end(page(counted));
    counted.requests++;
    response.write('{"response":"Hel","done":false}\n');
    setImmediate(() => response.end('{"response":"lo","done":true,"eval_count":2,"load_duration":1000}\n'));
  });
}

export const vllm = (): Server => modelServer({ '/metrics': vllmPage });
export const sglang = (): Server => modelServer({ '/metrics': sglangPage });
export const ollama = (): Server =>
  modelServer({
    '/api/ps': () =>
      JSON.stringify({
        models: [
          { name: 'gemma3:4b', model: 'gemma3:4b', size: 6_591_830_464, size_vram: 5_333_539_264, expires_at: '2026-11-27T20:00:00Z' },
          { name: 'all-minilm:latest', model: 'all-minilm:latest', size: 58_000_000, size_vram: 0 },
        ],
      }),
  });

/** Pages that are meant to cost whoever asks for them. */
export const hostile: Record<string, RequestListener> = {
  // Never ends, as fast as it is taken.
  endless: (_, response) => {
    const chunk = 'vllm:num_requests_running{model_name="x"} 1\n'.repeat(1000);
    const more = () => {
      while (response.write(chunk));
    };
    response.on('drain', more);
    more();
  },
  /** Says nothing for good. */
  silent: () => {},
  slow: (_, response) => {
    const timer = setInterval(() => response.write('vllm:num_requests_running{model_name="x"} 1\n'), 200);
    response.on('close', () => clearInterval(timer));
  },
  elsewhere: (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end(),
  compressed: (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
  'other-things': (_, response) => response.end('# nothing\nmade_up_total{a="b"} 1\n'),
  'many-series': (_, response) =>
    response.end(Array.from({ length: 9000 }, (_, at) => `vllm:num_requests_running{model_name="m${at}"} 1`).join('\n')),
  /** A thousand models, and others the next time. */
  'many-models': (_, response) =>
    response.end(Array.from({ length: 1000 }, () => `vllm:generation_tokens_total{model_name="é${Math.random()}"} 1`).join('\n')),
};
