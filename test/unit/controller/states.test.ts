import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statusSchema } from '../../../src/model/schema.ts';
import {
  isLegal,
  stepTowards,
  targetState,
  transitions,
  type Eligibility,
  type State,
} from '../../../src/controller/status/state-machine.ts';

const states = statusSchema.properties.state.enum;

/** The table of src/controller/status/state-machine.ts, written down a second time. */
const legal: [from: State, to: State][] = [
  ['Pending', 'Provisioning'],
  ['Provisioning', 'Running'],
  ['Provisioning', 'Failed'],
  ['Running', 'Updating'],
  ['Running', 'Degraded'],
  ['Running', 'Failed'],
  ['Updating', 'Running'],
  ['Updating', 'Degraded'],
  ['Updating', 'Failed'],
  ['Degraded', 'Running'],
  ['Degraded', 'Updating'],
  ['Degraded', 'Failed'],
  ['Failed', 'Provisioning'],
  ['Failed', 'Running'],
  ...states.filter((state) => state !== 'Terminating').map((state): [State, State] => [state, 'Terminating']),
];

describe('the transitions of a service', () => {
  const isListed = (from: State, to: State) => legal.some(([a, b]) => a === from && b === to);
  for (const from of states) {
    for (const to of states) {
      const listed = isListed(from, to);
      it(`${listed ? 'lead' : 'never lead'} from ${from} to ${to} in one step`, () => {
        assert.equal(isLegal(from, to), listed);
        if (from !== to) assert.equal(stepTowards(from, to) === to, listed);
      });
    }
  }

  it('are walked one legal step at a time, by the shortest way, and nowhere else', () => {
    for (const from of states) {
      for (const to of states) {
        const way = [from];
        while (way.at(-1) !== to) {
          const at = way.at(-1)!;
          const next = stepTowards(at, to);
          if (next === at) break;
          assert.ok(isLegal(at, next), `${at} to ${next}`);
          way.push(next);
        }
        const isReachable = to !== 'Pending' && from !== 'Terminating';
        if (isReachable) assert.equal(way.at(-1), to, way.join(' '));
        else assert.deepEqual(way, [from]);
        assert.ok(way.length <= 4, way.join(' '));
      }
    }
  });

  it('have no way to a state that the table does not name', () => {
    assert.deepEqual(Object.keys(transitions).sort(), [...states].sort());
  });

  it('go by way of Provisioning when a new service cannot be used', () => {
    assert.equal(stepTowards('Pending', 'Failed'), 'Provisioning');
    assert.equal(stepTowards('Provisioning', 'Degraded'), 'Running');
    assert.equal(stepTowards('Failed', 'Degraded'), 'Running');
  });
});

describe('the state that the facts call for', () => {
  const facts = (serving: number, failing: number, changes: Partial<Eligibility> = {}): Eligibility => ({
    isUsable: true,
    isOutdated: false,
    backends: { serving, failing },
    ...changes,
  });
  const unknown = { backends: undefined };
  const table: [name: string, before: State, eligibility: Eligibility, target: State][] = [
    ['no backend yet', 'Pending', facts(0, 0), 'Provisioning'],
    ['no backend yet', 'Provisioning', facts(0, 0), 'Provisioning'],
    ['the first healthy backend', 'Provisioning', facts(1, 0), 'Running'],
    ['some healthy, some not', 'Provisioning', facts(1, 1), 'Degraded'],
    ['none that ever came up', 'Provisioning', facts(0, 2), 'Provisioning'],
    ['all healthy', 'Running', facts(3, 0), 'Running'],
    ['one unhealthy', 'Running', facts(2, 1), 'Degraded'],
    ['none left', 'Running', facts(0, 0), 'Degraded'],
    ['all unhealthy', 'Running', facts(0, 3), 'Failed'],
    ['an older configuration', 'Running', facts(3, 0, { isOutdated: true }), 'Updating'],
    ['an older configuration and one unhealthy', 'Degraded', facts(2, 1, { isOutdated: true }), 'Updating'],
    ['an older configuration and all unhealthy', 'Updating', facts(0, 1, { isOutdated: true }), 'Failed'],
    ['a port without a backend', 'Running', facts(2, 0, { isPartlyClosed: true }), 'Degraded'],
    ['a port without a backend from the start', 'Provisioning', facts(2, 0, { isPartlyClosed: true }), 'Provisioning'],
    ['a port without a backend and an older configuration', 'Running', facts(2, 0, { isPartlyClosed: true, isOutdated: true }), 'Updating'],
    ['all restarted', 'Updating', facts(3, 0), 'Running'],
    ['all healthy again', 'Degraded', facts(3, 0), 'Running'],
    ['still none', 'Degraded', facts(0, 0), 'Degraded'],
    ['one healthy again', 'Failed', facts(1, 2), 'Degraded'],
    ['still all unhealthy', 'Failed', facts(0, 2), 'Failed'],
    ['all unhealthy ones gone', 'Failed', facts(0, 0), 'Provisioning'],
    ['a configuration that cannot be served', 'Running', facts(3, 0, { isUsable: false }), 'Failed'],
    ['a configuration that cannot be served', 'Pending', facts(0, 0, { isUsable: false }), 'Failed'],
    ['a server that cannot be asked', 'Running', facts(0, 0, unknown), 'Running'],
    ['a server that cannot be asked', 'Degraded', facts(0, 0, unknown), 'Degraded'],
    ['a server that cannot be asked', 'Pending', facts(0, 0, unknown), 'Provisioning'],
    ['a server that cannot be asked', 'Failed', facts(0, 0, unknown), 'Failed'],
    ['a mended configuration and a server that cannot be asked', 'Failed', facts(0, 0, { ...unknown, wasUnusable: true }), 'Provisioning'],
    ['anything', 'Terminating', facts(3, 0), 'Terminating'],
  ];
  for (const [name, before, eligibility, target] of table)
    it(`is ${target} after ${before} with ${name}`, () => assert.equal(targetState(before, eligibility), target));
});
