/** What the suites look at, and do to, the controller. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { clientNamespace, root, system } from './places.ts';
import { apply, get, items, kubectl, noneEnding, rolledOut, type Json } from './kubectl.ts';
import { httpService } from './objects.ts';
import { processesOf } from './processes.ts';
import { eventually, must } from './run.ts';

/** Only a lab of our own has its processes on this machine and its packets in this network namespace. */
export const foreign = process.env.FRPK8S_IMAGE === undefined ? false : 'needs the lab';

const kind = 'distributedservice';

export const conditionOf = (status: Json, type: string): Json =>
  ((status?.conditions ?? []) as Json[]).find((condition) => condition.type === type);
export const statusOf = async (namespace: string, name: string): Promise<Json> => (await get(namespace, kind, name)).status ?? {};
export const hasCertificates = ({ status }: Json): boolean => conditionOf(status, 'CertificatesReady')?.status === 'True';

/** The status says this within 5 s of the moment when it became so. @param counts active, total */
export const says = (namespace: string, name: string, state: string, ...counts: [number, number]): Promise<void> =>
  eventually(
    `${name} is ${state} with ${counts.join(' of ')}`,
    async () => {
      const status = await statusOf(namespace, name);
      assert.deepEqual([status.state, status.activeBackends, status.totalBackends], [state, ...counts]);
    },
    5,
  );

/** The status comes to say so many active backends of so many. */
export const counts = (namespace: string, name: string, ...expected: [number, number]): Promise<void> =>
  eventually(`${expected.join(' of ')} backends of ${name}`, async () => {
    const { activeBackends, totalBackends } = (await statusOf(namespace, name)) as { activeBackends?: number; totalBackends?: number };
    assert.deepEqual([activeBackends, totalBackends], expected);
  });

/** Proxies of a service, from the API of the frp server, or of a gateway's replica. @param api default: the http proxies of the plain frp server */
export async function frpsProxies(
  namespace: string,
  name: string,
  api = 'http://frp-server.frp-system.svc:7500/api/proxy/http',
): Promise<{ name: string; status: string }[]> {
  const { data } = await get(system, 'secret', 'frp-server-api');
  const decoded = (key: string) => Buffer.from(data[key] as string, 'base64').toString();
  const token = Buffer.from(`${decoded('user')}:${decoded('password')}`).toString('base64');
  const curl = ['curl', '-k', '-f', '-sS', '-H', `Authorization: Basic ${token}`, api];
  const { proxies } = JSON.parse(await kubectl('-n', clientNamespace, 'exec', 'client', '--', ...curl)) as {
    proxies: { name: string; status: string }[];
  };
  return proxies.filter((proxy) => proxy.name.startsWith(`${namespace}.${name}.`));
}

/** So many proxies of a service are online there. */
export const online = (namespace: string, name: string, count: number, api?: string): Promise<void> =>
  eventually(`${count} of ${name} online`, async () => {
    const states = (await frpsProxies(namespace, name, api)).map(({ status }) => status);
    assert.equal(states.filter((status) => status === 'online').length, count);
  });

/** Events that tell of services of a namespace. */
export const eventsIn = async (namespace: string): Promise<Json[]> =>
  (await items(namespace, 'events')).filter(({ involvedObject }) => involvedObject.kind === 'DistributedService');

/** Holder of the Lease: Pod_UUID, another one after each start of the process. */
export const leader = async (): Promise<string> => String((await get(system, 'lease', 'frp-controller')).spec.holderIdentity);
export const podOf = (identity: string): string => identity.split('_')[0]!;

/**
 * Both replicas run, no other one is still ending, and one of them works. Before that a change may have to wait for a
 * leader; after it the lead does not change by itself.
 */
export async function controllerWorks(): Promise<void> {
  await rolledOut(system, 'frp-controller');
  await noneEnding(system, 'frp-controller');
  const name = `canary-${Date.now()}`;
  await eventually('an API server that takes a service', () => apply(httpService(clientNamespace, name, `${name}.example.com`)));
  await eventually('a status by the leader', async () => assert.ok(hasCertificates(await get(clientNamespace, kind, name))));
  await kubectl('-n', clientNamespace, 'delete', kind, name, '--timeout=60s');
}

/** A Pod's value of a counter, all its series by their labels. @param pod of the controller, if nothing else is said */
export async function counter(pod: string, name: string, { namespace = system, port = 8080 } = {}): Promise<Map<string, number>> {
  const text = await kubectl('get', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}:${port}/proxy/metrics`);
  const found = text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, 'gm'));
  return new Map([...found].map(([, labels = '', value]) => [labels, Number(value)]));
}

/** Ends the Pod's program with no chance to let go of its Lease. In a lab of our own its processes are this machine's. */
export async function killHard(pod: string): Promise<void> {
  if (foreign) return void (await kubectl('-n', system, 'delete', 'pod', pod, '--grace-period=0', '--force'));
  const found = processesOf(pod);
  assert.equal(found.length, 1, `one process of ${pod}`);
  process.kill(found[0]!, 'SIGKILL');
}

/** While `work` runs, no packet of the controller reaches the API server. */
export async function cutOff<T>(work: () => Promise<T>): Promise<T> {
  const pods = await items(system, 'pod', '-l', 'app=frp-controller');
  const rules = pods.map(({ status }) => ['INPUT', '-s', String(status.podIP), '-p', 'tcp', '--dport', '6443', '-j', 'DROP']);
  for (const rule of rules) await must('iptables', ['-w', '-I', ...rule]);
  try {
    return await work();
  } finally {
    for (const rule of rules) await must('iptables', ['-w', '-D', ...rule]);
  }
}

const lab = (...words: string[]): Promise<string> => must(join(root, 'test/cluster/lab'), words);

/** Kills the lab's API server, and starts it again; it is ready when this returns. */
export const restartApiServer = (): Promise<string> => lab('restart', 'apiserver');

/** While `work` runs the lab has no API server. */
export async function withoutApiServer<T>(work: () => Promise<T>): Promise<T> {
  await lab('stop', 'apiserver');
  try {
    return await work();
  } finally {
    await lab('start', 'apiserver');
  }
}
