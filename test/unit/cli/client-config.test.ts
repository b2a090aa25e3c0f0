import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portsOption } from '../../../src/cli/client-config.ts';

describe('the ports of a machine outside any cluster', () => {
  it('are one, or one for each port of the service by name', () => {
    assert.deepEqual(portsOption('3000'), { localPort: 3000 });
    assert.deepEqual(portsOption('smtp=25,imap=143'), { localPort: 25, localPorts: { smtp: 25, imap: 143 } });
  });

  for (const text of [
    '',
    '0',
    'smtp=',
    'smtp=25,143',
    'smtp=25,smtp=26',
    'Smtp=25',
    '=25',
    Array.from({ length: 33 }, (_, i) => `p${i}=1`).join(),
  ])
    it(`are not ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => portsOption(text), /client-config: --port/));
});
