import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { selectorText } from '../../../src/controller/connectors/selected-pods.ts';

describe('a label selector, as the API server takes it', () => {
  const cases: [Parameters<typeof selectorText>[0], string][] = [
    [{ matchLabels: { app: 'web', tier: 'front' } }, 'app=web,tier=front'],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'b'] }] }, 'app in (a,b)'],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['a'] }] }, 'app notin (a)'],
    [{ matchExpressions: [{ key: 'app', operator: 'Exists' }] }, 'app'],
    [{ matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }, '!app'],
    [{ matchLabels: { app: 'web' }, matchExpressions: [{ key: 'x.io/y', operator: 'Exists' }] }, 'app=web,x.io/y'],
  ];
  for (const [selector, text] of cases) it(text, () => assert.equal(selectorText(selector), text));
});
