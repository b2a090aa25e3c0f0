/** The gateway under test. */
import assert from 'node:assert/strict';
import { caBundlesWritten, reachable, system, usingImage } from './cluster.ts';
import { get, items, kubectl, rolledOut } from './kubectl.ts';
import { eventually } from './run.ts';

export const gatewayNamespace = 'frp-gateway';
export const users = 'frp-gateway-users.frp-gateway.svc';

/** Moves the installation to manifests/gateway, as docs/guide/gateway.md says, and waits until it serves. */
export async function gatewayInstalled(): Promise<void> {
  await kubectl('apply', '-k', usingImage('manifests/gateway'));
  await Promise.all([rolledOut(system, 'frp-controller'), reachable(), caBundlesWritten(), gatewayReady()]);
  await noneEnding();
}

/** A webhook that is ending still answers, by the configuration of before. */
const noneEnding = (): Promise<void> =>
  eventually('no webhook that is ending', async () =>
    assert.ok((await items(system, 'pod', '-l', 'app=frp-webhook')).every(({ metadata }) => metadata.deletionTimestamp === undefined)),
  );

export const gatewayReady = (): Promise<string> =>
  kubectl('-n', gatewayNamespace, 'rollout', 'status', 'statefulset/frp-gateway', '--timeout=180s');

/** ClusterIP of the Service for users. */
export const usersAddress = async (): Promise<string> =>
  String((await get(gatewayNamespace, 'service', 'frp-gateway-users')).spec.clusterIP);

/** Address of a replica's Pod. */
export const replicaAddress = async (ordinal: number): Promise<string> =>
  String((await get(gatewayNamespace, 'pod', `frp-gateway-${ordinal}`)).status.podIP);

/** Back to manifests/install, without a gateway. */
export async function gatewayRemoved(): Promise<void> {
  await kubectl('delete', 'namespace', gatewayNamespace, '--timeout=180s');
  await kubectl('delete', 'clusterrole,clusterrolebinding', 'frp-k8s-gateway');
  await kubectl('apply', '-k', usingImage('manifests/install'));
  await Promise.all([rolledOut(system, 'frp-controller'), reachable()]);
  await noneEnding();
}
