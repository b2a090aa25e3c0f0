/** The frpc sidecar for one server: a native sidecar container, its two volumes and its configuration annotation. */
import type { Config } from '../../src/config/schema.ts';
import { certificateDirectory, configDirectory, type LocalMember } from '../../src/frp/client-config.ts';
import { groupSecretName } from '../../src/model/names.ts';
import type { Container, EnvVar, Volume } from './pod.ts';
import { certificateSources, sharedSources } from './projected-files.ts';
import type { Resources } from './resources.ts';
import { startOf } from './start.ts';

export interface SidecarInput {
  /** position among the Pod's sidecars: 0 is `frpc`, 1 is `frpc-1` */
  index: number;
  members: readonly LocalMember[];
  /** audience of the Pod's token where the sidecar dials the gateway; undefined: the plain frp server */
  audience: string | undefined;
  /** image, security context and address of the app come from here */
  config: Config;
  image: string;
  appAddress: Config['sidecar']['appAddress'];
  resources: Resources;
  /** seconds; 0 means no preStop hook */
  drain: number;
  /** text of frpc's configuration */
  text: string;
}

export interface Sidecar {
  container: Container;
  volumes: Volume[];
  annotation: [key: string, value: string];
}

export const containerName = (index: number): string => (index === 0 ? 'frpc' : `frpc-${index}`);
/** Annotation with the configuration of a Pod's sidecar. */
export const configAnnotation = (index: number): string => `frp.io/${containerName(index)}.json`;

/** Pod Security "restricted", whatever the Pod says. Without a configured user it is the Pod's, the platform's or the image's. */
export const securityContextOf = ({ sidecar: { runAsUser } }: Config): object => ({
  ...(runAsUser !== null && { runAsUser, runAsGroup: runAsUser }),
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
});

/**
 * What frpc's configuration and its start read of the environment. The group key is the plain frp server's; keys of several
 * groups come from the volume alone.
 */
export const memberEnv = (group: string, hasKey: boolean, more: EnvVar[] = []): EnvVar[] => [
  { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
  { name: 'POD_UID', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.uid' } } },
  { name: 'FRP_GROUP', value: group },
  ...more,
  ...(hasKey ? [{ name: 'FRP_GROUP_KEY', valueFrom: { secretKeyRef: { name: groupSecretName(group), key: 'key', optional: true } } }] : []),
];

const podIP: EnvVar = { name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } };

export function sidecarOf(input: SidecarInput): Sidecar {
  const name = containerName(input.index);
  const { imagePullPolicy } = input.config.sidecar;
  const isPlain = input.audience === undefined;
  const services = input.members.map(({ service }) => service);
  const isShared = services.length > 1;
  return {
    container: {
      name,
      image: input.image,
      ...(imagePullPolicy && { imagePullPolicy }),
      restartPolicy: 'Always',
      command: ['/bin/sh', '-c', startOf({ members: input.members, isPlain, config: input.config })],
      env: memberEnv(services.map(({ metadata }) => metadata.name).join(), isPlain && !isShared, [
        { name: 'LOCAL_SERVICE_PORT', value: input.members.map(({ localPort }) => localPort).join() },
        ...(input.appAddress === 'podIP' ? [podIP] : []),
      ]),
      resources: input.resources,
      ...(input.drain > 0 && { lifecycle: { preStop: { sleep: { seconds: input.drain } } } }),
      securityContext: securityContextOf(input.config),
      volumeMounts: [
        { name: `${name}-config`, mountPath: configDirectory, readOnly: true },
        { name: `${name}-certs`, mountPath: certificateDirectory, readOnly: true },
      ],
    },
    volumes: [
      {
        name: `${name}-config`,
        downwardAPI: {
          defaultMode: 0o444,
          items: [
            { path: 'frpc.json', fieldRef: { apiVersion: 'v1', fieldPath: `metadata.annotations['${configAnnotation(input.index)}']` } },
          ],
        },
      },
      {
        name: `${name}-certs`,
        projected: {
          defaultMode: 0o444,
          sources: isShared
            ? sharedSources(services, input.audience, input.config)
            : certificateSources(services[0]!, input.audience, input.config),
        },
      },
    ],
    annotation: [configAnnotation(input.index), input.text],
  };
}

/**
 * Whether an init container is a sidecar of ours, of any version: by its shape, never by an annotation. Webhooks that
 * decode a Pod into older types drop `restartPolicy` and `preStop.sleep`, so these do not count.
 */
export function isSidecar(container: Container): boolean {
  return (
    /^frpc(-[1-9][0-9]*)?$/.test(container.name) &&
    (container.env ?? []).some(({ name }) => name === 'FRP_GROUP') &&
    (container.volumeMounts ?? []).some(({ name, mountPath }) => mountPath === configDirectory && name === `${container.name}-config`)
  );
}

/** The groups that a sidecar joins, with the port of the app for each; none where it is not one of ours. */
export function groupsIn(container: Container): Map<string, number> {
  if (!isSidecar(container)) return new Map();
  const listed = (wanted: string) => container.env?.find(({ name }) => name === wanted)?.value?.split(',') ?? [];
  const ports = listed('LOCAL_SERVICE_PORT');
  return new Map(listed('FRP_GROUP').map((group, index) => [group, Number(ports[index])]));
}

/** Whether a volume is one of a sidecar's. */
export function isSidecarVolume(volume: Volume, sidecarNames: ReadonlySet<string>): boolean {
  const [, owner] = /^(frpc(?:-[1-9][0-9]*)?)-(?:config|certs)$/.exec(volume.name) ?? [];
  return owner !== undefined && sidecarNames.has(owner) && ('downwardAPI' in volume || 'projected' in volume);
}

export const isConfigAnnotation = (key: string): boolean => /^frp\.io\/frpc(-[1-9][0-9]*)?\.json$/.test(key);
