/** The NetworkPolicies let through who dials whom, and nothing else; a port without a row in the table is told. */
import { suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { defaultConfig } from '../../../src/config/schema.ts';
import { rows } from '../../cluster/support/strangers-table.ts';
import { objectsIn } from '../../../scripts/chart/base.ts';
import { flows, type Flow, type Who } from '../../support/flows.ts';
import { textOf } from '../../support/markdown.ts';
import { stoppedBy, type Connection, type End, type Policy } from '../../support/network-policies.ts';

const policies = [
  'install/network-policy',
  ...['installation', 'gateway', 'frp-server'].map((part) => `network-policies/${part}/policies`),
  'samples/frp-traffic-control',
].flatMap((file) => objectsIn(`manifests/${file}.yaml`).map((policy) => ({ ...policy }) as unknown as Policy));
for (const { metadata } of policies) metadata.namespace ??= 'frp-system';

interface Container {
  ports?: { name: string; containerPort: number }[];
}
/** Ports of the containers of each workload, by their names. */
const ports = new Map(
  ['install/webhook', 'install/controller', 'gateway/statefulset', 'frps/frp-server'].flatMap((file) =>
    objectsIn(`manifests/${file}.yaml`)
      .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
      .map((object) => {
        const { metadata, spec } = object as unknown as {
          metadata: { name: string };
          spec: { template: { spec: { containers: Container[]; initContainers?: Container[] } } };
        };
        const { containers, initContainers = [] } = spec.template.spec;
        const named = [...initContainers, ...containers].flatMap((container) => container.ports ?? []);
        return [metadata.name, Object.fromEntries(named.map(({ name, containerPort }) => [name, containerPort]))] as const;
      }),
  ),
);

const part = (app: string, namespace = 'frp-system'): End => ({ namespace, labels: { app }, ports: ports.get(app) ?? {} });
const parts: Partial<Record<Who, End>> = {
  'frp-webhook': part('frp-webhook'),
  'frp-controller': part('frp-controller'),
  'frp-server': part('frp-server'),
  'frp-gateway': part('frp-gateway', 'frp-gateway'),
};
const outside: End = { address: '203.0.113.7' };
const ends: Record<Exclude<Who, 'kubelet'>, End> = {
  ...(parts as Record<'frp-webhook' | 'frp-controller' | 'frp-server' | 'frp-gateway', End>),
  'injected Pods': { namespace: 'ai', labels: { app: 'ollama', 'frp.io/sidecar': 'injected' } },
  DNS: { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
  metrics: { namespace: 'monitoring', namespaceLabels: { 'frp.io/metrics': 'true' } },
  'API server': { address: '192.0.2.10' },
  users: outside,
  issuers: outside,
};
const stranger: End = { namespace: 'elsewhere', labels: { app: 'stranger' } };

const connection = ({ from, to, port, protocol }: Omit<Flow, 'why'>): Connection => ({
  from: ends[from as 'users'],
  to: ends[to as 'users'],
  port,
  protocol: protocol ?? 'TCP',
});
const listening = rows.filter(({ isLoopback }) => !isLoopback);
const isOwnPort = (to: Who, port: number) => flows.some((flow) => flow.to === to && flow.port === port && flow.until === undefined);
/** What of a range is to pass: not a port that is the part's own. */
const samplesOf = ({ to, port, until, protocol }: Flow): number[] =>
  until === undefined ? [port] : [port, 79, 5432, 6999, 7001, 9999, 25_565, 61_000, until].filter((one) => protocol === 'UDP' || !isOwnPort(to, one));

/** Whom no selector can tell from others: they are let in from anywhere, where a certificate or the service's own rules decide. */
const anybody = new Set<Who>(['users', 'injected Pods', 'API server']);
const isWanted = (from: Who | undefined, to: Who, port: number) =>
  flows.some((flow) => flow.to === to && flow.port === port && flow.until === undefined && (anybody.has(flow.from) || flow.from === from));

suite('the NetworkPolicies', () => {
  test('let through every row of the table', () => {
    const stopped = flows
      .filter(({ from }) => from !== 'kubelet')
      .flatMap((flow) => samplesOf(flow).map((port) => ({ ...flow, port })))
      .map((flow) => ({ flow, by: stoppedBy(policies, connection(flow)) }))
      .filter(({ by }) => by.length > 0);
    assert.deepEqual(stopped, []);
  });

  test('let nobody to another port of a part: no part, no user, no Pod of another namespace', () => {
    const from = new Map<Who | undefined, End>([...(Object.entries(ends) as [Who, End][]), [undefined, stranger]]);
    const opened = [...from].flatMap(([who, end]) =>
      listening
        .filter((row) => !isWanted(who, row.part, row.port))
        // Of the namespace of the installation each Pod may ask for metrics.
        .filter(({ port }) => !(end.namespace === 'frp-system' && port === defaultConfig.metricsPort))
        .filter((row) => stoppedBy(policies, { from: end, to: ends[row.part], port: row.port, protocol: 'TCP' }).length === 0)
        .map((row) => `${who ?? 'a stranger'} → ${row.part}:${row.port}`),
    );
    assert.deepEqual(opened, []);
  });

  test('let no part out to anything but what it needs', () => {
    const ways = (who: Who, to: End) =>
      [22, 53, 80, 443, 5432, 6443, 7000, 7500, 8080, 8443, 10_004].filter(
        (port) => stoppedBy(policies, { from: ends[who as 'users'], to, port, protocol: 'TCP' }).length === 0,
      );
    const out = (Object.keys(ends) as Who[])
      .filter((who) => parts[who] !== undefined || who === 'injected Pods')
      .map((who) => [who, ways(who, outside), ways(who, stranger)]);
    assert.deepEqual(out, [
      ['frp-webhook', [443, 6443], [443, 6443]],
      ['frp-controller', [443, 6443, 7000], [443, 6443, 7000]],
      ['frp-server', [], []],
      ['frp-gateway', [443, 6443], [443, 6443]],
      ['injected Pods', [], []],
    ]);
  });

  test('let nothing in to backends: users come over the tunnel', () => {
    for (const who of ['users', 'frp-gateway', 'frp-server', 'metrics'] as const)
      assert.ok(stoppedBy(policies, connection({ from: who, to: 'injected Pods', port: 8080 })).includes('ai/frp-traffic-control (ingress)'), who);
  });
});

suite('the table of who dials whom', () => {
  const has = (to: string, port: number) => flows.some((flow) => flow.to === to && flow.port === port && flow.until === undefined);

  test('has every port that a part listens at, that its manifest names, and that the configuration has', () => {
    const { port, metricsPort, frps, gateway } = defaultConfig;
    const known: [string, number][] = [
      ...listening.map((row): [string, number] => [row.part, row.port]),
      ...[...ports].flatMap(([app, named]) => Object.values(named).map((one): [string, number] => [app, one])),
      ['frp-webhook', port],
      ['frp-webhook', metricsPort],
      ['frp-controller', metricsPort],
      ['frp-server', frps.port],
      ...[gateway.tunnelPort, gateway.httpPort, gateway.httpsPort, gateway.apiPort].map((one): [string, number] => ['frp-gateway', one]),
    ];
    assert.ok(known.length > 25, String(known.length));
    assert.deepEqual(
      known.filter(([app, one]) => !has(app, one)),
      [],
    );
  });

  test('has no port that nobody listens at', () => {
    const unknown = flows
      .filter(({ to, until }) => parts[to] !== undefined && until === undefined)
      .filter(({ to, port }) => !listening.some((row) => row.part === to && row.port === port));
    assert.deepEqual(unknown, []);
  });

  test('is that of docs/guide/security.md', () => {
    const written = textOf('docs/guide/security.md')
      .split('\n')
      .filter((line) => /^\| [^|]+ \| [^|]+ \| [0-9–]+(\/udp)? \|/.test(line));
    const wanted = flows.map(
      ({ from, to, port, until, protocol, why }) =>
        `| ${from} | ${to} | ${port}${until === undefined ? '' : `–${until}`}${protocol === 'UDP' ? '/udp' : ''} | ${why} |`,
    );
    assert.deepEqual(written, wanted);
  });
});
