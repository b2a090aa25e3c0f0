/** The gateway under test. */
import { installServer, serving, usingImage } from './cluster.ts';
import { get, kubectl } from './kubectl.ts';
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
