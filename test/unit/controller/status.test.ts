import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultConfig } from '../../../src/config/schema.ts';
import { judge, type Backend } from '../../../src/controller/backends/health.ts';
import type { ProxyCounts } from '../../../src/controller/backends/health.ts';
import { needsGateway } from '../../../src/controller/status/configuration-checks.ts';
import { eventsBetween } from '../../../src/controller/status/events.ts';
import { isLegal, transitions } from '../../../src/controller/status/state-machine.ts';
import { nextStatus, terminatingStatus, type StatusFacts } from '../../../src/controller/status/status.ts';
import { statusSchema } from '../../../src/model/schema.ts';
import type { DistributedService, DistributedServiceStatus } from '../../../src/model/types.ts';

const day = 86_400_000;
const now = Date.parse('2030-01-01T00:00:00Z');
const today = '2030-01-01T00:00:00Z';
const tomorrow = '2030-01-02T00:00:00Z';

const service = (changes: Partial<DistributedService> = {}): DistributedService => ({
  apiVersion: 'frp.io/v1beta1',
  kind: 'DistributedService',
  metadata: { name: 'api', namespace: 'prod', uid: 'u1', generation: 3 },
  spec: { serviceType: 'http', backends: {} },
  ...changes,
});

/** Backends a, b, … of which the frp server has these proxies. */
function judged(...counts: (ProxyCounts | undefined)[]) {
  const backends: Backend[] = counts.map((_, i) => ({ id: `u${i}`, name: `api-${i}`, address: `10.0.0.${i}`, port: 80, proxies: 1 }));
  return judge(backends, { now, isUdp: false, graceUntil: 0, countsOf: (id) => counts[Number(id.slice(1))] });
}
/** One backend. @param more of it */
function judgedFrom(more: Partial<Backend>, counts?: ProxyCounts) {
  const backend: Backend = { id: 'u0', name: 'api-0', address: '10.0.0.0', port: 80, proxies: 1, ...more };
  return judge([backend], { now, isUdp: false, graceUntil: 0, countsOf: () => counts });
}
const howToAnnotate =
  '0 backends available; no Pod of this namespace has a sidecar for it: put frp.io/group: api on a Pod template; where it is there, see why no Pods are: frp-k8s check -n prod';
const up = { online: 1, offline: 0 };
const down = { online: 0, offline: 1 };

const facts = (changes: Partial<StatusFacts> = {}): StatusFacts => ({
  problem: undefined,
  certificates: { ready: true },
  server: { status: 'reachable' },
  judgement: judged(),
  externalEndpoint: 'http://api.example.com/',
  selector: undefined,
  ...changes,
});
const taken = { ready: false, reason: 'NameTaken', message: 'Secret prod/frp-api-tls exists' } as const;

/** Every status that is written on the way, as the controller writes them. */
function writes(from: DistributedService, found: StatusFacts, at = now): DistributedServiceStatus[] {
  const written: DistributedServiceStatus[] = [];
  for (let current = from; ; current = { ...current, status: written.at(-1)! }) {
    const status = nextStatus(current, found, at);
    if (!status) return written;
    written.push(status);
  }
}
const settled = (found = facts(), from = service()) => writes(from, found).at(-1)!;
const conditionsOf = (status: DistributedServiceStatus) =>
  Object.fromEntries((status.conditions ?? []).map(({ type, status: value, reason, message }) => [type, [value, reason, message]]));

