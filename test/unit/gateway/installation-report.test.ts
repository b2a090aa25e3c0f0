/** What a replica tells of the whole installation: /api/installation. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reportSections } from '../../../src/explain/service.ts';
import { statusAtHome } from '../../../src/explain/status.ts';
import { answerTo } from '../../../src/gateway/api/questions.ts';
import { Inspection } from '../../../src/gateway/api/inspection.ts';
import type { InstallationReport } from '../../../src/gateway/api/report-types.ts';
import { backendName } from '../../../src/gateway/haproxy/config/names.ts';
import type { ServerStats } from '../../../src/gateway/haproxy/index.ts';
import { serverName } from '../../../src/gateway/ir/server-name.ts';
import { joinedClusters } from '../../../src/gateway/links/joined.ts';
import type { Seen } from '../../../src/gateway/links/link-store.ts';
import type { ServedService } from '../../../src/gateway/ir/ir.ts';
import type { Member } from '../../../src/gateway/members/members.ts';
import { service } from '../../support/services.ts';

const member = (cluster: string, pod: string): Member => ({
  name: `shop.web.0a1b2c3d.${pod}`,
  service: 'shop/web',
  backendId: pod,
  identity: { cluster, namespace: 'shop', pod, uid: pod },
  origins: [],
  port: 1,
});

const members = [member('edge', 'one'), member('', 'two'), member('edge', 'three')];
const stats = members.map(({ service, backendId }, index) => ({
  backend: backendName(service),
  server: serverName(service, backendId),
  status: index === 0 ? 'down' : 'up',
})) as ServerStats[];

const pool = (name: string, more: Partial<ServedService> = {}): ServedService => ({
  service: service(name),
  exposures: [],
  access: { kind: 'none' },
  certificate: undefined,
  backends: [],
  ...more,
});

const expiry = (name: string, expires: string) => ({ name, subject: name, expires });

describe('what a replica tells of the installation', () => {
  it('is who is behind it by cluster, which certificates end first, who has joined, and who was turned away', async () => {
    const inspection = new Inspection({
      replica: 'frp-gateway-0',
      view: () => ({ services: [pool('web')] }),
      members: { all: members, sinceOf: () => undefined },
      stats: () => Promise.resolve(stats),
      traffic: { perSecond: () => 0, quantiles: () => new Map() },
      unserved: () => undefined,
      names: () => [],
      configurations: () => Promise.resolve({}),
      refusals: () => [{ service: 'shop/web', pod: 'x', uid: 'u', cluster: 'edge', code: 'NotYourGroup', reason: 'no', at: 0 }],
      certificates: () => [expiry('late', '2030-01-01T00:00:00.000Z'), expiry('soon', '2026-01-01T00:00:00.000Z')],
      joined: () => Promise.resolve([{ cluster: 'edge', isLinked: true, services: 1, backends: 2 }]),
    });
    const answer = (await answerTo('/api/installation', inspection)) as { value: InstallationReport };
    assert.deepEqual(answer.value, {
      replica: 'frp-gateway-0',
      clusters: [
        { up: 1, registered: 1 },
        { cluster: 'edge', up: 1, registered: 2 },
      ],
      certificates: [expiry('soon', '2026-01-01T00:00:00.000Z'), expiry('late', '2030-01-01T00:00:00.000Z')],
      joined: [{ cluster: 'edge', isLinked: true, services: 1, backends: 2 }],
      refusals: [{ service: 'shop/web', pod: 'x', cluster: 'edge', reason: 'NotYourGroup', message: 'no', at: '1970-01-01T00:00:00.000Z' }],
    });
  });

  it('says of a cluster that its link is up where a replica has seen it so lately', async () => {
    const seen = (at: number, isLinked = true): Seen => ({ at, isLinked, services: 3, backends: at });
    const store = (each: Seen[]) => ({
      seenMs: 100,
      clusters: () => Promise.resolve(new Map([['edge', {} as never]])),
      seen: () => Promise.resolve(each),
    });
    const of = async (each: Seen[]) => (await joinedClusters(store(each), 1000))[0]!;
    assert.deepEqual(await of([seen(950), seen(10, false)]), {
      cluster: 'edge',
      isLinked: true,
      seen: '1970-01-01T00:00:00.950Z',
      services: 3,
      backends: 950,
    });
    assert.equal((await of([seen(850)])).isLinked, false);
    assert.equal((await of([])).seen, undefined);
  });
});

describe('what a replica tells of a service with several pools', () => {
  const tunnel = (key: string, pod: string, portName?: string): Member => ({
    ...member('', pod),
    name: `${key}.${pod}.${portName}`,
    service: key,
    ...(portName !== undefined && { portName }),
  });
  const statsOf = (key: string, pod: string, status: 'up' | 'down', current = 0) =>
    ({ backend: backendName(key), server: serverName(key, pod), status, current, check: 'L4OK' }) as ServerStats;
  const inspected = (pools: ServedService[], all: Member[], verdicts: ServerStats[]) =>
    new Inspection({
      replica: 'frp-gateway-0',
      view: () => ({ services: pools }),
      members: { all, sinceOf: () => undefined },
      stats: () => Promise.resolve(verdicts),
      traffic: { perSecond: (servers) => servers.length, quantiles: () => new Map() },
      unserved: (key) => (key === 'shop/mail' || key === 'shop/pg' ? undefined : { reason: 'UnknownService', message: key }),
      names: () => ['shop/mail', 'shop/pg'],
      configurations: () => Promise.resolve({}),
      refusals: () => [],
    });

  it('is of several ports each backend once, with how many do not have all of theirs, and each tunnel by its port', async () => {
    const pools = [pool('mail:imap'), pool('mail:smtp')];
    const all = ['one', 'two'].flatMap((pod) => [tunnel('shop/mail', pod, 'imap'), tunnel('shop/mail', pod, 'smtp')]);
    const verdicts = [
      statsOf('shop/mail:imap', 'one', 'up', 1),
      statsOf('shop/mail:smtp', 'one', 'up', 2),
      statsOf('shop/mail:imap', 'two', 'up', 4),
      statsOf('shop/mail:smtp', 'two', 'down'),
    ];
    const report = (await inspected(pools, all, verdicts).service('shop/mail'))!;
    assert.deepEqual(
      [report.unserved, report.up, report.partial, report.registered, report.current, report.perSecond],
      [undefined, 2, 1, 2, 7, 4],
    );
    assert.deepEqual(
      report.backends.map(({ pod, port, state }) => `${pod} ${port} ${state}`),
      ['one imap up', 'one smtp up', 'two imap up', 'two smtp down'],
    );
  });

  it('is Degraded, and not without a backend, where each backend lacks another port', async () => {
    const pools = [pool('mail:imap'), pool('mail:smtp')];
    const all = ['one', 'two'].flatMap((pod) => [tunnel('shop/mail', pod, 'imap'), tunnel('shop/mail', pod, 'smtp')]);
    const ups = [
      ['imap', 'one', 'up'],
      ['smtp', 'one', 'down'],
      ['imap', 'two', 'down'],
      ['smtp', 'two', 'up'],
    ] as const;
    const answer = await inspected(
      pools,
      all,
      ups.map(([port, pod, status]) => statsOf(`shop/mail:${port}`, pod, status)),
    ).summary('shop');
    const row = () => statusAtHome({ heard: [{ replica: 'frp-gateway-0', answer }], problems: [] }, '').services[0];
    assert.deepEqual([row()?.state, row()?.active, row()?.total], ['Degraded', 2, 2]);
  });

  it('is of roles a backend up in the one that it has, and nothing of the tunnel at which it tells it', async () => {
    const pools = [pool('pg', { role: 'primary' }), pool('pg:read', { role: 'replica' })];
    const all = ['one', 'two'].flatMap((pod) => [tunnel('shop/pg', pod), tunnel('shop/pg', pod, '~role')]);
    const verdicts = [
      statsOf('shop/pg', 'one', 'up'),
      statsOf('shop/pg:read', 'one', 'down'),
      statsOf('shop/pg', 'two', 'down'),
      statsOf('shop/pg:read', 'two', 'up'),
    ];
    const report = (await inspected(pools, all, verdicts).service('shop/pg'))!;
    assert.deepEqual([report.up, report.registered], [2, 2]);
    assert.deepEqual(
      report.backends.map(({ pod, state }) => `${pod} ${state}`),
      ['one up', 'two up'],
    );
  });

  it('says of two primaries that nobody may begin to write, and so does the status of a gateway that has no cluster', async () => {
    const { spec, ...rest } = service('pg', {
      serviceType: 'tcp',
      backends: { discovery: { mode: 'auto' }, readWrite: { writePort: 5432, readPort: 5433 } },
    });
    const pools = [pool('pg', { role: 'primary' }), pool('pg:read', { role: 'replica' })].map((each) => ({
      ...each,
      service: { ...rest, spec, metadata: each.service.metadata },
    }));
    const all = ['one', 'two'].flatMap((pod) => [tunnel('shop/pg', pod), tunnel('shop/pg', pod, '~role')]);
    const inspection = inspected(
      pools,
      all,
      ['one', 'two'].flatMap((pod) => [statsOf('shop/pg', pod, 'up'), statsOf('shop/pg:read', pod, 'down')]),
    );
    const report = (await inspection.service('shop/pg'))!;
    assert.equal(report.closed?.reason, 'SeveralPrimaries');
    assert.match(report.closed.message, /^one and two say that they are the primary/);
    const [backends] = reportSections('shop/pg', [{ replica: 'gw', answer: report }], 0).filter(({ title }) => title === 'Backends');
    assert.deepEqual([backends?.lines[0]?.level, backends?.lines[0]?.reason], ['error', 'SeveralPrimaries']);
    const heard = [{ replica: 'gw', answer: await inspection.summary() }];
    const row = statusAtHome({ heard, problems: [] }, '').services.find(({ service: key }) => key === 'shop/pg');
    assert.deepEqual([row?.state, row?.reason], ['Degraded', 'SeveralPrimaries']);
  });
});
