/**
 * Answers of a language model: nothing for as long as the model is loaded, and then a token a second. Longer than anything waits
 * that knows of web apps alone; with FRPK8S_LONG=1 six and a half minutes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { ask } from './ask.ts';
import { apply, kubectl } from './kubectl.ts';
import { pod, script, service } from './objects.ts';
import { eventually } from './run.ts';

const { firstMs, tokens } = process.env.FRPK8S_LONG ? { firstMs: 90_000, tokens: 300 } : { firstMs: 35_000, tokens: 5 };
const name = 'long-answers';
const host = `${name}.example.com`;

/** Says in its log what it is asked for. */
const model = script(`require('node:http').createServer((request, answer) => {
  if (request.url !== '/generate') return answer.end('ready');
  console.log('asked by', request.method);
  let said = 0;
  const say = () => (++said < ${tokens} ? (answer.write('token ' + said + '\\n'), setTimeout(say, 1000)) : answer.end('token ' + said + '\\n'));
  setTimeout(say, ${firstMs});
}).listen(11434);`);

/**
 * Asks by GET and by POST.
 * @returns resolves when both answers have come whole, and the model was asked once for each
 */
export async function startLongAnswers(namespace: string, address: string): Promise<() => Promise<void>> {
  const backends = { discovery: { mode: 'auto', port: 11434 } };
  const loadBalancing = { healthCheck: { type: 'http', path: '/', interval: '5s', timeout: '2s' } };
  await apply(service(namespace, name, { serviceType: 'http', backends, expose: { domain: host }, loadBalancing }));
  const { container, frp } = { container: model, frp: { group: name, profile: 'ollama' } };
  await apply(pod({ namespace, name, frp, container, pod: { terminationGracePeriodSeconds: 1 } }));
  await eventually('the model', async () => assert.equal((await ask(address, { host })).body, 'ready'));
  const answers = Promise.all(['GET', 'POST'].map((method) => tokensOf(address, method)));
  // Whoever waits for them is told; until then nobody is.
  answers.catch(() => undefined);
  return async () => {
    const whole = Array.from({ length: tokens }, (_, at) => `token ${at + 1}\n`).join('');
    assert.deepEqual(await answers, [whole, whole]);
    const log = await kubectl('-n', namespace, 'logs', name, '-c', 'app');
    assert.deepEqual(log.match(/asked by \w+/g)?.sort(), ['asked by GET', 'asked by POST']);
  };
}

async function tokensOf(address: string, method: string): Promise<string> {
  const outgoing = request({ host: address, path: '/generate', method, headers: { host }, agent: false });
  outgoing.end(method === 'POST' ? '{"prompt":"why?"}' : undefined);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  assert.equal(incoming.statusCode, 200);
  let text = '';
  for await (const part of incoming.setEncoding('utf8')) text += String(part);
  return text;
}
