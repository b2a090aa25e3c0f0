import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { WarmUp } from '../../../src/gateway/replicas/warm-up.ts';
import { ordinalProblem, replicasOf } from '../../../src/gateway/replicas/peers.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a replica', () => {
  const config = configSchema.parse({ gateway: { addresses: ['a.example.com', 'b.example.com'] } });

  it('beyond the addresses can have no sidecar, and says so', () => {
    assert.equal(ordinalProblem('frp-gateway-1', config), undefined);
    assert.match(ordinalProblem('frp-gateway-2', config)!, /2 addresses and none for Pod frp-gateway-2/);
    assert.match(ordinalProblem('laptop', config)!, /none for Pod laptop/);
    assert.deepEqual(
      replicasOf('frp-gateway-1', config).map(({ host }) => host),
      ['frp-gateway-0.frp-gateway.frp-gateway.svc', 'frp-gateway-1.frp-gateway.frp-gateway.svc'],
    );
  });

  it('is Ready once it has what the others have', async () => {
    const here = new Set<string>();
    const warmUp = new WarmUp({ peers: () => [Promise.resolve(new Set(['shop/web']))], own: async () => here, everyMs: 5 });
    await pause(20);
    assert.match(warmUp.problem!, /shop\/web/);
    here.add('shop/web').add('shop/api');
    await warmUp.done;
    assert.equal(warmUp.problem, undefined);
  });

  it('is Ready when the time is over, though another cannot be asked', async () => {
    const problems = new Set<string | undefined>();
    const warmUp = new WarmUp({
      peers: () => [Promise.reject(new Error('away'))],
      own: async () => new Set(),
      everyMs: 5,
      limitMs: 500,
    });
    const looks = setInterval(() => problems.add(warmUp.problem), 1);
    await warmUp.done;
    clearInterval(looks);
    assert.ok(problems.has('1 of 1 other replicas cannot be asked'), [...problems].join('; '));
    assert.equal(warmUp.problem, undefined);
  });
});
