/** Other settings of the installation, for the tests of one file. */
import { parse, stringify } from 'yaml';
import { reachable } from './cluster.ts';
import { system } from './places.ts';
import { get, items, kubectl, rolledOut, type Json } from './kubectl.ts';

const parts = ['frp-controller', 'frp-webhook'];

/**
 * Restarts controller and webhooks with `changes` in their configuration (whole top-level keys).
 * @returns a function that puts the configuration back, and restarts them again
 */
export async function withSettings(changes: Json): Promise<() => Promise<void>> {
  const name = await configMap();
  const { data } = await get(system, 'configmap', name);
  const before = String(data['config.yaml']);
  const set = async (text: string): Promise<void> => {
    await kubectl('-n', system, 'patch', 'configmap', name, '--type=merge', '-p', JSON.stringify({ data: { 'config.yaml': text } }));
    for (const part of parts) await kubectl('-n', system, 'rollout', 'restart', `deployment/${part}`);
    await Promise.all(parts.map((part) => rolledOut(system, part)));
    await reachable();
  };
  await set(stringify({ ...parse(before), ...changes }));
  return () => set(before);
}

/** The one that the Deployment mounts: its name ends in a hash of its content. */
async function configMap(): Promise<string> {
  const { spec } = await get(system, 'deployment', 'frp-controller');
  const volumes = spec.template.spec.volumes as { configMap?: { name: string } }[];
  return volumes.find((volume) => volume.configMap)!.configMap!.name;
}

interface RunningPod {
  metadata: { name: string };
  status: Partial<Record<'initContainerStatuses' | 'containerStatuses', { name: string; restartCount: number }[]>>;
}

/** Containers of a namespace that were restarted, as Pod/container. */
export async function restarted(namespace: string): Promise<string[]> {
  return ((await items(namespace, 'pod')) as RunningPod[]).flatMap(({ metadata, status }) =>
    [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
      .filter(({ restartCount }) => restartCount > 0)
      .map(({ name }) => `${metadata.name}/${name}`),
  );
}
