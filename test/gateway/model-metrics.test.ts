/** Metrics of language models through real tunnels: what is passed on, and what a backend that means harm costs. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { modelLimits } from '../../src/gateway/telemetry/pages/model-metrics.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { hostile, ollama, vllm } from './model-servers.ts';

const prefix = 'frp_distributed_service_llm';
let gateway: Gateway;
let joined = 0;

async function joins(name: string, server: Server): Promise<void> {
  const pod = { namespace: 'shop', name: `${name}-0`, uid: `7a2a6c1e-0000-4000-8000-${String(++joined).padStart(12, '0')}` };
  gateway.putPod(pod);
  await gateway.sidecar(pod, name, await gateway.listen(server));
}

const lines = async (): Promise<string[]> => (await gateway.get('/metrics', gateway.ports.operations)).body.split('\n');
/** Of the series of a service: names, labels that are the model's own, and value. */
async function series(name: string): Promise<Record<string, number>> {
  const found = (await lines()).filter((line) => line.startsWith(prefix) && line.includes(`name="${name}"`));
  return Object.fromEntries(
    found.map((line) => {
      const [, metric = '', labels = '', value] = /^frp_distributed_service_llm_([a-z_]+)\{(.*)\} (.*)$/.exec(line)!;
      const own = labels.split(/,(?=[a-z]+=")/).filter((label) => !/^(namespace|name|backend|cluster)=/.test(label));
      return [`${metric} ${own.join(' ')}`.trim(), Number(value)];
    }),
  );
}
/** What came of asking a service's backend. */
const outcome = async (name: string): Promise<string | undefined> =>
  (await lines()).map((line) => new RegExp(`^${prefix}_page_up\\{.*name="${name}".*outcome="([a-z_]+)"`).exec(line)?.[1]).find(Boolean);

describe('metrics of models', { timeout: 180_000 }, () => {
  before(async () => {
    gateway = await Gateway.start();
    gateway.putService(service('vllm', { metrics: { format: 'prometheus' } }));
    gateway.putService(service('ollama', { metrics: { format: 'ollama' } }));
    gateway.putService(service('silent', {}));
    await joins('vllm', vllm());
    await joins('ollama', ollama());
    for (const [name, answer] of Object.entries(hostile)) {
      gateway.putService(service(`evil-${name}`, { metrics: { format: 'prometheus' } }));
      await joins(`evil-${name}`, createServer(answer));
    }
  });
  after(() => gateway?.close());

  it('are passed on under one name, with the engines of a backend added up and the buckets of the gateway', async () => {
    await eventually('it serves', async () => (await gateway.request('vllm.example.com')).status === 200);
    const model = 'model="meta-llama/Llama-3.1-8B-Instruct"';
    await eventually('the request is counted', async () => (await series('vllm'))[`generated_tokens_total ${model}`]! > 0, 60_000);
    const told = await series('vllm');
    const requests = told[`generated_tokens_total ${model}`]! / 32;
    assert.ok(requests >= 1);
    assert.equal(told[`prompt_tokens_total ${model}`], 16 * requests);
    assert.equal(told[`time_to_first_token_seconds_count ${model}`], 2 * requests);
    const bucket = (bound: string) =>
      Object.entries(told).find(([key]) => key.startsWith('time_to_first_token_seconds_bucket') && key.includes(`le="${bound}"`))?.[1];
    assert.deepEqual([bucket('0.1'), bucket('0.25'), bucket('+Inf')], [0, 2 * requests, 2 * requests]);
    assert.equal(told[`requests state="waiting" ${model}`], 4);
    assert.equal(told[`cache_usage ${model}`], 0.5);
    assert.equal(told[`model_info ${model}`], 1);
    assert.equal(
      Object.keys(told).some((key) => key.includes('created') || key.includes('success')),
      false,
    );
  });

  it('of Ollama are the models that are loaded, with their memory', async () => {
    await eventually('the page is read', async () => (await outcome('ollama')) === 'read');
    const told = await series('ollama');
    assert.equal(told['model_info model="gemma3:4b"'], 1);
    assert.equal(told['model_memory_bytes model="gemma3:4b"'], 5_333_539_264);
    assert.equal(told['model_memory_bytes model="all-minilm:latest"'], 0);
  });

  it('are not asked for where nobody wants them', async () => {
    assert.equal(await outcome('silent'), undefined);
  });

  it('of backends that mean harm end at their bounds, are named, and cost the others nothing', async () => {
    const expected = {
      endless: 'too_large',
      silent: 'too_slow',
      slow: 'too_slow',
      elsewhere: 'refused',
      compressed: 'refused',
      'other-things': 'not_understood',
      'many-series': 'not_understood',
      'many-models': 'read',
    };
    for (const [name, wanted] of Object.entries(expected))
      await eventually(`${name} is ${wanted}`, async () => (await outcome(`evil-${name}`)) === wanted, 60_000);
    const models = Object.keys(await series('evil-many-models')).filter((key) => key.startsWith('generated_tokens_total'));
    assert.ok(models.length <= modelLimits.ofService + 1, `${models.length}`);
    assert.ok(models.some((key) => key.includes('model="other"')));
    for (const name of Object.keys(expected).filter((each) => each !== 'many-models'))
      assert.deepEqual(Object.keys(await series(`evil-${name}`)), [`page_up outcome="${expected[name as keyof typeof expected]}"`]);
    assert.equal(await outcome('vllm'), 'read');
    assert.equal((await gateway.request('vllm.example.com')).status, 200);
  });

  it('have what frps counts of all tunnels beside them', async () => {
    const told = (await lines()).filter((line) => line.startsWith('frp_gateway_frps_'));
    for (const line of ['up 1', `clients ${joined}`, `proxies{type="tcp"} ${joined}`])
      assert.ok(told.includes(`frp_gateway_frps_${line}`), told.join('\n'));
    assert.ok(
      told.some((line) => /^frp_gateway_frps_traffic_bytes_total\{direction="out"\} [1-9]/.test(line)),
      told.join('\n'),
    );
  });

  it('go with the service that asked for them', async () => {
    gateway.putService(service('ollama', {}));
    await eventually('they are gone', async () => Object.keys(await series('ollama')).length === 0);
  });
});
