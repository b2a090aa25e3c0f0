/** A host, or a port, that three services claim: whoever has it goes, under load. What users get meanwhile is nobody else's. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DistributedService } from '../../src/model/types.ts';
import { service } from '../support/services.ts';
import { Gateway } from './agent-harness.ts';
import { eventually } from './eventually.ts';
import { freePort } from './haproxy-harness.ts';

type Spec = Parameters<typeof service>[1];

const namespaces = ['first', 'second', 'third'] as const;
type Namespace = (typeof namespaces)[number];
/** From the deletion of the holder until the next one serves; milliseconds. */
const nextWithinMs = 2000;

/** As the controller has judged it: one has what it claims, and the others have lost it. */
function claimant(namespace: Namespace, spec: Spec, holder: Namespace, generation = 1): DistributedService {
  const made = service('web', spec, namespace);
  const judged = namespace === holder ? ({ status: 'True' } as const) : ({ status: 'False', reason: 'HostConflict' } as const);
  return {
    ...made,
    metadata: { ...made.metadata, generation, creationTimestamp: `2026-01-01T00:0${namespaces.indexOf(namespace)}:00Z` },
    status: { observedGeneration: 1, conditions: [{ type: 'ConfigurationValid', ...judged }] },
  };
}

/** All of them have a Pod with a tunnel, and the first serves. Asks all the time. */
async function contested(t: TestContext, spec: Spec, ask: (gateway: Gateway) => Promise<{ status: number; body: string }>) {
  const gateway = await Gateway.start();
  t.after(() => gateway.close());
  for (const [end, namespace] of namespaces.entries()) {
    const pod = { namespace, name: `app-${end}`, uid: `5c2a6c1e-0000-4000-8000-00000000000${end}` };
    gateway.putService(claimant(namespace, spec, 'first'));
    gateway.putPod(pod);
    await gateway.sidecar(pod, 'web', (await gateway.app(namespace)).port);
  }
  const members = async () => JSON.parse((await gateway.get('/api/proxy/tcp', gateway.ports.frpsApi)).body) as { proxies: unknown[] };
  await eventually('all have members', async () => (await members()).proxies.length === namespaces.length);
  const said = () =>
    ask(gateway).then(
      ({ status, body }) => (status === 200 ? body : `status ${status}`),
      (error: Error) => error.message,
    );
  await eventually('the first serves', async () => (await said()) === 'first');
  const answers: string[] = [];
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      answers.push(await said());
      await sleep(10);
    }
  })();
  t.after(async () => {
    isOver = true;
    await load;
  });
  /** The answers since the last call: before the first one of whoever is due, and from there on, 20 at least. */
  const until = async (namespace: Namespace, limitMs: number) => {
    await eventually(`${namespace} serves`, () => answers.at(-1) === namespace, limitMs);
    const from = answers.indexOf(namespace);
    await eventually('more answers', () => answers.length > from + 20);
    return { before: answers.splice(0, from), after: answers.splice(0) };
  };
  return { gateway, until };
}

const path = (namespace: Namespace) => `/apis/frp.io/v1beta1/namespaces/${namespace}/distributedservices/web`;

const exposures: [what: string, make: () => Promise<{ spec: Spec; own: Spec; ask: (gateway: Gateway) => ReturnType<Gateway['get']> }>][] = [
  [
    'host',
    async () => {
      const host = 'fought.example.com';
      const at = (domain: string): Spec => ({ expose: { type: 'domain', domain } });
      return { spec: at(host), own: at('own.example.com'), ask: (gateway) => gateway.request(host) };
    },
  ],
  [
    'port',
    async () => {
      const [port, other] = [await freePort(), await freePort()];
      const at = (own: number): Spec => ({ serviceType: 'tcp', expose: { type: 'port', port: own } });
      return { spec: at(port), own: at(other), ask: (gateway) => gateway.get('/', port) };
    },
  ],
];

for (const [what, make] of exposures)
  test(`a ${what} that three services claim is the next one's within two seconds of its holder's deletion, and of its moving away, and nobody else's`, async (t) => {
    const { spec, own, ask } = await make();
    const { gateway, until } = await contested(t, spec, ask);
    const isFailure = (answer: string) => !(namespaces as readonly string[]).includes(answer);
    const isOnly = (answers: readonly string[], ...expected: string[]) =>
      assert.deepEqual(
        answers.filter((answer) => !isFailure(answer) && !expected.includes(answer)),
        [],
      );
    gateway.api.remove(path('first'));
    const deleted = await until('second', nextWithinMs);
    isOnly(deleted.before, 'first');
    assert.deepEqual([...new Set(deleted.after)], ['second']);
    gateway.putService(claimant('second', own, 'second', 2));
    const moved = await until('third', nextWithinMs);
    isOnly(moved.before, 'second');
    assert.deepEqual([...new Set(moved.after)], ['third']);
    // Made again, it is younger than whoever has it now.
    gateway.putService(claimant('third', spec, 'third'));
    const { status: _none, ...again } = claimant('first', spec, 'third');
    gateway.putService({ ...again, metadata: { ...again.metadata, creationTimestamp: '2026-01-01T01:00:00Z' } });
    await sleep(1000);
    assert.deepEqual([...new Set((await until('third', nextWithinMs)).after)], ['third']);
  });
