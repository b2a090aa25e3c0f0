/** What is served through a gateway under load: an app that everything happens to, and one that stays as it is. */
import { backendTls } from './certificates.ts';
import { onlineAtBoth } from './gateway.ts';
import { items, rolledOut, scale, apply, type Manifest } from './kubectl.ts';
import { deployment, httpService, service } from './objects.ts';
import { killAtOnce, processesOf } from './processes.ts';
import { restartedBy } from './restarts.ts';
import { allowedSecret } from './samples.ts';

export const ns = 'gateway-load';
export const host = 'load.gateway.example.com';
export const stillHost = 'still.gateway.example.com';
export const stillPort = 5500;
/** how many Pods the app has between two steps */
export const usual = 3;

/** A check waits for a machine that is busy, so that no backend is out for that. */
export const chaosService = (algorithm = 'round-robin'): Manifest =>
  service(ns, 'app', {
    serviceType: 'http',
    backends: { discovery: { mode: 'auto' } },
    expose: { domain: host, tls: { secretName: 'users-tls' } },
    loadBalancing: {
      algorithm,
      healthCheck: { type: 'http', path: '/health', interval: '4s', timeout: '3s', failureThreshold: 2 },
    },
  });

/** Apps that accept for 5 s after they are told to end; one counts as there when the gateway has it. */
export const chaosApp = (version = 'one'): Manifest =>
  deployment({
    namespace: ns,
    name: 'app',
    replicas: usual,
    frp: { group: 'app', 'readiness-gate': 'true' },
    container: {
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
      env: [
        { name: 'PORT', value: '8080' },
        { name: 'VERSION', value: version },
      ],
    },
    pod: { terminationGracePeriodSeconds: 30 },
  });

/** For connections that stay open: their Pod is left alone. */
const still = (): Manifest[] => [
  httpService(ns, 'still', stillHost, 8080),
  service(ns, 'still-tcp', { serviceType: 'tcp', backends: { discovery: { mode: 'auto', port: 8081 } }, expose: { port: stillPort } }),
  deployment({ namespace: ns, name: 'still', frp: { group: 'still,still-tcp' } }),
];

/** Another certificate of the users' host. @returns it, PEM */
export async function usersCertificate(): Promise<string> {
  const { cert, key } = await backendTls(host);
  await apply(allowedSecret(ns, 'users-tls', { 'tls.crt': cert, 'tls.key': key }));
  return cert;
}

/** All of it, served. The namespace is there. */
export async function subjects(): Promise<void> {
  await usersCertificate();
  await apply(chaosService(), ...still().slice(0, 2));
  await apply(chaosApp(), ...still().slice(2));
  await Promise.all([rolledOut(ns, 'app'), rolledOut(ns, 'still')]);
  await allServed();
}

/** Both replicas have so many Pods of the app, each of them well. */
export const served = (pods: number): Promise<void> => onlineAtBoth(ns, 'app', pods);

/** Both replicas have everything, and hand over nothing. */
export async function allServed(): Promise<void> {
  await served(usual);
  for (const name of ['still', 'still-tcp']) await onlineAtBoth(ns, name, 1);
}

/** So many Pods, all of them served. */
export async function scaled(replicas: number): Promise<void> {
  await scale(ns, 'app', replicas);
  await rolledOut(ns, 'app');
  await served(replicas);
}

/** A Pod of the app. */
export async function anApp(): Promise<string> {
  const pods = await items(ns, 'pod', '-l', 'app=app');
  return String(pods.find(({ metadata }) => metadata.deletionTimestamp === undefined).metadata.name);
}

/** Kills both sidecars of a Pod, and waits until it is served again. */
export async function sidecarKilled(): Promise<void> {
  const pod = await anApp();
  await restartedBy(() => killAtOnce(() => processesOf(pod, /frpc -c/)), { namespace: ns, pod, name: 'frpc' });
  await served(usual);
}
