/** The guide's table of ports is the one that the cluster suite asks by. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { rows, type Row } from '../../cluster/support/strangers-table.ts';
import { defaultConfig } from '../../../src/config/schema.ts';

const root = join(import.meta.dirname, '../../..');

suite('what strangers get', () => {
  test('the table of docs/guide/security.md has every row of the suite, in its order, and no other', () => {
    const text = readFileSync(join(root, 'docs/guide/security.md'), 'utf8');
    const written = text.split('\n').filter((line) => /^\| frp-/.test(line) && !line.startsWith('| `'));
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

  test('the gateway’s NetworkPolicy opens the ports that strangers are meant to reach, and none that names services or is for replicas', () => {
    interface Rule {
      ports: { port: number; endPort?: number }[];
      from?: object[];
    }
    const policy = parse(readFileSync(join(root, 'manifests/gateway/samples/network-policy.yaml'), 'utf8')) as { spec: { ingress: Rule[] } };
    const open = policy.spec.ingress.filter(({ from }) => from === undefined).flatMap(({ ports }) => ports);
    const isOpen = (wanted: number) => open.some(({ port, endPort = port }) => port <= wanted && wanted <= endPort);
    const { apiPort, httpPort, httpsPort } = defaultConfig.gateway;
    assert.deepEqual([7000, httpPort, httpsPort, 1, 5432, 9999, 10_005, 65_535].filter((port) => !isOpen(port)), []);
    assert.deepEqual([8081, 10_000, 10_001, apiPort].filter(isOpen), []);
  });
});
