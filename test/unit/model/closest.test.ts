import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closest } from '../../../src/closest.ts';

describe('the name that was probably meant', () => {
  const cases: [name: string, candidates: string[], meant: string | undefined][] = [
    ['wbe', ['web', 'admin'], 'web'],
    ['admim', ['web', 'admin'], 'admin'],
    ['fronted', ['frontend', 'backend'], 'frontend'],
    ['api', ['web', 'db', 'admin'], undefined],
    ['db', ['dc', 'ab', 'web'], undefined],
    ['x', ['y', ''], undefined],
    ['shop', ['stop', 'ship-yard'], 'stop'],
    ['cache', ['queue'], undefined],
    ['shopping-cart', ['my-shopping-cart', 'shopping'], 'my-shopping-cart'],
    ['frontend-of-shop', ['end-of-shop', 'front-of-shpo'], 'front-of-shpo'],
    ['constructor', ['constructors'], 'constructors'],
  ];
  for (const [name, candidates, meant] of cases) {
    it(`for "${name}" among ${candidates.join(', ')} is ${meant ?? 'none'}`, () => assert.equal(closest(name, candidates), meant));
  }
});
