/** What a connector consists of: a ConfigMap, a Deployment of frpc without an app, and a PodDisruptionBudget. */
import { certificateSources } from '../../../webhooks/pods/projected-files.ts';
import { resourcesOf } from '../../../webhooks/pods/resources.ts';
import { containerName, memberEnv, securityContextOf } from '../../../webhooks/pods/sidecar.ts';
import { gatewayStart, plainStart } from '../../../webhooks/pods/start.ts';
import type { Config } from '../../config/schema.ts';
import { configFor } from '../../config/sidecar.ts';
import { certificateDirectory, configDirectory, configPath } from '../../frp/client-config.ts';
import type { ConfigMap, KubeObject, Metadata } from '../../kube/types.ts';
import { serversOf } from '../../model/gateway.ts';
import { annotation, connectorName, label, manager } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';
import { ownerReference } from '../ownership.ts';

export interface Deployment extends KubeObject {
  spec: { replicas: number; [field: string]: unknown };
}
export interface Budget extends KubeObject {
  spec: Record<string, unknown>;
}

const component = 'connector';
/** Selects the connectors' objects of every service. */
export const connectorSelector = `${label.managedBy}=${manager},${label.component}=${component}`;

const labelsOf = ({ metadata }: DistributedService): Record<string, string> => ({
  [label.managedBy]: manager,
  [label.component]: component,
  [label.service]: metadata.name,
});

const metadataOf = (service: DistributedService): Metadata => ({
  name: connectorName(service.metadata.name),
  namespace: service.metadata.namespace ?? '',
  labels: labelsOf(service),
  ownerReferences: [ownerReference(service)],
});

/** @param configs by container, in their order: one for each server that is dialled */
export const configMapOf = (service: DistributedService, configs: readonly string[]): ConfigMap => ({
  metadata: metadataOf(service),
  data: Object.fromEntries(configs.map((text, index) => [configKey(index), text])),
});

/** Key of the connector's ConfigMap with the configuration of one container. */
export const configKey = (index: number): string => `${containerName(index)}.json`;

/**
 * The kubelet swaps the ConfigMap's files in place, at once where the Pod is patched. frpc reads the new file when told,
 * and touches only the proxies that differ (frp client/service.go, UpdateAllConfigurer). A file that it refuses is said
 * once, and the proxies of before stay.
 */
const run = (start: readonly string[]) =>
  [
    ...start,
    `now() { readlink ${configDirectory}/..data; }`,
    `seen=$(now)`,
    `frpc -c ${configPath} & frpc=$!`,
    `trap 'kill $frpc; exit 0' TERM`,
    `while sleep 1; kill -0 $frpc 2>/dev/null; do`,
    `next=$(now)`,
    `[ "$next" = "$seen" ] && continue`,
    `if answer=$(frpc reload -c ${configPath} 2>&1); then seen=$next; continue; fi`,
    `[ "$refused" = "$next" ] || echo "the changed configuration was not taken: $answer"; refused=$next`,
    `done`,
    `wait $frpc`,
  ].join('\n');

export function deploymentOf(service: DistributedService, installation: Config): Deployment {
  const config = configFor(installation, service.metadata.namespace ?? '');
  const { sidecar } = config;
  const servers = serversOf(service.spec, config);
  const labels = labelsOf(service);
  const drain = Math.ceil(sidecar.drain / 1000);
  return {
    metadata: metadataOf(service),
    spec: {
      replicas: service.spec.backends.replicas ?? 1,
      revisionHistoryLimit: 2,
      // A new Pod has registered before an old one goes.
      minReadySeconds: 5,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { [annotation.inject]: 'false' } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: drain + 10,
          ...(sidecar.imagePullSecrets.length > 0 && { imagePullSecrets: sidecar.imagePullSecrets.map((name) => ({ name })) }),
          containers: servers.map((gateway, index) => containerOf(index, service, gateway !== undefined, config)),
          volumes: servers.flatMap((gateway, index) => volumesOf(index, service, gateway && config.gateway.audience, config)),
        },
      },
    },
  };
}

/** frpc for one server. */
function containerOf(index: number, { metadata }: DistributedService, isGateway: boolean, config: Config): object {
  const { sidecar } = config;
  const name = containerName(index);
  const drain = Math.ceil(sidecar.drain / 1000);
  return {
    name,
    image: sidecar.image,
    ...(sidecar.imagePullPolicy && { imagePullPolicy: sidecar.imagePullPolicy }),
    command: ['/bin/sh', '-c', run(isGateway ? gatewayStart(config) : plainStart(config.frps))],
    env: memberEnv(metadata.name, !isGateway),
    resources: resourcesOf({ ports: new Map() }, config, { guaranteed: false, ofPod: [], cpuLimitOfPod: undefined }).resources,
    ...(drain > 0 && { lifecycle: { preStop: { sleep: { seconds: drain } } } }),
    securityContext: securityContextOf(config),
    volumeMounts: [
      { name: `${name}-config`, mountPath: configDirectory, readOnly: true },
      { name: `${name}-certs`, mountPath: certificateDirectory, readOnly: true },
    ],
  };
}

function volumesOf(index: number, service: DistributedService, audience: string | undefined, config: Config): object[] {
  const name = containerName(index);
  const items = [{ key: configKey(index), path: 'frpc.json' }];
  return [
    { name: `${name}-config`, configMap: { name: connectorName(service.metadata.name), defaultMode: 0o444, items } },
    { name: `${name}-certs`, projected: { defaultMode: 0o444, sources: certificateSources(service, audience, config) } },
  ];
}

export const budgetOf = (service: DistributedService): Budget => ({
  metadata: metadataOf(service),
  spec: { maxUnavailable: 1, selector: { matchLabels: labelsOf(service) } },
});
