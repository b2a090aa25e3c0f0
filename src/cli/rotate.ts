/** `frp-k8s rotate`: another group key of a service, or another certificate authority of an installation or a gateway. */
import { randomBytes } from 'node:crypto';
import { UserError } from '../errors.ts';
import { loadAccess } from '../kube/access.ts';
import { base64 } from '../kube/authority-secret.ts';
import { KubeClient } from '../kube/client.ts';
import { ignoreNotFound } from '../kube/errors.ts';
import { describe, distributedServices, pods, secrets, type KubeObject, type Resource } from '../kube/types.ts';
import { annotation, authoritySecretName, groupSecretName, label, webhookAuthoritySecretName } from '../model/names.ts';
import { placeOptions, type PlaceValues } from './gateway-place.ts';
import { parseOptions } from './options.ts';
import { rotateGatewayAuthority } from './rotate-gateway.ts';

export const help = `frp-k8s rotate: replace a key, stating what it interrupts

usage: frp-k8s rotate group NAME [-n NS] --accept-outage
       frp-k8s rotate ca [--system NS] --accept-outage
       frp-k8s rotate webhook-ca [--system NS]
       frp-k8s rotate gateway-ca [--dir DIR [--clients-renewed] | -n NS] [--accept-outage]

group NAME   Writes another key for the frp group of a DistributedService, and restarts the workloads whose Pods are its
             members, as kubectl rollout restart does. Members with the new key are refused while one with the old key
             is there, and try again every 30 s: once the last old Pod is gone, the service is away for up to 30 s.
ca           Asks the controller for another certificate authority. Certificates change without an interruption, except
             that the frp server loads them at its start only: it restarts three times, some minutes apart, and each
             time every tunnel is away for the seconds until its sidecar has dialled again. At a gateway nothing is
             interrupted; one elsewhere is told first, so its link must be up. The rotation is over when
             Secret frp-ca has no annotation ${annotation.rotationPhase} any more.
webhook-ca   Asks the webhooks for another authority of their serving certificate (Secret frp-webhook-authority). The
             API server trusts both for as long as one is in use, so nothing is interrupted.
gateway-ca   Takes the next of three steps to another authority of a gateway that clusters join: the new one is trusted beside the
             old one, then it issues, then the old one goes. Each call says when the next one may come, and refuses to cut off a
             cluster that has not followed; nothing is interrupted. Clusters that have joined follow by themselves. Of a gateway
             outside any cluster (frp-k8s gateway up, --dir) it is that of the tunnels as well, and machines that client-config has
             configured need another configuration after the first step. Of a gateway in a cluster it is that of the links alone
             (Secret frp-gateway-links); that of the tunnels is replaced by "rotate ca" there.
token        The tunnel is authenticated by mTLS: use "rotate ca". The auth token of an frps of your own is in the Secret that
             frps.auth.tokenSecret of the configuration names: change it there.

  -n, --namespace NS       namespace of the service (default: the context's, else default), or of the gateway (frp-gateway)
      --system NS          namespace of the installation (default: frp-system)
      --dir DIR            directory of a gateway outside any cluster
      --kubeconfig FILE    default: KUBECONFIG, else ~/.kube/config
      --context NAME       default: the current one
      --clients-renewed    every machine outside clusters has a configuration of after the first step
      --accept-outage      needed: without it the command says what would happen, and changes nothing

examples:
  frp-k8s rotate group api -n prod --accept-outage
  frp-k8s rotate ca --accept-outage
  frp-k8s rotate webhook-ca
  frp-k8s rotate gateway-ca --dir /var/lib/frp-k8s
  frp-k8s rotate gateway-ca --context headquarters
`;

const say = (text: string) => process.stdout.write(`${text}\n`);
const workload = (kind: string, plural: string): Resource<KubeObject> => ({ apiVersion: 'apps/v1', kind, plural, namespaced: true });
const replicaSets = workload('ReplicaSet', 'replicasets');
/** What `kubectl rollout restart` can restart. */
const restartable: Record<string, Resource<KubeObject>> = {
  Deployment: workload('Deployment', 'deployments'),
  StatefulSet: workload('StatefulSet', 'statefulsets'),
  DaemonSet: workload('DaemonSet', 'daemonsets'),
};

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(
    'rotate',
    args,
    {
      ...placeOptions,
      system: { type: 'string', default: 'frp-system' },
      'clients-renewed': { type: 'boolean', default: false },
      'accept-outage': { type: 'boolean', default: false },
    },
    'positionals',
  );
  const [what, name] = positionals;
  const isAccepted = values['accept-outage'];
  if (what === 'token')
    throw new UserError('rotate token: there is no frp auth token: the tunnel is authenticated by mTLS; use: frp-k8s rotate ca');
  if (what === 'ca') return withClient(values, (client) => rotateAuthority(client, values.system, isAccepted));
  if (what === 'webhook-ca') return withClient(values, (client) => askForAuthority(client, values.system, webhookAuthoritySecretName));
  if (what === 'gateway-ca') {
    const { dir, kubeconfig, context, namespace } = values;
    const place = { dir, kubeconfig, context, namespace };
    await rotateGatewayAuthority({ place, areClientsRenewed: values['clients-renewed'], isAccepted });
    return 0;
  }
  if (what !== 'group')
    throw new UserError(`rotate: what to rotate is "group NAME", "ca", "webhook-ca" or "gateway-ca"; see frp-k8s rotate --help`);
  if (name === undefined) throw new UserError('rotate group: the name of a DistributedService is missing; see frp-k8s rotate --help');
  return withClient(values, (client) => rotateGroup(client, values.namespace ?? client.access.namespace ?? 'default', name, isAccepted));
}

