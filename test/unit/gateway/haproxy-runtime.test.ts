/** How HAProxy is brought to a configuration: the pure parts, and what is on disk. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { maxConnections, processSize } from '../../../src/gateway/haproxy/config/capacity.ts';
import { alertsIn } from '../../../src/gateway/haproxy/runtime/check.ts';
import { findCulprits } from '../../../src/gateway/haproxy/runtime/culprits.ts';
import { Generations } from '../../../src/gateway/haproxy/runtime/generations.ts';
import { changedServices, heldBack } from '../../../src/gateway/haproxy/runtime/held-back.ts';
import { portsIn, portsOnDisk, ReachedPorts } from '../../../src/gateway/haproxy/runtime/reached-ports.ts';
import { ReloadBudget, usersBudget } from '../../../src/gateway/haproxy/runtime/reload-budget.ts';
import type { ServedService, View } from '../../../src/gateway/ir/ir.ts';
import { exposuresOf } from '../../../src/model/exposure.ts';

describe('what makes HAProxy refuse a configuration', () => {
  const keys = Array.from({ length: 40 }, (_, index) => `n/s${index}`);

  it('is found whatever the services are, and everybody else stays', async () => {
    const someKeys = fc.uniqueArray(fc.constantFrom(...keys), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(someKeys, someKeys, async (bad, suspected) => {
        let questions = 0;
        const { culprits, undecided } = await findCulprits({
          keys,
          suspects: new Set(suspected),
          refusal: (asked) => {
            questions++;
            return Promise.resolve(asked.find((key) => bad.includes(key)));
          },
          isOver: () => false,
        });
        assert.deepEqual([...culprits.keys()].sort(), [...bad].sort());
        assert.deepEqual(undecided, []);
        assert.ok(questions <= 2 + (bad.length + suspected.length) * 2 * Math.ceil(Math.log2(keys.length) + 1), String(questions));
      }),
    );
  });

  it('is the later one of two that only together are refused', async () => {
    const { culprits } = await findCulprits({
      keys,
      suspects: new Set(['n/s3']),
      refusal: (asked) => Promise.resolve(asked.includes('n/s3') && asked.includes('n/s30') ? 'both' : undefined),
      isOver: () => false,
    });
    assert.deepEqual([...culprits], [['n/s3', 'both']]);
  });

  it('is looked for no longer than it may: what was not looked at is said, and what is good is kept', async () => {
    let left = 6;
    const asked: (readonly string[])[] = [];
    const { culprits, undecided } = await findCulprits({
      keys,
      suspects: new Set(),
      refusal: (part) => {
        left--;
        asked.push(part);
        return Promise.resolve(part.includes('n/s39') ? 'it' : undefined);
      },
      isOver: () => left === 0,
    });
    assert.equal(culprits.size, 0);
    assert.ok(undecided.includes('n/s39') && undecided.length < 10, String(undecided));
    assert.equal(asked.length, 6);
  });
});

test("HAProxy's alerts become sentences without paths and prefixes", () => {
  const output = `[NOTICE]   (1) : haproxy version is 2.6.12
[ALERT]    (1) : config : parsing [/run/frp-gateway/users/generations/7/haproxy.cfg:42] : unknown keyword 'bogus' in 'backend' section
[WARNING]  (1) : config : something else
[ALERT]    (1) : config : backend 'be-00' : unable to find file 'maps/a.map' referenced at [/run/x/haproxy.cfg:7].
[ALERT]    (1) : config : Error(s) found in configuration file : /run/x/haproxy.cfg
[ALERT]    (1) : config : Fatal errors found in configuration.`;
  assert.deepEqual(alertsIn(output), [
    { line: 42, text: "unknown keyword 'bogus' in 'backend' section" },
    { line: 7, text: "backend 'be-00' : unable to find file 'maps/a.map' referenced" },
  ]);
  assert.equal(alertsIn('').length, 1);
});

describe('reloads', () => {
  it('of one namespace that wants one all the time do not delay those of another', () => {
    let now = 0;
    const budget = new ReloadBudget(usersBudget, () => now);
    let reloads = 0;
    for (; now < 600_000; now += 1000)
      if (budget.waitMs(['loud']) === 0) {
        budget.spend(['loud']);
        reloads++;
      }
    assert.ok(reloads <= 10 + 600 / 15 + 1, `${reloads} in ten minutes`);
    assert.ok(budget.waitMs(['loud']) > 0);
    assert.ok(budget.waitMs(['quiet', 'loud']) <= 1000);
    now += 150_000;
    assert.equal(budget.waitMs(['loud']), 0, 'who was quiet for a while has all of its share again');
  });

  it('come at longer distances while old processes are there', () => {
    const budget = new ReloadBudget(usersBudget, () => 0);
    budget.spend([]);
    assert.deepEqual(
      [0, 2, 3, 4, 8].map((old) => budget.waitMs([], old)),
      [1000, 1000, 2000, 4000, 4000],
    );
  });
});

describe('a change that waits for a reload', () => {
  const served = (key: string, domain: string, more: Partial<ServedService> = {}): ServedService => {
    const [namespace, name] = key.split('/') as [string, string];
    const spec = {
      serviceType: 'http' as const,
      backends: { discovery: { mode: 'auto' as const } },
      expose: { type: 'domain' as const, domain },
    };
    const service = { apiVersion: 'frp.io/v1beta1' as const, kind: 'DistributedService' as const, metadata: { namespace, name }, spec };
    return { service, exposures: exposuresOf(spec, undefined), access: { kind: 'none' }, certificate: undefined, backends: [], ...more };
  };
  const backends = [{ name: 's-1', port: 1, weight: 1, isDraining: false, address: '' }];
  const before: View = {
    services: [served('a/one', 'one.example.com'), served('a/two', 'two.example.com'), served('b/x', 'x.example.com')],
  };
  const after: View = {
    services: [
      served('a/one', 'other.example.com', { backends }),
      served('b/x', 'x.example.com', { backends }),
      served('b/y', 'two.example.com'),
    ],
  };

  it('is known by service', () => {
    assert.deepEqual(changedServices(before, after).sort(), ['a/one', 'a/two', 'b/y']);
    assert.deepEqual(changedServices(before, { services: before.services.map((each) => ({ ...each, backends })) }), []);
  });

  it('leaves its namespace as it was but for its servers, and takes nothing from others', () => {
    const held = heldBack(before, after, new Set(['a']));
    assert.deepEqual(
      held.services.map(({ service, exposures, backends: servers }) => [
        service.metadata.name,
        exposures.map((exposure) => 'host' in exposure && exposure.host),
        servers.length,
      ]),
      [
        ['one', ['one.example.com'], 1],
        ['two', [], 0],
        ['x', ['x.example.com'], 1],
        ['y', ['two.example.com'], 0],
      ],
    );
  });
});

test('connections fit into the memory and into the open files', () => {
  for (const memory of [256, 1024, 8192].map((size) => size * 2 ** 20))
    assert.ok(maxConnections(memory, 300, 2) * 2 * 64 * 1024 <= memory * 0.6 + 1, `${memory}`);
  assert.equal(maxConnections(2 ** 30, 300, 2), 4915);
  assert.equal(maxConnections(2 ** 30, 0, 1), 9830);
  assert.equal(maxConnections(2 ** 30, 0, 2, 20_000), 2300);
  assert.equal(maxConnections(2 ** 30, 0, 1, 20_000), 8900);
  assert.equal(maxConnections(2 ** 30, 0, 2, 2 ** 20), 4915);
  assert.equal(processSize(1000), 32 * 2 ** 20 + 1000 * 192 * 1024);
});

describe('the configurations on disk', () => {
  const place = (t: TestContext) => {
    const at = mkdtempSync(join(tmpdir(), 'frp-generations-'));
    t.after(() => rmSync(at, { recursive: true, force: true }));
    return at;
  };
  const files = (config: string) =>
    new Map([
      ['haproxy.cfg', config],
      ['maps/a.map', 'a b\n'],
    ]);

  it('are whole at every moment: what is staged is in its place in one step, or gone', async (t) => {
    const at = place(t);
    const generations = new Generations(at);
    const path = await generations.stage(files('one'));
    assert.equal(readFileSync(path, 'utf8'), 'one');
    assert.ok(!existsSync(join(at, 'current')), 'not yet in use');
    await generations.commit();
    assert.equal(readFileSync(join(at, 'current/haproxy.cfg'), 'utf8'), 'one');
    await generations.stage(files('two'));
    await generations.discard();
    assert.equal(readFileSync(join(at, 'current/haproxy.cfg'), 'utf8'), 'one');
  });

  it('cost what has changed, are found again by the next agent, and do not pile up', async (t) => {
    const at = place(t);
    const generations = new Generations(at);
    for (const config of ['one', 'two', 'three']) {
      await generations.stage(files(config));
      await generations.commit();
    }
    assert.equal(statSync(join(at, 'current/maps/a.map')).nlink, 2, 'the same file as the one before, of which one is left');
    assert.equal(statSync(join(at, 'current/haproxy.cfg')).mode & 0o777, 0o600);
    const next = new Generations(at);
    assert.deepEqual(new Map([...(await next.current())!].sort()), files('three'));
    await next.stage(files('four'));
    await next.commit();
    assert.equal(readFileSync(join(at, 'current/haproxy.cfg'), 'utf8'), 'four');
  });
});

describe('ports that HAProxy reaches', () => {
  const pool = 2;
  const port = fc.integer({ min: 0, max: pool - 1 });
  const event = fc.oneof(
    fc.record({ kind: fc.constantFrom('open' as const, 'close' as const), service: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constantFrom('change' as const, 'settle' as const, 'reload' as const) }),
    fc.record({ kind: fc.constant('end' as const), which: port }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
  );

  it('are given to no other service as long as the process, or one from before a reload, has a server there', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 100, maxLength: 200 }), (events) => {
        let now = 0;
        const reached = new ReachedPorts(() => now);
        const owners = new Map<number, string>();
        let running = new Map<number, string>();
        const old = new Map<string, Map<number, string>>();
        let pid = 0;
        for (const each of events) {
          if (each.kind === 'open') {
            const free = [...Array(pool).keys()].find((at) => !owners.has(at) && !reached.has(at));
            if (free !== undefined) owners.set(free, each.service);
          } else if (each.kind === 'close') {
            const mine = [...owners].find(([, owner]) => owner === each.service);
            if (mine) owners.delete(mine[0]);
          } else if (each.kind === 'change') {
            reached.add(owners.keys());
            running = new Map(owners);
          } else if (each.kind === 'settle') reached.settle(new Set(running.keys()), [...old.keys()]);
          else if (each.kind === 'reload') {
            old.set(`${pid}`, running);
            reached.replaced(`${pid++}`);
          } else if (each.kind === 'end') old.delete([...old.keys()][each.which] ?? '');
          else if ('ms' in each) now += each.ms;
          for (const servers of [running, ...old.values()])
            for (const [at, owner] of servers) assert.ok([owner, undefined].includes(owners.get(at)), `port ${at}`);
        }
      }),
    );
  });

  it('are free again a minute after HAProxy was seen without them, however many processes there are from before reloads', () => {
    let now = 0;
    const reached = new ReachedPorts(() => now);
    reached.add([1, 2]);
    reached.settle(new Set([2]), []);
    assert.deepEqual([reached.has(1), reached.has(2)], [true, true]);
    now = 60_000;
    assert.deepEqual([reached.has(1), reached.has(2)], [false, true]);
    const many = Array.from({ length: 20 }, (_, old) => Array.from({ length: 1000 }, (_, index) => 10_000 + 1000 * old + index));
    for (const [old, ports] of many.entries()) {
      reached.add(ports);
      reached.replaced(`${old}`);
      reached.settle(new Set(), undefined);
    }
    now = 120_000;
    assert.ok(many.flat().filter((port) => reached.has(port)).length <= 7000);
    assert.ok(reached.has(many.at(-1)!.at(-1)!), 'the newest are kept');
  });

  it('are known from the configurations on disk, the one before too', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'ports-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const generations = new Generations(directory);
    const config = (port: number) => `backend be-a\n  server a 127.0.0.1:${port} weight 64 id 1\n`;
    for (const port of [1001, 1002, 1003]) {
      await generations.stage(new Map([['haproxy.cfg', config(port)]]));
      await generations.commit();
    }
    assert.deepEqual((await portsOnDisk(directory)).sort(), [1002, 1003]);
    assert.deepEqual(portsIn('# server x 127.0.0.1:1 \n  server b 10.0.0.1:2 weight 1\n'), []);
  });
});
