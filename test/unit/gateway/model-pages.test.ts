import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Registry } from '@prometheus-io/client';
import { longestPage, samplesIn } from '../../../src/gateway/telemetry/pages/exposition.ts';
import { families, toldIn, type Told, type Value } from '../../../src/gateway/telemetry/pages/model-families.ts';
import { ModelMetrics, modelLimits } from '../../../src/gateway/telemetry/pages/model-metrics.ts';
import { loadedIn } from '../../../src/gateway/telemetry/pages/ollama.ts';

const every = () => true;
const valuesOf = (told: Told, model: string): Record<string, Value> =>
  Object.fromEntries([...(told.get(model) ?? [])].map(([{ name, state }, value]) => [state ? `${name} ${state}` : name, value]));

describe('the text format of Prometheus', () => {
  it('is read with escapes, spaces, timestamps and lines that are nothing', () => {
    const text = [
      '# HELP a b',
      'a 1',
      'b{x="1",y="a\\"b\\\\c\\nd",} 2.5 1712345678',
      'c{ x = "no" } 3',
      'd{x="never ends} 4',
      'e NaN',
      'f -1',
      'g +Inf',
      '{} 1',
      'h{x="1"}7',
      'i{le="+Inf"} 1e3',
    ].join('\n');
    assert.deepEqual(
      samplesIn(text, every).map(({ name, labels, value }) => [name, Object.fromEntries(labels), value]),
      [
        ['a', {}, 1],
        ['b', { x: '1', y: 'a"b\\c\nd' }, 2.5],
        ['h', { x: '1' }, 7],
        ['i', { le: '+Inf' }, 1000],
      ],
    );
  });

  it('takes lines, labels and samples up to its bounds', () => {
    assert.deepEqual(samplesIn(`a{x="${'y'.repeat(longestPage.line)}"} 1\nb 2`, every).length, 1);
    const labels = (count: number) => Array.from({ length: count }, (_, at) => `l${at}="x"`).join(',');
    assert.equal(samplesIn(`a{${labels(longestPage.labels)}} 1\na{${labels(longestPage.labels + 1)}} 1`, every).length, 1);
    assert.throws(() => samplesIn('a 1\n'.repeat(longestPage.samples + 1), every), /more than/);
    assert.deepEqual(
      samplesIn('a 1\n'.repeat(longestPage.samples + 1), (name) => name !== 'a'),
      [],
    );
  });

  it('of any text gives numbers that are finite and not negative, of names that were asked for', () => {
    const part = fc.constantFrom('a', '{', '}', '"', '\\', ',', '=', ' ', '\n', '1', '1e9', '-1', 'NaN', 'Inf', 'le="', 'é', '\0');
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string({ maxLength: 5 })), { maxLength: 60 }), (parts) => {
        for (const { name, value } of samplesIn(parts.join(''), (each) => each === 'a')) {
          assert.equal(name, 'a');
          assert.ok(Number.isFinite(value) && value >= 0);
        }
      }),
    );
  });
});

describe('what a backend tells of its models', () => {
  it('is by model, of the first name that it has, and has the buckets of the gateway whatever its own are', () => {
    const page = [
      'vllm:time_per_output_token_seconds_count{model_name="m"} 9',
      'vllm:inter_token_latency_seconds_bucket{model_name="m",le="0.02"} 3',
      'vllm:inter_token_latency_seconds_bucket{model_name="m",le="0.1"} 2',
      'vllm:inter_token_latency_seconds_bucket{model_name="m",le="7"} 99',
      'vllm:inter_token_latency_seconds_count{model_name="m"} 5',
      'vllm:inter_token_latency_seconds_sum{model_name="m"} 1.5',
      'vllm:num_requests_running{model_name="n",engine="0"} 1',
      'vllm:num_requests_running{model_name="n",engine="1"} 2',
      'llamacpp:prompt_tokens_total 7',
    ].join('\n');
    const told = toldIn(page);
    const { time_per_output_token_seconds: value } = valuesOf(told, 'm');
    const family = families.find(({ name }) => name === 'time_per_output_token_seconds')!;
    const at = (bound: number) => (value as Exclude<Value, number>).buckets[family.buckets!.indexOf(bound)];
    assert.deepEqual([0.01, 0.025, 0.1, 5, 10].map(at), [0, 3, 3, 3, 5]);
    assert.deepEqual([(value as Exclude<Value, number>).sum, (value as Exclude<Value, number>).count], [1.5, 5]);
    assert.deepEqual(valuesOf(told, 'n'), { 'requests running': 3 });
    assert.deepEqual(valuesOf(told, ''), { prompt_tokens_total: 7 });
    assert.throws(() => toldIn('up 1\n'), /nothing that is passed on/);
  });

  it('of Ollama is read from a list of models, and from nothing else', () => {
    assert.deepEqual(
      [...loadedIn('{"models":[{"name":"a","size_vram":5},{"name":7},null,{"name":"b","size_vram":-1}]}').keys()],
      ['a', 'b'],
    );
    for (const text of ['', '[]', '{"models":{}}', 'null']) assert.throws(() => loadedIn(text));
  });

  it('has a bounded number of series whatever models it tells of, and whenever', async () => {
    const registry = new Registry();
    const labels = { namespace: 'shop', name: 'llm', backend: '10.0.0.1:80', cluster: '' };
    const counter = families.find(({ name }) => name === 'generated_tokens_total')!;
    let told: Told = new Map();
    const metrics = new ModelMetrics(registry, {
      pages: () => [{ owner: 'shop/llm', labels, outcome: 'read', told }],
      skipped: () => 0,
    });
    const seriesOf = async () =>
      (await registry.getSingleMetricAsString('frp_distributed_service_llm_generated_tokens_total'))
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .map((line) => line.slice(0, line.lastIndexOf('}')));
    const models = fc.array(fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('\n', 'é', '"', '\0', '__proto__', 'other')), {
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(models, { minLength: 1, maxLength: 5 }), async (times) => {
        metrics.keep(new Set());
        const seen = new Set<string>();
        for (const each of times) {
          told = new Map(each.map((model) => [model, new Map([[counter, 1]])]));
          for (const name of await seriesOf()) seen.add(name);
        }
        assert.ok(seen.size <= modelLimits.ofService + 1, `${seen.size}`);
      }),
    );
  });
});
