/** The gateway under test. */
import { installServer, serving, usingImage } from './cluster.ts';
import { counter, online } from './controller.ts';
import { get, items, kubectl } from './kubectl.ts';
import { gatewayNamespace } from './places.ts';

export { gatewayNamespace };
export const users = 'frp-gateway-users.frp-gateway.svc';

/** Moves the installation to manifests/gateway, as docs/guide/gateway.md says, and waits until it serves. */
export async function gatewayInstalled(): Promise<void> {
  await kubectl('apply', '-k', usingImage('manifests/gateway'));
  await installServer();
  await Promise.all([serving(), gatewayReady()]);
}

export const gatewayReady = (): Promise<string> =>
  kubectl('-n', gatewayNamespace, 'rollout', 'status', 'statefulset/frp-gateway', '--timeout=180s');

/** ClusterIP of the Service for users. */
export const usersAddress = async (): Promise<string> =>
  String((await get(gatewayNamespace, 'service', 'frp-gateway-users')).spec.clusterIP);

/** Address of a replica's Pod. */
export const replicaAddress = async (ordinal: number): Promise<string> =>
  String((await get(gatewayNamespace, 'pod', `frp-gateway-${ordinal}`)).status.podIP);

/** Where a replica tells of its members: what HAProxy says of them, health checks included. */
export const membersApi = (ordinal: number): string =>
  `https://frp-gateway-${ordinal}.frp-gateway.${gatewayNamespace}.svc:10004/api/proxy/tcp`;

/** Both replicas have so many members of a service in the traffic. */
export async function onlineAtBoth(namespace: string, name: string, count: number): Promise<void> {
  for (const ordinal of [0, 1]) await online(namespace, name, count, membersApi(ordinal));
}

/** How often HAProxy for users was reloaded, by replica. */
export const reloads = (): Promise<number[]> =>
  Promise.all(
    [0, 1].map(async (ordinal) => {
      const series = await counter(`frp-gateway-${ordinal}`, 'frp_gateway_reloads_total', { namespace: gatewayNamespace, port: 8081 });
      return [...series.values()].reduce((sum, value) => sum + value, 0);
    }),
  );

/** Kinds of the copies that the gateway has of a Secret. @param original namespace/name */
export async function copiesOf(original: string): Promise<string[]> {
  const copies = await items(gatewayNamespace, 'secret', '-l', 'frp.io/gateway-copy=true');
  return copies
    .map(({ metadata }) => metadata.annotations as Record<string, string>)
    .filter((annotations) => annotations['frp.io/copy-of'] === original)
    .map((annotations) => annotations['frp.io/copy-kind']!)
    .sort();
}