async function withClient(from: Pick<PlaceValues, 'kubeconfig' | 'context'>, work: (client: KubeClient) => Promise<void>): Promise<number> {
  const client = new KubeClient(loadAccess(from));
  try {
    await work(client);
    return 0;
  } finally {
    client.close();
  }
}

function needsAcceptance(what: string, isAccepted: boolean): void {
  if (!isAccepted) throw new UserError(`${what}; nothing was changed: say --accept-outage to go on`);
}

async function rotateAuthority(client: KubeClient, namespace: string, isAccepted: boolean): Promise<void> {
  needsAcceptance('rotate ca: the frp server restarts three times, and each time every tunnel is away for some seconds', isAccepted);
  await askForAuthority(client, namespace, authoritySecretName);
}

/** @param name of the Secret; whoever keeps its authority sees the annotation: the controller, or the webhooks */
async function askForAuthority(client: KubeClient, namespace: string, name: string): Promise<void> {
  const keeper = name === authoritySecretName ? 'the controller' : 'one of the webhooks';
  const within = name === authoritySecretName ? 'seconds' : 'a minute';
  const patch = { metadata: { annotations: { [annotation.rotate]: new Date().toISOString() } } };
  const secret = await client.mergePatch(secrets, namespace, name, patch).catch(ignoreNotFound);
  if (!secret)
    throw new UserError(`rotate: ${describe(secrets, namespace, name)} does not exist; name the installation's namespace with --system`);
  const phase = secret.metadata.annotations?.[annotation.rotationPhase];
  say(
    phase === undefined
      ? `asked for: ${keeper} begins within ${within}`
      : `asked for: another rotation is under way (${phase}); this one begins after it`,
  );
  say(`follow it with: kubectl -n ${namespace} get secret ${name} -o jsonpath='{.metadata.annotations}', and the log of ${keeper}`);
}

async function rotateGroup(client: KubeClient, namespace: string, name: string, isAccepted: boolean): Promise<void> {
  await client.getMetadata(distributedServices, namespace, name);
  const { items } = await client.list(pods, { namespace, labelSelector: `${label.sidecar}=injected` });
  const members = items.filter((pod) => groupsOf(pod).includes(name));
  const { workloads, others } = await ownersOf(client, members);
  needsAcceptance(
    `rotate group ${name}: restarts ${[...workloads.keys()].join(', ') || 'nothing'} (${members.length} Pods); once its last old Pod is gone, the service is away for up to 30 s`,
    isAccepted,
  );
  const data = { key: base64(randomBytes(32).toString('base64url')) };
  await client.mergePatch(secrets, namespace, groupSecretName(name), { data });
  say(`${describe(secrets, namespace, groupSecretName(name))} has another key`);
  const restart = { spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() } } } } };
  for (const [text, { resource, owner }] of workloads) {
    await client.mergePatch(resource, namespace, owner, restart);
    say(`restarting ${text}`);
  }
  for (const pod of others) say(`Pod ${namespace}/${pod.metadata.name} belongs to nothing that restarts it: delete it yourself`);
}

/** Names of the groups that a Pod asked for. */
const groupsOf = ({ metadata }: KubeObject): string[] =>
  (metadata.annotations?.[annotation.group] ?? injectedGroups(metadata.annotations?.[annotation.injected]))
    .split(',')
    .map((name) => name.trim());

/** In selector mode only the injector's own note says it. */
function injectedGroups(note = '{}'): string {
  try {
    const { groups } = JSON.parse(note) as { groups?: string[] };
    return Array.isArray(groups) ? groups.join(',') : '';
  } catch {
    return '';
  }
}

async function ownersOf(client: KubeClient, members: KubeObject[]) {
  const workloads = new Map<string, { resource: Resource<KubeObject>; owner: string }>();
  const others: KubeObject[] = [];
  for (const pod of members) {
    const { namespace } = pod.metadata;
    let owner = controllerOf(pod);
    if (owner?.kind === 'ReplicaSet') owner = controllerOf(await client.getMetadata(replicaSets, namespace, owner.name));
    const resource = owner && restartable[owner.kind];
    if (resource) workloads.set(describe(resource, namespace, owner!.name), { resource, owner: owner!.name });
    else others.push(pod);
  }
  return { workloads, others };
}

const controllerOf = ({ metadata }: KubeObject) => metadata.ownerReferences?.find(({ controller }) => controller);
