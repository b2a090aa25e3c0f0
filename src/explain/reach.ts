/** Which replicas of a gateway can be asked from here, and why others cannot. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import type { Read } from '../diagnose/read.ts';
import { read, unread, valueOf } from '../diagnose/read.ts';
import type { Pod } from '../diagnose/shapes.ts';
import { podResource } from '../diagnose/shapes.ts';
import { UserError } from '../errors.ts';
import { markerFile } from '../gateway/up/home.ts';
import { statusSocket } from '../gateway/up/layout.ts';
import { text } from '../kube/authority-secret.ts';
import type { KubeClient } from '../kube/client.ts';
import { secrets } from '../kube/types.ts';
import { hasGateway } from '../model/gateway.ts';
import { gatewayName, serverApiSecretName } from '../model/names.ts';
import { forwardedVoice, localVoice, type GatewayVoice } from './gateway-voice.ts';
import { portForward } from './port-forward.ts';

export interface Reach {
  voices: GatewayVoice[];
  /** why a replica, or the gateway as a whole, cannot be asked; sentences */
  problems: string[];
}

/** @param directory of `frp-k8s gateway up` @throws UserError where it is none */
export function reachDirectory(directory: string): Reach {
  const home = resolve(directory);
  if (!existsSync(join(home, markerFile)))
    throw new UserError(`${home} is no gateway's directory: say the one that frp-k8s gateway up was started with`);
  const socket = statusSocket(home);
  return existsSync(socket)
    ? { voices: [localVoice(socket)], problems: [] }
    : { voices: [], problems: [`the gateway in ${home} does not run: start it with frp-k8s gateway up --dir ${home}`] };
}

/** The replicas in the cluster, with the rights of this account. @param config of the installation, where it could be read */
export async function reachCluster(client: KubeClient, config: Read<Config>): Promise<Reach> {
  const known = valueOf(config);
  if (known && !hasGateway(known)) return { voices: [], problems: ['the installation has no gateway (gateway.addresses)'] };
  const namespace = known?.gateway.namespace ?? 'frp-gateway';
  const installation = known?.namespace ?? 'frp-system';
  const found = await read(`list pods in namespace ${namespace}`, () =>
    client.list<Pod>(podResource, { namespace, labelSelector: `app=${gatewayName}` }),
  );
  const pods = valueOf(found)?.items;
  if (!pods) return { voices: [], problems: [`the gateway cannot be asked: ${unread(found) ?? 'it is not there'}`] };
  if (pods.length === 0)
    return {
      voices: [],
      problems: [`there is no gateway in namespace ${namespace} of this cluster; what a gateway elsewhere knows is in the status`],
    };
  const secret = await read(`get Secret ${installation}/${serverApiSecretName}`, () =>
    client.get(secrets, installation, serverApiSecretName),
  );
  if (!('ok' in secret))
    return {
      voices: [],
      problems: [`the gateway cannot be asked: ${unread(secret) ?? `Secret ${installation}/${serverApiSecretName} is not there`}`],
    };
  const credentials = { user: text(secret.ok, 'user'), password: text(secret.ok, 'password') };
  const port = known?.gateway.apiPort ?? 10_004;
  const isUp = ({ status, metadata }: Pod) => status?.phase === 'Running' && metadata.deletionTimestamp === undefined;
  return {
    voices: pods
      .filter(isUp)
      .map(({ metadata: { name } }) =>
        forwardedVoice(name, () => portForward(client.access.kubeConfig, namespace, name, port), credentials),
      ),
    problems: pods
      .filter((pod) => !isUp(pod))
      .map(({ metadata, status }) => `${metadata.name} does not run (${status?.phase ?? 'Unknown'})`),
  };
}

export interface Heard<T> {
  replica: string;
  answer: T;
}

/** The same question to each replica, at the same time. @returns their answers, and why others gave none */
export async function askAll<T>({ voices, problems }: Reach, question: string): Promise<{ heard: Heard<T>[]; problems: string[] }> {
  const answers = await Promise.all(voices.map(async ({ replica, ask }) => ({ replica, answer: await ask<T>(question) })));
  const heard = answers.flatMap(({ replica, answer }) => ('ok' in answer ? [{ replica, answer: answer.ok }] : []));
  const silent = answers.flatMap(({ replica, answer }) =>
    'ok' in answer ? [] : [`${replica}: ${'absent' in answer ? answer.absent : unread(answer)}`],
  );
  return { heard, problems: [...problems, ...new Set(silent)] };
}
