/** The objects of a bundle, of a Snapshot. */
import { inspectCertificate, splitBundle } from '../../certs/inspect.ts';
import { mapRead, unread, valueOf } from '../diagnose/read.ts';
import type { PublicSecret, Webhooks } from '../diagnose/shapes.ts';
import type { Place, Snapshot } from '../diagnose/snapshot.ts';
import { programVersion } from '../version.ts';
import type { Bundle } from './bundle.ts';
import { bundledPod, bundledWorkload } from './objects.ts';
import { addressesIn } from './redact-text.ts';

/** Fields that have addresses of the cluster. */
const addressFields = new Set([
  'podIP',
  'podIPs',
  'ip',
  'hostIP',
  'hostIPs',
  'clusterIP',
  'clusterIPs',
  'externalIPs',
  'addresses',
  'address',
  'cidr',
]);

/** Addresses of what is in the cluster, and of the configuration; who else is in a text is a user. */
export function knownAddresses({ address, installation, gateway, pods, services, config }: Snapshot): Set<string> {
  const places = [installation, gateway].flatMap((place) => [place.pods, place.services, place.endpointSlices, place.networkPolicies]);
  const found = [address, JSON.stringify(valueOf(config) ?? '')];
  const look = (value: unknown, isAddress: boolean): void => {
    if (typeof value === 'string') found.push(isAddress ? value : '');
    else if (Array.isArray(value)) for (const each of value) look(each, isAddress);
    else if (typeof value === 'object' && value !== null)
      for (const [key, each] of Object.entries(value)) look(each, addressFields.has(key));
  };
  for (const answer of [...places, pods, services]) look(valueOf<unknown>(answer), false);
  return new Set(found.flatMap(addressesIn));
}

export function addObjects(bundle: Bundle, snapshot: Snapshot): void {
  const { installation, gateway, crd, configMap } = snapshot;
  addVersions(bundle, snapshot);
  bundle.addRead('configuration.json', 'configuration of the installation, with defaults', snapshot.config);
  bundle.addRead(
    'objects/configmap.json',
    'metadata of the ConfigMap that it is in',
    mapRead(configMap, ({ metadata }) => ({ metadata })),
  );
  const definition = mapRead(crd, ({ metadata, spec, status }) => ({
    metadata,
    versions: spec?.versions?.map(({ name, served, storage }) => ({ name, served, storage })),
    status,
  }));
  bundle.addRead('objects/crd.json', 'versions and conditions of the CustomResourceDefinition', definition);
  bundle.addRead(
    'objects/webhooks-mutating.json',
    'mutating webhooks of the cluster',
    mapRead(snapshot.mutating, (all) => all.map(bundledWebhooks)),
  );
  bundle.addRead(
    'objects/webhooks-validating.json',
    'validating webhooks of the cluster',
    mapRead(snapshot.validating, (all) => all.map(bundledWebhooks)),
  );
  bundle.addRead('objects/roles.json', 'ClusterRoles of the installation', snapshot.roles);
  bundle.addRead('objects/bindings.json', 'ClusterRoleBindings of the installation', snapshot.bindings);
  bundle.addRead('objects/lease.json', 'who leads among the controllers', snapshot.lease);
  addPlace(bundle, 'objects/installation', installation);
  addPlace(bundle, 'objects/gateway', gateway);
  const workloads = mapRead(snapshot.workloads, (all) => all.map(bundledWorkload));
  bundle.addRead('objects/namespaces.json', 'namespaces', snapshot.namespaces);
  bundle.addRead('objects/distributedservices.json', 'DistributedServices with their status', snapshot.services);
  bundle.addRead(
    'objects/pods.json',
    'Pods with a sidecar or an annotation of frp.io',
    mapRead(snapshot.pods, (all) => all.map(bundledPod)),
  );
  bundle.addRead('objects/workloads.json', 'workloads with an annotation of frp.io', workloads);
  bundle.addRead('objects/owned-secrets.json', 'metadata of the Secrets that the controller made', snapshot.ownedSecrets);
  bundle.addRead('objects/events.json', 'Warnings', snapshot.events);
  bundle.addRead('objects/networkpolicies.json', 'NetworkPolicies', snapshot.networkPolicies);
  bundle.addRead('objects/quotas.json', 'ResourceQuotas', snapshot.quotas);
}

function addVersions(bundle: Bundle, { at, server, installation, gateway }: Snapshot): void {
  const pods = [installation, gateway].flatMap((place) => valueOf(place.pods) ?? []);
  const images = pods.flatMap(({ spec }) => (spec?.containers ?? []).flatMap(({ image }) => image ?? []));
  bundle.addValue('versions.json', 'of this program, the cluster, and the images of the installation', {
    program: programVersion,
    node: process.version,
    at: new Date(at).toISOString(),
    server: valueOf(server),
    images: [...new Set(images)],
  });
  const why = unread(server);
  if (why !== undefined) bundle.missing.push(`versions.json, of the cluster: ${why}`);
}

function addPlace(bundle: Bundle, at: string, place: Place): void {
  const of = `of namespace ${place.name}`;
  bundle.addRead(
    `${at}/workloads.json`,
    `Deployments and StatefulSets ${of}`,
    mapRead(place.workloads, (all) => all.map(bundledWorkload)),
  );
  bundle.addRead(
    `${at}/pods.json`,
    `Pods ${of}`,
    mapRead(place.pods, (all) => all.map(bundledPod)),
  );
  bundle.addRead(`${at}/services.json`, `Services ${of}`, place.services);
  bundle.addRead(`${at}/endpointslices.json`, `EndpointSlices ${of}`, place.endpointSlices);
  bundle.addRead(`${at}/networkpolicies.json`, `NetworkPolicies ${of}`, place.networkPolicies);
  bundle.addRead(`${at}/quotas.json`, `ResourceQuotas ${of}`, place.quotas);
  bundle.addRead(`${at}/events.json`, `Warnings ${of}`, place.events);
  for (const [name, answer] of place.secrets)
    bundle.addRead(`${at}/secrets/${name}.json`, `Secret ${place.name}/${name}: its keys and certificates`, mapRead(answer, bundledSecret));
}

function bundledSecret({ metadata, type, keys, certificates }: PublicSecret) {
  return { metadata, type, keys, certificates: Object.fromEntries(Object.entries(certificates).map(([key, pem]) => [key, factsOf(pem)])) };
}

function factsOf(pem: string) {
  try {
    return splitBundle(pem).map((each) => {
      const { notBefore, notAfter } = inspectCertificate(each) as { notBefore?: number; notAfter: number };
      return {
        ...(notBefore !== undefined && { notBefore: new Date(notBefore).toISOString() }),
        notAfter: new Date(notAfter).toISOString(),
      };
    });
  } catch (error) {
    return [(error as Error).message];
  }
}

/** Which authority the API server trusts is compared by `check`; here its size is enough. */
const bundledWebhooks = ({ metadata, webhooks }: Webhooks) => ({
  metadata,
  webhooks: webhooks?.map(({ clientConfig, ...rest }) => ({
    ...rest,
    clientConfig: {
      ...clientConfig,
      caBundle: clientConfig.caBundle === undefined ? undefined : `${clientConfig.caBundle.length} characters`,
    },
  })),
});
