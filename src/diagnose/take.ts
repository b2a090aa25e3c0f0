/** Takes a Snapshot: reads alone, in pages, of each collection no more than a bound, and each object trimmed as it comes. */
import { configFromText } from '../config/load.ts';
import { defaultConfig } from '../config/schema.ts';
import type { KubeClient, ListOptions } from '../kube/client.ts';
import {
  configMaps,
  distributedServices,
  endpointSlices,
  leases,
  mutatingWebhooks,
  namespaces,
  secrets,
  services,
  validatingWebhooks,
  type ConfigMap,
  type KubeObject,
  type Resource,
} from '../kube/types.ts';
import {
  authoritySecretName,
  gatewayTlsSecretName,
  group,
  joinSecretName,
  label,
  leaseName,
  linkSecretName,
  manager,
  plural,
  replicaSecretName,
  serverApiSecretName,
  serverSecretName,
  webhookAuthoritySecretName,
} from '../model/names.ts';
import { keptEvent, keptPod, keptWorkload } from './keep.ts';
import { itemsOf, mapRead, read, valueOf, type Read } from './read.ts';
import {
  bindingResource,
  definitionResource,
  eventResource,
  podResource,
  policyResource,
  publicSecret,
  quotaResource,
  roleResource,
  workloadResources,
  type Pod,
  type Webhooks,
  type Workload,
} from './shapes.ts';
import type { Place, ServerVersion, Snapshot, UsersObjects } from './snapshot.ts';

export interface SnapshotOptions {
  /** of users' objects; absent: all */
  namespace?: string | undefined;
  /** of the installation; default: frp-system */
  installation?: string | undefined;
  /** told of what is being read, for people */
  onProgress?: (what: string) => void;
}

/** No more objects of a collection than this are read: what is beyond is said to be missing (Read.isCut). */
export const mostObjects = 50_000;
const mostEvents = 2000;
const partOf = { labelSelector: `app.kubernetes.io/part-of=${manager}` };
const secretsOf = {
  installation: [
    authoritySecretName,
    webhookAuthoritySecretName,
    serverSecretName,
    gatewayTlsSecretName,
    serverApiSecretName,
    joinSecretName,
    linkSecretName,
  ],
  gateway: [replicaSecretName],
} as const;

/** Rejects for nothing that the API server answers: each part says itself what became of it. */
export async function takeSnapshot(client: KubeClient, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { namespace, installation = defaultConfig.namespace, onProgress = () => {} } = options;
  const at = Date.now();
  const reader = new Reader(client);
  onProgress('the installation');
  const version = read('get /version', () => client.raw<ServerVersion>('/version'));
  const home = place(reader, installation, secretsOf.installation);
  const crd = reader.one(definitionResource, undefined, `${plural}.${group}`);
  const webhooks = Promise.all([reader.all(mutatingWebhooks as Resource<Webhooks>), reader.all(validatingWebhooks as Resource<Webhooks>)]);
  const roles = reader.all(roleResource, partOf);
  const bindings = reader.all(bindingResource, partOf);
  const lease = reader.one(leases, installation, leaseName);
  const configMap = configMapOf(reader, await home);
  const config = configOf(await configMap);
  onProgress(namespace === undefined ? 'services and Pods of all namespaces' : `services and Pods of namespace ${namespace}`);
  const users = usersObjects(reader, namespace);
  const gatewayNamespace = valueOf(config)?.gateway.namespace ?? defaultConfig.gateway.namespace;
  const [mutating, validating] = await webhooks;
  return Object.freeze({
    at,
    address: client.access.server,
    namespace,
    server: await version,
    crd: await crd,
    mutating,
    validating,
    roles: await roles,
    bindings: await bindings,
    installation: await home,
    gateway: await place(reader, gatewayNamespace, secretsOf.gateway),
    configMap: await configMap,
    config,
    lease: await lease,
    ...(await users),
  });
}

/** Configuration of an installation, of its ConfigMap. */
export async function readConfig(client: KubeClient, installation: string = defaultConfig.namespace): Promise<Snapshot['config']> {
  const reader = new Reader(client);
  const workloads = await workloadsOf(reader, workloadResources[0], { namespace: installation });
  return configOf('ok' in workloads ? await configMapOf(reader, { name: installation, workloads }) : workloads);
}

/** Asks with what the account may; every answer is a Read. */
class Reader {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  one<T extends KubeObject>(resource: Resource<T>, namespace: string | undefined, name: string): Promise<Read<T>> {
    const where = namespace === undefined ? name : `${namespace}/${name}`;
    return read(`get ${resource.kind} ${where}`, () => this.#client.get(resource, namespace, name));
  }

