/** What happens around a gateway under load, step by step. Used by suite 82 and by test/soak/gateway.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gatewayNamespace, gatewayReady, users } from './gateway.ts';
import { apply, gone, items, kubectl, rolledOut, scale, type Manifest } from './kubectl.ts';
import { deployment, service } from './objects.ts';
import { signalTo } from './processes.ts';
import { servedBy } from './traffic.ts';

export const ns = 'gateway-load';
export const host = 'load.gateway.example.com';

export interface Step {
  name: string;
  /** in the long form only: it takes minutes, or loses requests on a slow machine for reasons of its own */
  isLong?: true;
  run: () => Promise<void>;
}

/** Checked every two seconds, so that a backend that fails is out of the traffic in four. */
export const chaosService = (algorithm = 'round-robin'): Manifest =>
  service(ns, 'app', {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: host },
    loadBalancing: {
      algorithm,
      healthCheck: { type: 'http', path: '/health', interval: '2s', timeout: '1s', failureThreshold: 2 },
    },
  });

/** Apps that accept for 5 s after they are told to end. */
export const chaosApp = (replicas: number, version = 'one'): Manifest =>
  deployment({
    namespace: ns,
    name: 'app',
    replicas,
    frp: { group: 'app' },
    container: {
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
      env: [
        { name: 'PORT', value: '8080' },
        { name: 'VERSION', value: version },
      ],
    },
    pod: { terminationGracePeriodSeconds: 30 },
  });

const scaled = async (replicas: number): Promise<void> => {
  await scale(ns, 'app', replicas);
  await rolledOut(ns, 'app');
  await servedBy(host, replicas, users);
};
const anApp = async (): Promise<string> => String((await items(ns, 'pod', '-l', 'app=app'))[0].metadata.name);
const replica = 'frp-gateway-1';

/** None of these may cost a request. */
export const changes: readonly Step[] = [
  { name: 'nothing happens', run: () => sleep(5000).then(() => undefined) },
  {
    name: 'a rolling update of the backends',
    run: async () => {
      await apply(chaosApp(3, 'two'));
      await rolledOut(ns, 'app');
      await servedBy(host, 3, users);
      await sleep(6000);
    },
  },
  {
    name: 'scaling to 6 and to 2',
    run: async () => {
      await scaled(6);
      await scaled(2);
      await sleep(8000);
    },
  },
  {
    name: 'kill -9 of a sidecar',
    run: async () => {
      signalTo(await anApp(), /frpc -c/, 'SIGKILL');
      await sleep(5000);
    },
  },
  {
    name: 'a sidecar that hangs',
    isLong: true,
    run: async () => {
      const pod = await anApp();
      signalTo(pod, /frpc -c/, 'SIGSTOP');
      await sleep(10_000);
      signalTo(pod, /frpc -c/, 'SIGCONT');
      await sleep(5000);
    },
  },
  {
    name: 'a crash of the agent in one replica',
    run: async () => {
      signalTo(replica, /gateway --config/, 'SIGKILL');
      await sleep(8000);
      await gatewayReady();
    },
  },
  {
    name: 'a crash of frps in one replica',
    isLong: true,
    run: async () => {
      signalTo(replica, /frps -c/, 'SIGKILL');
      await sleep(10_000);
      await gatewayReady();
    },
  },
  {
    name: 'a change of the algorithm',
    run: async () => {
      await apply(chaosService('least-conn'));
      await sleep(4000);
      await apply(chaosService());
      await sleep(4000);
    },
  },
  {
    name: 'a rolling update of the gateway',
    isLong: true,
    run: async () => {
      await kubectl('-n', gatewayNamespace, 'rollout', 'restart', 'statefulset/frp-gateway');
      await gatewayReady();
      await sleep(3000);
    },
  },
];

/** These cost what the HAProxy that dies has in its hands. */
export const deaths: readonly Step[] = [
  {
    name: 'a crash of HAProxy in one replica',
    run: async () => {
      signalTo(replica, /haproxy.*users\/haproxy\.cfg/, 'SIGKILL');
      await sleep(8000);
      await gatewayReady();
    },
  },
  {
    name: 'the death of a replica',
    run: async () => {
      await kubectl('-n', gatewayNamespace, 'delete', 'pod', replica, '--grace-period=0', '--force');
      await gone(gatewayNamespace, 'pod', replica).catch(() => undefined);
      await gatewayReady();
      await sleep(3000);
    },
  },
];