describe('the Service of a service in the cluster', () => {
  const clusterService = {
    isReady: true,
    reason: 'Published',
    message: 'it is there',
    status: { name: 'api', port: 80, gatewayPort: 61_000 },
  };

  it('is told of while the service asks for one, and then not any more; nothing is Ready or not by it', () => {
    const told = nextStatus(service(), facts({ clusterService: { ...clusterService, isReady: false, reason: 'NameTaken' } }), now);
    const condition = told?.conditions?.find(({ type }) => type === 'ClusterServiceReady');
    assert.deepEqual([condition?.status, condition?.reason], ['False', 'NameTaken']);
    assert.deepEqual(told?.clusterService, clusterService.status);
    const ready = (status?: DistributedServiceStatus) => status?.conditions?.find(({ type }) => type === 'Ready')?.reason;
    assert.equal(ready(told), ready(nextStatus(service(), facts(), now)));
    const after = nextStatus(service({ ...(told && { status: told }) }), facts(), now);
    assert.equal(after?.clusterService, undefined);
    assert.ok(!after?.conditions?.some(({ type }) => type === 'ClusterServiceReady'));
    assert.ok(after);
  });
});

describe('the status of a service', () => {
  it('says which limit its Pods have reached at the gateway, as long as they are refused, and is Ready all the same', () => {
    const refusedTunnels = { reason: 'TooManyTunnels', message: 'Pod prod/api-0 has 32 tunnels open' } as const;
    const status = settled(facts({ judgement: judged(up), refusedTunnels }));
    const { Ready, TunnelsRefused } = conditionsOf(status);
    assert.equal(Ready![0], 'True');
    assert.deepEqual(TunnelsRefused, ['True', 'TooManyTunnels', 'The gateway refuses tunnels: Pod prod/api-0 has 32 tunnels open']);
    const before = settled(facts({ judgement: judged(up) }));
    const warnings = eventsBetween(before, status, []).filter(({ type }) => type === 'Warning');
    assert.deepEqual(
      warnings.map(({ reason }) => reason),
      ['TooManyTunnels'],
    );
    assert.equal(conditionsOf(settled(facts({ judgement: judged(up) }), service({ status }))).TunnelsRefused, undefined);
  });

  it('is not Ready while users get no connection at one of its ports, and an Event tells it once it has served', () => {
    const judgement = judged(up, up);
    const running = settled(facts({ judgement }));
    for (const reason of ['NoPrimary', 'SeveralPrimaries', 'PortWithoutBackend'] as const) {
      const closed = facts({ judgement, closed: { reason, message: 'nobody can write' } });
      const status = settled(closed, service({ status: running }));
      assert.deepEqual(conditionsOf(status).Ready, ['False', reason, '2 backends available; nobody can write']);
      assert.deepEqual([status.state, status.activeBackends], ['Degraded', 2]);
      const warnings = eventsBetween(running, status, judgement.backends).filter(({ type }) => type === 'Warning');
      assert.deepEqual(
        warnings.map((event) => event.reason),
        [reason],
      );
      assert.deepEqual(eventsBetween(status, status, judgement.backends), []);
      assert.equal(settled(facts({ judgement }), service({ status })).state, 'Running');
      const first = settled(closed);
      assert.equal(first.state, 'Provisioning');
      const early = eventsBetween(undefined, first, judgement.backends).some((event) => event.reason === reason);
      assert.equal(early, reason === 'SeveralPrimaries');
    }
  });

  it('with n healthy backends is Running, with five conditions and its endpoints', () => {
    const status = settled(facts({ judgement: judged(up, up) }));
    assert.equal(status.state, 'Running');
    assert.deepEqual([status.activeBackends, status.totalBackends, status.observedGeneration], [2, 2, 3]);
    assert.equal(status.externalEndpoint, 'http://api.example.com/');
    assert.deepEqual(status.endpoints, [
      { name: 'api-0', address: '10.0.0.0', port: 80, healthy: true, lastCheck: today },
      { name: 'api-1', address: '10.0.0.1', port: 80, healthy: true, lastCheck: today },
    ]);
    assert.deepEqual(conditionsOf(status), {
      Ready: ['True', 'Serving', 'Users reach the service'],
      BackendsAvailable: ['True', 'BackendsReady', '2 backends available'],
      ConfigurationValid: ['True', 'Valid', 'The service can be served as it is written'],
      CertificatesReady: ['True', 'CertificatesProvisioned', 'All certificates are valid and not expiring soon'],
      NetworkReady: ['True', 'ServerReachable', 'The frp server answers'],
    });
    assert.ok(
      status.conditions?.every(({ observedGeneration, lastTransitionTime }) => observedGeneration === 3 && lastTransitionTime === today),
    );
  });

  it('without a backend is Provisioning, and says how to get one', () => {
    const status = settled();
    assert.equal(status.state, 'Provisioning');
    assert.deepEqual(conditionsOf(status).Ready, ['False', 'NoBackendsFound', howToAnnotate]);
  });

  it('advises by where the backends come from', () => {
    const remedies = (backends: DistributedService['spec']['backends'], ...counts: (ProxyCounts | undefined)[]) => {
      const spec = { ...service().spec, backends };
      return conditionsOf(settled(facts({ judgement: judged(...counts) }), service({ spec }))).BackendsAvailable?.[2];
    };
    const endpoints = [{ host: 'db.example.com', port: 5432 }];
    const selector = { mode: 'selector' as const, selector: { matchLabels: { app: 'api' } } };
    assert.equal(remedies({ discovery: { mode: 'auto' } }), howToAnnotate);
    assert.equal(remedies({ endpoints }), '0 backends available; list hosts in spec.backends.endpoints that have an address');
    assert.equal(
      remedies({ discovery: { mode: 'dns' } }),
      '0 backends available; let api.prod.svc resolve to addresses, or name another host in spec.backends.discovery.name',
    );
    assert.match(remedies({ discovery: { mode: 'dns', name: 'db.example.com' } }) ?? '', /; let db\.example\.com resolve/);
    assert.equal(
      remedies({ discovery: selector }),
      '0 backends available; start Pods in this namespace that match spec.backends.discovery.selector, or correct the selector',
    );
    assert.equal(
      remedies({}, down),
      '0 backends available, 1 unhealthy: api-0 (10.0.0.0:80); a plain frp server does not say why; see: kubectl -n prod logs api-0 -c frpc',
    );
    for (const backends of [{ endpoints }, { discovery: { mode: 'dns' as const } }])
      assert.equal(
        remedies(backends, down),
        '0 backends available, 1 unhealthy: api-0 (10.0.0.0:80); see the logs of what dials it: kubectl -n prod logs deployment/frp-api-connector',
      );
    assert.match(remedies({ discovery: selector }, down) ?? '', /kubectl -n prod logs deployment\/frp-api-connector$/);
  });

  it('says of Pods that run an older configuration that they must restart, once, also where nobody serves', () => {
    const message = (judgement: StatusFacts['judgement'], more: Partial<StatusFacts> = {}) =>
      conditionsOf(settled(facts({ judgement, ...more }), service({ spec: { ...service().spec, ...checked } }))).BackendsAvailable?.[2];
    const checked = { loadBalancing: { healthCheck: { path: '/mended' } } };
    const command = 'kubectl -n prod rollout restart deployment/api';
    const old = { outdated: new Set(['api-0']) };
    // frpc in the Pod still asks what it was told at its start: the path that has been mended is not it.
    assert.equal(
      message(judgedFrom({ workload: 'deployment/api' }, down), old),
      `0 backends available, 1 unhealthy: api-0 (10.0.0.0:80); a plain frp server does not say why; see: kubectl -n prod logs api-0 -c frpc; 1 runs an older configuration: restart its Pods: ${command}`,
    );
    assert.match(message(judgedFrom({ workload: 'deployment/api' }, down)) ?? '', /\(its health check is GET \/mended\)/);
    const moved = judgedFrom({ workload: 'deployment/api', isGateway: true }, up);
    const here = judgedFrom({ isGateway: false }, up).backends.map((backend) => ({ ...backend, id: 'u1', name: 'api-1' }));
    assert.equal(
      message({ ...moved, backends: [...moved.backends, ...here], healthy: 2 }, old),
      `1 backends available through the plain frp server; 1 Pod is still configured for the gateway; restart its Pods: ${command}`,
    );
  });

  it('names the backend that is unhealthy, and why, as far as that is known', () => {
    const because = (judgement: StatusFacts['judgement'], more: Partial<StatusFacts> = {}) => {
      const status = settled(facts({ judgement, ...more }));
      return [...conditionsOf(status).BackendsAvailable!.slice(1), status.endpoints?.map(({ name, reason }) => [name, reason])];
    };
    const failing = { ...down, reason: 'GET /health answered 404' };
    assert.deepEqual(because(judged(failing, up, down), { isGateway: true }), [
      'BackendsReady',
      '1 backends available; 2 unhealthy: api-0 (10.0.0.0:80): GET /health answered 404, and 1 more; mend the app, or correct spec.loadBalancing.healthCheck',
      [
        ['api-0', 'GET /health answered 404'],
        ['api-1', undefined],
        ['api-2', undefined],
      ],
    ]);
    assert.deepEqual(because(judgedFrom({ startsUntil: now + 1 }, { ...failing, hasServed: false }), { isGateway: true }), [
      'BackendsStarting',
      '0 backends available, 1 starting: api-0 (10.0.0.0:80): GET /health answered 404; wait until their containers are ready and the health check has succeeded',
      [],
    ]);
    const problem = 'container frpc: ImagePullBackOff: Back-off pulling image "nowhere/frpc:1"';
    assert.deepEqual(because(judgedFrom({ problem, address: '', startsUntil: Infinity })), [
      'BackendsUnhealthy',
      `0 backends available, 1 unhealthy: api-0: ${problem}; see: kubectl -n prod describe pod api-0`,
      [['api-0', problem]],
    ]);
  });

  it('of Pods that do not know of a move between plain server and gateway yet is Updating, and says how to restart them', () => {
    const served = settled(facts({ judgement: judged(up) }));
    const moved = (judgement: StatusFacts['judgement'], isGateway: boolean) => {
      const status = settled(facts({ judgement, isGateway }), service({ status: served })) ?? served;
      return [status.state, ...conditionsOf(status).BackendsAvailable!];
    };
    const pod = { isGateway: false, workload: 'deployment/api' };
    const message = (available: number, to: string, from: string) =>
      `${available} backends available through ${to}; 1 Pod is still configured for ${from}; restart its Pods: kubectl -n prod rollout restart deployment/api`;
    const toGateway = message(0, 'the gateway', 'the plain frp server');
    assert.deepEqual(moved(judgedFrom(pod, up), true), ['Updating', 'False', 'RestartPods', toGateway]);
    const toPlain = message(0, 'the plain frp server', 'the gateway');
    assert.deepEqual(moved(judgedFrom({ ...pod, isGateway: true }, down), false), ['Updating', 'False', 'RestartPods', toPlain]);
    assert.deepEqual(moved(judgedFrom(pod, up), false).slice(0, 2), ['Running', 'True']);
    const [old, fresh] = [judgedFrom(pod, up).backends, judgedFrom({ ...pod, isGateway: true, name: 'api-1' }, up).backends];
    const both = { ...judgedFrom(pod, up), backends: [...old, ...fresh], healthy: 2 };
    assert.deepEqual(moved(both, true), ['Updating', 'True', 'BackendsReady', message(1, 'the gateway', 'the plain frp server')]);
  });

  it('says of a certificate that ends soon when, though all is ready', () => {
    const expiring = { reason: 'CertificateExpiresSoon', message: 'ends tomorrow; have it renewed before' } as const;
    const status = settled(facts({ judgement: judged(up), certificates: { ready: true, expiring } }));
    assert.deepEqual(conditionsOf(status).CertificatesReady, ['True', expiring.reason, expiring.message]);
    assert.equal(conditionsOf(status).Ready?.[0], 'True');
  });

  it('is Failed when all backends have failed, and Running again with the first that recovers', () => {
    const running = settled(facts({ judgement: judged(up, up) }));
    const failed = writes(service({ status: running }), facts({ judgement: judged(down, down) }));
    assert.deepEqual(
      failed.map(({ state }) => state),
      ['Failed'],
    );
    assert.equal(conditionsOf(failed[0]!).BackendsAvailable?.[1], 'BackendsUnhealthy');
    const back = writes(service({ status: failed[0]! }), facts({ judgement: judged(up, down) }));
    assert.deepEqual(
      back.map(({ state }) => state),
      ['Running', 'Degraded'],
    );
  });

  it('is only ever written along the transitions, whatever is stored and whatever is found', () => {
    const gateway = { reason: 'GatewayRequired', message: 'needs the gateway' } as const;
    const counts = [[], [up], [down], [up, down], [undefined]];
    const found = counts.flatMap((proxies) =>
      [undefined, gateway].flatMap((problem) =>
        [true, false].flatMap((isOutdated) =>
          ([{ status: 'reachable' }, { status: 'unreachable', message: 'no' }, { status: 'unknown' }, { status: 'none' }] as const).map(
            (server) => facts({ judgement: judged(...proxies), problem, outdated: new Set(isOutdated ? ['api-0'] : []), server }),
          ),
        ),
      ),
    );
    const walked = new Set<string>();
    for (const before of [undefined, ...statusSchema.properties.state.enum]) {
      const from = service(before ? { status: { state: before } } : {});
      for (const each of found) {
        const states = [before ?? 'Pending', ...writes(from, each).map(({ state }) => state!)];
        for (const [i, to] of states.slice(1).entries()) {
          const last = states[i]!;
          assert.ok(last === to || isLegal(last, to), `${last} to ${to}`);
          if (last !== to) walked.add(`${last} ${to}`);
        }
      }
    }
    // Terminating is the way of a deletion, which is written by terminatingStatus alone.
    const wanted = Object.entries(transitions).flatMap(([last, next]) => next.map((to) => `${last} ${to}`));
    const expected = wanted.filter((step) => !step.endsWith('Terminating')).sort();
    assert.deepEqual([...walked].sort(), expected);
    for (const state of statusSchema.properties.state.enum)
      assert.equal(terminatingStatus(service({ status: { state } }), now)?.state, state === 'Terminating' ? undefined : 'Terminating');
  });

  it('says of a gateway elsewhere since when there is no link, to which address and why, and nothing of Pods here', () => {
    const link = { isUp: false, since: now, address: 'gw:7000', reason: 'Silent', message: 'gw:7000: no answer for 13 s' } as const;
    const message = 'gw:7000: no answer for 13 s (since 2030-01-01T00:00:00.000Z)';
    const away = facts({
      judgement: judged(undefined),
      server: { status: 'unreachable', message },
      isGateway: true,
      gateways: [{ name: 'gw:7000', leave: 'frp-k8s join --leave gw:7000', state: link }],
    });
    const { Ready, BackendsAvailable, NetworkReady } = conditionsOf(settled(away));
    const words = 'No link to the gateway since 2030-01-01T00:00:00.000Z: gw:7000: no answer for 13 s';
    // Users are served meanwhile: nothing says that they are not.
    assert.deepEqual(NetworkReady, [
      'Unknown',
      'LinkDown',
      `${words}. The gateway goes on serving what it knows; the link is tried again until it is back`,
    ]);
    assert.deepEqual(Ready, NetworkReady);
    assert.deepEqual(BackendsAvailable?.slice(0, 2), ['Unknown', 'LinkDown']);
    const removed = conditionsOf(
      settled({
        ...away,
        gateways: [
          {
            name: 'gw:7000',
            leave: 'frp-k8s join --leave gw:7000',
            state: { ...link, reason: 'ClusterRemoved', message: 'gw:7000: removed' },
          },
        ],
      }),
    );
    assert.deepEqual([removed.Ready?.[0], removed.NetworkReady?.[0]], ['False', 'False']);
    assert.equal(removed.NetworkReady?.[2], 'No link to the gateway since 2030-01-01T00:00:00.000Z: gw:7000: removed');
    const back = { isUp: true, since: now, address: 'gw:7000', program: 'x', clock: undefined } as const;
    assert.match(
      conditionsOf(settled({ ...away, gateways: [{ name: 'gw:7000', leave: 'frp-k8s join --leave gw:7000', state: back }] }))
        .NetworkReady?.[2] ?? '',
      /^The link to the gateway at gw:7000 is up again/,
    );
  });

  it('takes a condition out that is not so any more, though nothing else has changed', () => {
    const differing = facts({ differing: [{ gateway: 'gw:7000', fields: ['expose.domain'], cluster: 'first' }] });
    const status = settled(differing);
    assert.equal(conditionsOf(status).SpecDiffers?.[0], 'True');
    const next = nextStatus(service({ status }), facts(), now);
    assert.ok(next && conditionsOf(next).SpecDiffers === undefined);
  });

  it('writes each step on the way to a state', () => {
    const states = writes(service(), facts({ certificates: taken })).map(({ state }) => state);
    assert.deepEqual(states, ['Provisioning', 'Failed']);
  });

  it('does not count a backend that starts as unhealthy, and does so once its time is over', () => {
    const backend: Backend = { id: 'u0', name: 'api-0', address: '10.0.0.1', port: 80, proxies: 1, startsUntil: now + 1000 };
    const at = (time: number) => judge([backend], { now: time, isUdp: false, graceUntil: 0, countsOf: () => undefined });
    assert.deepEqual([at(now).unhealthy, at(now).again], [0, now + 1000]);
    assert.equal(at(now + 1000).unhealthy, 1);
    const status = settled(facts({ judgement: at(now) }));
    assert.equal(conditionsOf(status).BackendsAvailable?.[1], 'BackendsStarting');
    assert.deepEqual(status.endpoints, []);
  });

  it('asks for every proxy of a backend, and for no more of udp than the one that frp serves', () => {
    const two: Backend = { id: 'u0', name: 'api-0', address: '10.0.0.1', port: 80, proxies: 2 };
    const health = (counts: ProxyCounts) => judge([two], { now, isUdp: false, graceUntil: 0, countsOf: () => counts }).backends[0]?.health;
    assert.equal(health({ online: 2, offline: 0 }), 'healthy');
    assert.equal(health({ online: 1, offline: 0 }), 'partial');
    assert.equal(health({ online: 1, offline: 1 }), 'partial');
    assert.equal(health({ online: 0, offline: 2 }), 'unhealthy');
    const pair = ['u1', 'u2'].map((id) => ({ ...two, id, proxies: 1 }));
    const udp = judge(pair, { now, isUdp: true, graceUntil: 0, countsOf: (id) => (id === 'u2' ? up : undefined) });
    assert.deepEqual(
      udp.backends.map(({ health: found }) => found),
      ['standby', 'healthy'],
    );
    const each = judge(pair, { now, isUdp: true, graceUntil: 0, countsOf: () => ({ online: 1, offline: 1 }) });
    assert.deepEqual([each.healthy, each.partial], [2, 0]);
  });

  it('keeps what was last known of the backends as long as nothing newer is known', () => {
    const running = settled(facts({ judgement: judged(up) }));
    const server = { status: 'unreachable', message: 'connect ECONNREFUSED' } as const;
    const [first] = writes(service({ status: running }), facts({ judgement: judged(undefined), server }));
    const [later] = writes(service({ status: first! }), facts({ judgement: judged(undefined, up), server }));
    const { message } = later!.conditions!.find(({ type }) => type === 'BackendsAvailable')!;
    assert.match(message!, /^2 backends, .*; last known: 1 backends available$/);
  });

  it('does not guess while the frp server cannot be asked', () => {
    const running = settled(facts({ judgement: judged(up) }));
    const message = 'http://frp-server:7500: connect ECONNREFUSED';
    const [status] = writes(
      service({ status: running }),
      facts({ judgement: judged(undefined), server: { status: 'unreachable', message } }),
    );
    assert.equal(status?.state, 'Running');
    assert.equal(status.activeBackends, undefined);
    assert.deepEqual(status.endpoints, [{ name: 'api-0', address: '10.0.0.0', port: 80 }]);
    const { Ready, BackendsAvailable, NetworkReady } = conditionsOf(status);
    assert.deepEqual([Ready?.[0], BackendsAvailable?.[0], NetworkReady?.[0]], ['False', 'Unknown', 'False']);
    const lost = status.conditions?.find(({ type }) => type === 'BackendsAvailable');
    const words = `whose health is not known since ${lost?.lastTransitionTime}; last known: 1 backends available`;
    assert.ok(lost?.message?.endsWith(words), lost?.message);
    assert.match(status.conditions?.find(({ type }) => type === 'NetworkReady')?.message ?? '', /manifests\/frps: Deployment frp-server/);
    const none = conditionsOf(settled(facts({ server: { status: 'unknown' } })));
    assert.deepEqual([none.Ready?.[0], none.NetworkReady?.slice(0, 2)], ['Unknown', ['Unknown', 'NoServerAPI']]);
    const without = conditionsOf(settled(facts({ server: { status: 'none' } })));
    assert.deepEqual([without.Ready?.[0], without.NetworkReady?.slice(0, 2)], ['False', ['False', 'NoGateway']]);
  });

  it('is not written again when nothing has changed, however the API server orders its keys', () => {
    const found = facts({ judgement: judged(up, down) });
    const status = settled(found);
    const turned = {
      ...status,
      conditions: status.conditions?.map((condition) => Object.fromEntries(Object.entries(condition).reverse())).reverse(),
    };
    assert.deepEqual(writes(service({ status: turned as typeof status }), found, now + day), []);
  });

  it('moves the times of what has flipped, and no others', () => {
    const status = settled(facts({ judgement: judged(up, up) }));
    const next = writes(service({ status }), facts({ judgement: judged(up, down), certificates: taken }), now + day)[0]!;
    assert.deepEqual(
      next.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
      [
        ['Ready', tomorrow],
        ['BackendsAvailable', today],
        ['ConfigurationValid', today],
        ['CertificatesReady', tomorrow],
        ['NetworkReady', today],
      ],
    );
    assert.deepEqual(
      next.endpoints?.map(({ lastCheck }) => lastCheck),
      [today, tomorrow],
    );
    assert.equal(next.lastUpdateTime, tomorrow);
  });

  it('keeps the transition time when only the generation has changed', () => {
    const status = settled();
    const next = nextStatus(service({ status, metadata: { ...service().metadata, generation: 4 } }), facts(), now + day)!;
    assert.ok(next.conditions?.every((found) => found.lastTransitionTime === today && found.observedGeneration === 4));
  });

  it('lists at most 100 endpoints', () => {
    const status = settled(facts({ judgement: judged(...Array.from({ length: 120 }, () => up)) }));
    assert.deepEqual([status.endpoints?.length, status.activeBackends], [100, 120]);
  });

  it('says GatewayRequired where the service asks for a protection that plain mode lacks', () => {
    const spec = { ...service().spec, security: { authentication: { type: 'apikey' as const } } };
    const problem = needsGateway(defaultConfig)(service({ spec }));
    assert.equal(conditionsOf(settled(facts({ problem }), service({ spec }))).ConfigurationValid?.[1], 'GatewayRequired');
    assert.equal(needsGateway(defaultConfig)(service()), undefined);
  });

  it('ends as Terminating, once', () => {
    const last = terminatingStatus(service({ status: settled(facts({ judgement: judged(up) })) }), now + day)!;
    assert.equal(last.state, 'Terminating');
    assert.deepEqual(conditionsOf(last).Ready?.slice(0, 2), ['False', 'Terminating']);
    assert.equal(last.conditions?.[0]?.lastTransitionTime, tomorrow);
    assert.equal(terminatingStatus(service({ status: last }), now + 2 * day), undefined);
  });
});

