/** The guide's table of ports is the one that the cluster suite asks by. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rows, type Row } from '../../cluster/support/strangers-table.ts';
import { defaultConfig } from '../../../src/config/schema.ts';

const root = join(import.meta.dirname, '../../..');

suite('what strangers get', () => {
  test('the table of docs/guide/security.md has every row of the suite, in its order, and no other', () => {
    const text = readFileSync(join(root, 'docs/guide/security.md'), 'utf8');
    const written = text.split('\n').filter((line) => /^\| frp-[a-z]+ \| [0-9]/.test(line));
    const portsOf = ({ port, until, protocol }: Row) => `${port}${until ? `–${until}` : ''}${protocol === 'udp' ? '/udp' : ''}`;
    const wanted = rows.map((row) => `| ${row.part} | ${portsOf(row)} | ${row.gets} |`);
    assert.deepEqual(written, wanted);
  });

  test('every port of the gateway is one that services may not claim', () => {
    const ports = rows.filter(({ part, until }) => part === 'frp-gateway' && until === undefined).map(({ port }) => port);
    assert.deepEqual(
      ports.filter((port) => !defaultConfig.gateway.reservedPorts.includes(port)),
      [],
    );
  });
});
