/** Other settings of the installation, for the tests of one file. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse, stringify } from 'yaml';
import { reachable, serving, usingImage } from './cluster.ts';
import { gatewayInstalled, gatewayReady } from './gateway.ts';
import { gatewayNamespace, root, system } from './places.ts';
import { get, items, kubectl, noneEnding, rolledOut, type Json } from './kubectl.ts';

const parts = ['frp-controller', 'frp-webhook'];

/**
 * Restarts controller and webhooks with `changes` in their configuration (whole top-level keys).
 * @returns a function that puts the configuration back, and restarts them again
 */
export async function withSettings(changes: Json): Promise<() => Promise<void>> {
  const name = configMapOf(await get(system, 'deployment', 'frp-controller'));
  const { data } = await get(system, 'configmap', name);
  const before = String(data['config.yaml']);
  const set = async (text: string): Promise<void> => {
    await kubectl('-n', system, 'patch', 'configmap', name, '--type=merge', '-p', JSON.stringify({ data: { 'config.yaml': text } }));
    for (const part of parts) await kubectl('-n', system, 'rollout', 'restart', `deployment/${part}`);
    await Promise.all(parts.map((part) => rolledOut(system, part)));
    await noneEnding(system, 'frp-webhook');
    await reachable();
  };
  await set(stringify({ ...parse(before), ...changes }));
  return () => set(before);
}

/**
 * Installs the gateway with other keys below `gateway` in the configuration, and files beside it, by an overlay as
 * docs/guide/gateway.md has one.
 * @returns a function that installs it as it was
 */
export async function withGateway(changes: Json, files: Record<string, string>): Promise<() => Promise<void>> {
  const overlay = join(root, 'artifacts/overlay/gateway-settings');
  mkdirSync(overlay, { recursive: true });
  const base = usingImage('manifests/gateway');
  const config = parse(readFileSync(join(root, 'manifests/gateway/config.yaml'), 'utf8')) as { gateway: Json };
  const all = { ...files, 'config.yaml': stringify({ ...config, gateway: { ...config.gateway, ...changes } }) };
  const kustomization = {
    resources: [relative(overlay, base)],
    configMapGenerator: [
      { name: 'frp-k8s-config', namespace: system, behavior: 'merge', files: ['config.yaml'] },
      { name: 'frp-gateway-config', namespace: gatewayNamespace, behavior: 'merge', files: Object.keys(all) },
    ],
  };
  for (const [name, text] of Object.entries({ ...all, 'kustomization.yaml': stringify(kustomization) }))
    writeFileSync(join(overlay, name), text);
  await kubectl('apply', '-k', overlay);
  await Promise.all([serving(), gatewayReady()]);
  const made = [
    [system, configMapOf(await get(system, 'deployment', 'frp-controller'))],
    [gatewayNamespace, configMapOf(await get(gatewayNamespace, 'statefulset', 'frp-gateway'))],
  ] as const;
  return async () => {
    await gatewayInstalled();
    for (const [namespace, name] of made) await kubectl('-n', namespace, 'delete', 'configmap', name);
  };
}

/** The one that a workload mounts: its name ends in a hash of its content. */
function configMapOf({ spec }: Json): string {
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
