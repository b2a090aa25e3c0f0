/** Ports at which users of a service get no connection although it has healthy backends. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { closedPorts } from '../../../src/model/closed-ports.ts';
import { poolsOf } from '../../../src/model/pools.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';

const database = service('pg', {
  serviceType: 'tcp',
  backends: { discovery: { mode: 'auto' }, readWrite: { writePort: 5432, readPort: 5433 } },
}).spec;
const mail = service('mail', {
  serviceType: 'tcp',
  expose: {
    ports: [
      { name: 'smtp', port: 25 },
      { name: 'imap', port: 143 },
    ],
  },
}).spec;
const found = (spec: DistributedServiceSpec, ups: Record<string, number>, primaries: string[] = []) =>
  closedPorts(spec, { up: (pool) => ups[pool ?? ''], primaries });

describe('a port that leads to the primary', () => {
  it('is closed while no backend says that it is the primary, whatever can be read', () => {
    assert.deepEqual(found(database, { '': 0, read: 2 }), {
      reason: 'NoPrimary',
      message:
        'none that can be used says that it is the primary, so nobody can write at port 5432; let one answer GET /primary at port 8008 with 200',
    });
  });

  it('is closed while several say so, who are named where all of them are known', () => {
    assert.deepEqual(found(database, { '': 2, read: 0 }, ['pg-1', 'pg-0']), {
      reason: 'SeveralPrimaries',
      message:
        'pg-0 and pg-1 say that they are the primary, so nobody may begin to write at port 5432; end or demote all of them but the right one, so that it alone answers GET /primary at port 8008 with 200',
    });
    assert.match(found(database, { '': 3 }, ['pg-0'])!.message, /^3 backends say that they are the primary/);
  });
});

describe('a port of several', () => {
  it('is closed where no backend has it', () => {
    assert.deepEqual(found(mail, { smtp: 2, imap: 0 }), {
      reason: 'PortWithoutBackend',
      message:
        'none of them has port 143 (imap), so users get no connection there; restart the Pods and make the files of machines anew that are older than the port',
    });
  });
});

describe('the ports of a service', () => {
  it('are open exactly where there is one primary, or a backend at each port, and nothing is said of what is not known', () => {
    const count = fc.option(fc.nat({ max: 4 }), { nil: undefined });
    fc.assert(
      fc.property(fc.constantFrom(database, mail), fc.array(count, { minLength: 2, maxLength: 2 }), (spec, counts) => {
        const ups = new Map(poolsOf(spec).map(({ name }, at) => [name, counts[at]]));
        const problem = closedPorts(spec, { up: (pool) => ups.get(pool), primaries: [] });
        const isClosed = spec === database ? counts[0] !== undefined && counts[0] !== 1 : counts.includes(0);
        assert.equal(problem !== undefined, isClosed);
      }),
    );
  });

  it('are nothing to tell of where it has one alone', () => {
    assert.equal(found(service('web').spec, { '': 0 }), undefined);
  });
});