  /** @param keep what to keep of an object, or undefined for nothing; default: all of it */
  async all<T extends KubeObject>(
    resource: Resource<T>,
    options: ListOptions & { most?: number } = {},
    keep: (object: T) => T | undefined = (object) => object,
  ): Promise<Read<readonly T[]>> {
    const { most = mostObjects, ...query } = options;
    let isCut = false;
    const action = `list ${resource.plural}${query.namespace === undefined ? '' : ` of namespace ${query.namespace}`}`;
    const answer = await read<readonly T[]>(action, async () => {
      const kept: T[] = [];
      let seen = 0;
      for await (const { items } of this.#client.pages(resource, query)) {
        for (const item of items) {
          const one = keep(item);
          if (one) kept.push(one);
        }
        seen += items.length;
        isCut = seen >= most;
        if (isCut) break;
      }
      return kept;
    });
    return isCut && 'ok' in answer ? { ...answer, isCut } : answer;
  }
}

async function place(reader: Reader, name: string, names: readonly string[]): Promise<Place> {
  const of = { namespace: name };
  const [deployments, sets, pods, found, slices, events, policies, quotas, kept, own] = await Promise.all([
    workloadsOf(reader, workloadResources[0], of),
    workloadsOf(reader, workloadResources[1], of),
    reader.all(podResource, of),
    reader.all(services, of),
    reader.all(endpointSlices, of),
    eventsOf(reader, name),
    reader.all(policyResource, of),
    reader.all(quotaResource, of),
    Promise.all(names.map(async (secret) => [secret, mapRead(await reader.one(secrets, name, secret), publicSecret)] as const)),
    reader.one(namespaces, undefined, name),
  ]);
  return {
    name,
    namespace: own,
    workloads: joined(deployments, sets),
    pods,
    services: found,
    endpointSlices: slices,
    events,
    networkPolicies: policies,
    quotas,
    secrets: new Map(kept),
  };
}

const workloadsOf = (reader: Reader, resource: Resource<Workload>, options: ListOptions): Promise<Read<readonly Workload[]>> =>
  reader.all(resource, options, (workload) => ({ ...workload, kind: resource.kind }));

/** What all of them have; the first that could not be read speaks for all. */
function joined<T>(...answers: Read<readonly T[]>[]): Read<readonly T[]> {
  const wrong = answers.find((answer) => !('ok' in answer));
  if (wrong) return wrong;
  const isCut = answers.some((answer) => 'isCut' in answer);
  return { ok: answers.flatMap((answer) => itemsOf(answer)), ...(isCut && { isCut }) };
}

const eventsOf = (reader: Reader, namespace: string | undefined) =>
  reader.all(eventResource, { ...(namespace && { namespace }), fieldSelector: 'type=Warning', most: mostEvents }, keptEvent);

/** What users have in a namespace. */
export const readUsers = (client: KubeClient, namespace: string): Promise<UsersObjects> => usersObjects(new Reader(client), namespace);

async function usersObjects(reader: Reader, namespace: string | undefined): Promise<UsersObjects> {
  const of = namespace === undefined ? {} : { namespace };
  const [found, known, pods, sets, owned, events, policies, quotas] = await Promise.all([
    reader.all(distributedServices, of),
    namespace === undefined ? reader.all(namespaces) : one(reader.one(namespaces, undefined, namespace)),
    reader.all<Pod>(podResource, of, keptPod),
    Promise.all(workloadResources.map((resource) => reader.all(resource, of, (workload) => keptWorkload(workload, resource.kind)))),
    reader.all<KubeObject>(secrets, { ...of, labelSelector: `${label.managedBy}=${manager}`, metadataOnly: true }),
    eventsOf(reader, namespace),
    reader.all(policyResource, of),
    reader.all(quotaResource, of),
  ]);
  return {
    services: found,
    namespaces: known,
    pods,
    workloads: joined(...sets),
    ownedSecrets: owned,
    events,
    networkPolicies: policies,
    quotas,
  };
}

const one = async <T>(answer: Promise<Read<T>>): Promise<Read<readonly T[]>> => mapRead(await answer, (value) => [value]);

/** kustomize gives it a name with a hash: the one counts that the webhooks mount. */
async function configMapOf(reader: Reader, { name, workloads }: Pick<Place, 'name' | 'workloads'>): Promise<Read<ConfigMap>> {
  if (!('ok' in workloads)) return workloads;
  const volumes = itemsOf(workloads)
    .filter(({ metadata }) => metadata.name === defaultConfig.serviceName)
    .flatMap(({ spec }) => spec?.template?.spec?.volumes ?? []);
  const mounted = volumes.flatMap(({ configMap }) => configMap?.name ?? [])[0];
  return mounted === undefined
    ? { absent: `ConfigMap that Deployment ${defaultConfig.serviceName} mounts` }
    : reader.one(configMaps, name, mounted);
}

function configOf(configMap: Read<ConfigMap>): Snapshot['config'] {
  if (!('ok' in configMap)) return configMap;
  const { metadata, data } = configMap.ok;
  try {
    return { ok: configFromText(data?.['config.yaml'] ?? '', `ConfigMap ${metadata.namespace}/${metadata.name}`) };
  } catch (error) {
    return { failed: (error as Error).message };
  }
}
