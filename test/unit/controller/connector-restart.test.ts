import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { configSchema } from '../../../src/config/schema.ts';
import { judge } from '../../../src/controller/backends/health.ts';
import { Connectors } from '../../../src/controller/connectors/connectors.ts';
import { nextStatus } from '../../../src/controller/status/status.ts';
import type { ConfigMap } from '../../../src/kube/types.ts';
import type { DistributedService } from '../../../src/model/types.ts';
import { service } from '../../support/services.ts';
import { until } from '../../support/until.ts';
import type { ApiServer } from '../kube/api-server.ts';
import { reconciled, startApiServer } from './connector-setup.ts';

const good = 'hello.demo.svc';
const missing = 'hello2.demo.svc';
const down = 'down.example.com';
const record = `${good}.cluster.local`;

let api: ApiServer;
let connectors: Connectors;
let told: number;
/** names whose lookups have not ended yet, and what ends them */
let held: Map<string, () => void>;

beforeEach(async () => {
  api = await startApiServer();
  start();
});
afterEach(async () => {
  await connectors.close();
  api.close();
});

/** A controller, whose lookups are held until `answer`. */
function start(): void {
  told = 0;
  held = new Map();
  const resolve = async (name: string): Promise<string[]> => {
    await new Promise<void>((done) => held.set(name, done));
    if (name === record) return ['10.0.0.9'];
    throw Object.assign(new Error(name), { code: name === down ? 'ESERVFAIL' : 'ENOTFOUND' });
  };
  connectors = new Connectors({ client: api.client, config: configSchema.parse({}), log: pino({ level: 'silent' }), resolve });
  connectors.subscribe(() => told++);
}
async function restart(): Promise<void> {
  await connectors.close();
  start();
}

/** Ends the lookup of a host; the connectors have then told of it. */
async function answer(host: string): Promise<void> {
  const name = host.endsWith('.svc') ? `${host}.cluster.local` : host;
  await until(() => held.has(name));
  const before = told;
  held.get(name)!();
  await until(() => told > before);
}

/** As the controller does: what the connectors say goes into the status, with every backend healthy. @returns whether it was written */
async function reconcile(subject: DistributedService): Promise<boolean> {
  const found = await reconciled(connectors, subject);
  const judgement = judge(connectors.backendsOf(subject), {
    now: 0,
    isUdp: false,
    graceUntil: 0,
    countsOf: () => ({ online: 1, offline: 0 }),
  });
  const before = subject.status;
  for (;;) {
    const facts = { certificates: { ready: true }, server: { status: 'reachable' }, externalEndpoint: undefined } as const;
    const status = nextStatus(
      subject,
      { ...facts, selector: undefined, judgement, problem: found.problem, pending: found.pending },
      Date.now(),
    );
    if (!status) return subject.status !== before;
    subject.status = status;
  }
}
const listed = (...hosts: string[]): DistributedService => {
  const subject = service('web', { backends: { endpoints: hosts.map((host) => ({ host, port: 80 })) } });
  return { ...subject, metadata: { ...subject.metadata, uid: 'uid-web' } };
};
const ready = ({ status }: DistributedService) => {
  const { status: value, reason, message } = status!.conditions!.find(({ type }) => type === 'Ready')!;
  return [status!.state, value, reason, message];
};
const dialled = (): string[] => {
  const { data } = api.objects.get('/api/v1/namespaces/shop/configmaps/frp-web-connector') as ConfigMap;
  return (JSON.parse(data!['frpc.json']!) as { proxies: { localIP: string }[] }).proxies.map(({ localIP }) => localIP);
};

describe('the status of a service with a connector', { timeout: 60_000 }, () => {
  it('says of a new service that its names are being looked up, and is never Running before they are', async () => {
    const subject = listed(missing, good);
    await reconcile(subject);
    const names = `${JSON.stringify(missing)}, ${JSON.stringify(good)}`;
    assert.deepEqual(ready(subject), ['Provisioning', 'Unknown', 'LookingUpBackends', `the hosts ${names} are being looked up`]);
    await answer(good);
    await reconcile(subject);
    assert.deepEqual(ready(subject).slice(0, 3), ['Provisioning', 'Unknown', 'LookingUpBackends']);
  });

  it('names the field and the host as soon as its first lookup has failed, and the other host is served', async () => {
    const subject = listed(missing, good);
    await reconcile(subject);
    await answer(missing);
    await answer(good);
    await reconcile(subject);
    assert.deepEqual(ready(subject), [
      'Failed',
      'False',
      'NameNotResolved',
      `host "${missing}" of spec.backends.endpoints[0] cannot be resolved: no such name (asked for ${missing}.cluster.local); correct the name, or create what it names`,
    ]);
    assert.deepEqual(dialled(), ['10.0.0.9']);
  });

  it('stays as it was after a restart of the controller, whichever name is answered first', async () => {
    const subject = listed(missing, good);
    await reconcile(subject);
    await answer(missing);
    await answer(good);
    await reconcile(subject);
    await restart();
    assert.equal(await reconcile(subject), false, 'nothing has been looked up');
    await answer(good);
    assert.equal(await reconcile(subject), false, 'the good one is known');
    await answer(missing);
    assert.equal(await reconcile(subject), false, 'both are known');
    assert.equal(ready(subject)[2], 'NameNotResolved');
  });

  it('of a service that worked stays as it was after a restart, although the DNS server does not answer yet', async () => {
    const subject = listed(good);
    await reconcile(subject);
    await answer(good);
    await reconcile(subject);
    assert.equal(ready(subject)[0], 'Running');
    subject.spec.backends.endpoints!.push({ host: down, port: 80 });
    await restart();
    assert.equal(await reconcile(subject), false);
    await answer(good);
    await answer(down);
    assert.equal(await reconcile(subject), false);
    assert.deepEqual(dialled(), ['10.0.0.9']);
  });
});
