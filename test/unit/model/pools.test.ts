/** The pools of a service and the ports of its backends, whatever the API server lets in. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { exposuresOf } from '../../../src/model/exposure.ts';
import { backendPortsOf, partKey, poolsOf, splitPartKey } from '../../../src/model/pools.ts';
import { rolePortName } from '../../../src/model/ports.ts';
import { validService } from './arbitrary.ts';

const distinct = (values: readonly unknown[]) => new Set(values).size === values.length;

it('each pool has a name of its own, leads to a port that every backend has, and users come to no port that is no pool’s', () => {
  fc.assert(
    fc.property(validService, ({ spec }) => {
      const [pools, ports, exposures] = [poolsOf(spec), backendPortsOf(spec), exposuresOf(spec, 'example.com')];
      assert.ok(pools.length > 0);
      assert.ok(distinct(pools.map(({ name }) => name)));
      assert.ok(distinct(ports.map(({ name }) => name)));
      const used = new Set(pools.map(({ backendPort }) => backendPort));
      for (const name of used) assert.ok(ports.some((port) => port.name === name));
      const unused = ports.filter(({ name }) => !used.has(name)).map(({ name }) => name);
      assert.deepEqual(unused, pools.some(({ role }) => role) ? [rolePortName] : []);
      for (const exposure of exposures)
        if ('port' in exposure) assert.equal(pools.find(({ name }) => name === exposure.name)?.port, exposure.port);
    }),
    { numRuns: 300 },
  );
});

it('a key of a pool names its service and the pool, and is no other service’s', () => {
  for (const name of [undefined, 'read', 'imap'])
    for (const service of ['pg', 'shop/pg']) assert.deepEqual(splitPartKey(partKey(service, name)), [service, name]);
  assert.equal(partKey('shop/pg', undefined), 'shop/pg');
});
