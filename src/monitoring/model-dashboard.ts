/** The dashboard of a service whose backends serve language models. */
import type { Dashboard, Panel } from './panel.ts';

const prefix = 'frp_distributed_service';
const of = 'namespace="$namespace",name="$name"';
const window = '[$__rate_interval]';
const model = 'backend, cluster, model';

/** Every replica of the gateway says the same of a backend: one is counted. */
const said = (name: string, by: string, more = ''): string => `max by (${by}) (${prefix}_llm_${name}{${of}${more}})`;
const saidRate = (name: string, by: string): string => `max by (${by}) (rate(${prefix}_llm_${name}{${of}}${window}))`;
const saidQuantile = (name: string, share: number): string =>
  `histogram_quantile(${share}, sum by (le) (${saidRate(`${name}_bucket`, `${model}, le`)}))`;
const rate = (name: string, by: string): string => `sum by (${by}) (rate(${prefix}_${name}{${of}}${window}))`;
const quantile = (name: string, share: number): string => `histogram_quantile(${share}, ${rate(`${name}_seconds_bucket`, 'le')})`;
const each = (of: (share: number) => string, label = '') =>
  [0.5, 0.9, 0.99].map((share) => ({ expr: of(share), legend: `${label}p${share * 100}` }));

const users: Panel[] = [
  {
    title: 'Time to first byte',
    description: 'As users get it, of every server. Of an answer that is streamed the first byte comes with the first token.',
    unit: 's',
    queries: each((share) => quantile('time_to_first_byte', share)),
  },
  {
    title: 'Latency',
    description: 'Until the end of the answer.',
    unit: 's',
    queries: each((share) => quantile('request_duration', share)),
  },
  {
    title: 'Requests under way',
    description: 'At the gateway by backend, and those that wait there for one.',
    unit: 'short',
    queries: [
      { expr: `sum by (backend) (${prefix}_active_connections{${of}})`, legend: '{{backend}}' },
      { expr: `sum(${prefix}_queued_requests{${of}})`, legend: 'queued' },
    ],
  },
  {
    title: 'Answers',
    description: 'To users, by class of status.',
    unit: 'reqps',
    queries: [{ expr: rate('responses_total', 'code'), legend: '{{code}}' }],
  },
  {
    title: 'Traffic',
    description: 'Bytes to users by backend: how fast a server writes that does not tell of its tokens.',
    unit: 'Bps',
    queries: [{ expr: `sum by (backend) (rate(${prefix}_bytes_total{${of},direction="out"}${window}))`, legend: '{{backend}}' }],
  },
];

const tokens: Panel[] = [
  {
    title: 'Time to first token',
    description: 'As backends say (spec.metrics).',
    unit: 's',
    queries: each((share) => saidQuantile('time_to_first_token_seconds', share)),
  },
  {
    title: 'Time per output token',
    description: 'From a token to the next one.',
    unit: 's',
    queries: each((share) => saidQuantile('time_per_output_token_seconds', share)),
  },
  {
    title: 'Tokens a second',
    description: 'Written by each backend, and read by all of them.',
    unit: 'short',
    queries: [
      { expr: `sum by (backend) (${saidRate('generated_tokens_total', model)})`, legend: '{{backend}}' },
      { expr: `sum(${saidRate('prompt_tokens_total', model)})`, legend: 'read' },
    ],
  },
  {
    title: 'Running and waiting',
    description: 'Requests inside the backends.',
    unit: 'short',
    queries: [{ expr: `sum by (backend, state) (${said('requests', `${model}, state`)})`, legend: '{{backend}} {{state}}' }],
  },
  {
    title: 'Cache usage',
    description: 'Part of the cache of keys and values that is in use. Near 1 requests wait.',
    unit: 'percentunit',
    queries: [{ expr: said('cache_usage', model), legend: '{{backend}} {{model}}' }],
    max: 1,
  },
];

const models: Panel[] = [
  {
    title: 'Models',
    description: 'Backends that have each.',
    unit: 'short',
    queries: [{ expr: `count by (model) (${said('model_info', model)})`, legend: '{{model}}' }],
  },
  {
    title: 'Memory of models',
    description: 'Of the GPU; format ollama.',
    unit: 'bytes',
    queries: [{ expr: said('model_memory_bytes', model), legend: '{{backend}} {{model}}' }],
  },
  {
    title: 'Load time',
    description: 'Of the weights, when the server started; SGLang.',
    unit: 's',
    queries: [{ expr: said('load_seconds', model), legend: '{{backend}} {{model}}' }],
  },
  {
    title: 'Metrics of backends',
    description: 'Whether they could be read, and what came of it.',
    unit: 'short',
    queries: [{ expr: said('page_up', 'backend, cluster, outcome'), legend: '{{backend}} {{outcome}}' }],
    max: 1,
  },
];

export const modelDashboard: Dashboard = {
  uid: 'frp-k8s-llm',
  title: 'frp-k8s LLM pool',
  description: 'What users of language models behind the gateway get, and what the backends of the pool say of themselves (spec.metrics).',
  variables: [
    { name: 'namespace', query: `label_values(${prefix}_llm_page_up, namespace)` },
    { name: 'name', query: `label_values(${prefix}_llm_page_up{namespace="$namespace"}, name)` },
  ],
  rows: [
    { title: 'Users', panels: users },
    { title: 'Tokens', panels: tokens },
    { title: 'Models', panels: models },
  ],
};