describe('the Events of a service', () => {
  const told = (before: DistributedServiceStatus | undefined, found: StatusFacts) => {
    const from = service(before ? { status: before } : {});
    let current = before;
    return writes(from, found, now).flatMap((after) => {
      const texts = eventsBetween(current, after, found.judgement.backends);
      current = after;
      return texts.map(({ type, reason, message }) => [type, reason, message].join(' '));
    });
  };
  const running = () => settled(facts({ judgement: judged(up, up, up) }));

  it('tell of its making, its backends and their health', () => {
    assert.deepEqual(told(undefined, facts({ judgement: judged(up, up, up) })), [
      'Normal ServiceCreated DistributedService created',
      'Normal CertificateIssued Issued certificate for mTLS',
      'Normal ConfigurationApplied FRP configuration applied',
      'Normal BackendDiscovered Discovered 3 backends: api-0, api-1, api-2',
      'Normal HealthCheckPassed All backends healthy',
    ]);
  });

  it('name the backend that became unhealthy, once, and tell when it is gone and when all are well', () => {
    const one = facts({ judgement: judged(up, up, down) });
    assert.deepEqual(told(running(), one), ['Warning BackendUnhealthy Backend api-2 unhealthy']);
    const degraded = settled(one, service({ status: running() }));
    assert.deepEqual(told(degraded, one), []);
    assert.deepEqual(told(degraded, facts({ judgement: judged(up, up) })), [
      'Normal BackendRemoved Removed unhealthy backend api-2',
      'Normal HealthCheckPassed All backends healthy',
    ]);
  });

  it('say why a backend is unhealthy, and nothing of one that is only starting', () => {
    const reason = 'GET /health answered 404';
    assert.deepEqual(told(running(), facts({ judgement: judged(up, up, { ...down, reason }) })), [
      'Warning BackendUnhealthy Backend api-2 unhealthy: GET /health answered 404',
    ]);
    const starting = judgedFrom({ startsUntil: now + 1 }, { ...down, reason, hasServed: false });
    assert.ok(!told(undefined, facts({ judgement: starting })).some((text) => text.includes('Unhealthy')));
  });

  it('warn once of a certificate that ends soon', () => {
    const expiring = {
      reason: 'CertificateExpiresSoon',
      message: 'Secret prod/web-tls: the certificate ends tomorrow; have it renewed before',
    } as const;
    const found = facts({ judgement: judged(up, up, up), certificates: { ready: true, expiring } });
    assert.deepEqual(told(running(), found), [`Warning CertificateExpiresSoon ${expiring.message}`]);
    assert.deepEqual(told(settled(found, service({ status: running() })), found), []);
  });

  it('are the same for whoever leads: nothing is told twice', () => {
    const found = facts({ judgement: judged(up) });
    assert.deepEqual(told(settled(found), found), []);
  });

  it('tell of an applied change of the configuration', () => {
    const from = service({ status: running(), metadata: { ...service().metadata, generation: 4 } });
    const after = nextStatus(from, facts({ judgement: judged(up, up, up) }), now)!;
    assert.deepEqual(
      eventsBetween(from.status, after, []).map(({ reason }) => reason),
      ['ConfigurationApplied'],
    );
  });

  it('warn of what a person must mend, with the remedy', () => {
    assert.ok(
      told(running(), facts({ judgement: judged(up, up, up), certificates: taken })).includes(
        'Warning NameTaken Secret prod/frp-api-tls exists',
      ),
    );
  });
});
