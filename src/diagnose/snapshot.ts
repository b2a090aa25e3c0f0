/** Everything that `check`, `explain` and `status` look at, read once and with read rights alone, as one value. */
import type { Config } from '../config/schema.ts';
import type { ClusterService, ConfigMap, EndpointSlice, KubeObject, Lease } from '../kube/types.ts';
import type { DistributedService } from '../model/types.ts';
import type { Read } from './read.ts';
import type { Binding, Definition, KubeEvent, NetworkPolicy, Pod, PublicSecret, Quota, Role, Webhooks, Workload } from './shapes.ts';

export interface ServerVersion {
  gitVersion: string;
  major: string;
  minor: string;
}

/** What is in a namespace of the installation. */
export interface Place {
  name: string;
  namespace: Read<KubeObject>;
  /** Deployments and StatefulSets */
  workloads: Read<readonly Workload[]>;
  pods: Read<readonly Pod[]>;
  services: Read<readonly ClusterService[]>;
  endpointSlices: Read<readonly EndpointSlice[]>;
  events: Read<readonly KubeEvent[]>;
  networkPolicies: Read<readonly NetworkPolicy[]>;
  quotas: Read<readonly Quota[]>;
  /** those that the program knows by name, without their private parts; one that is not there is absent */
  secrets: ReadonlyMap<string, Read<PublicSecret>>;
}

export interface Snapshot {
  /** milliseconds since the epoch, by the clock of this machine, when reading began */
  at: number;
  /** URL of the API server */
  address: string;
  /** of users' objects: those of this namespace alone, or of all */
  namespace: string | undefined;
  server: Read<ServerVersion>;
  crd: Read<Definition>;
  /** every configuration of the cluster: others may undo what ours did */
  mutating: Read<readonly Webhooks[]>;
  validating: Read<readonly Webhooks[]>;
  roles: Read<readonly Role[]>;
  bindings: Read<readonly Binding[]>;
  installation: Place;
  gateway: Place;
  /** ConfigMap of the installation; which one its Deployments mount */
  configMap: Read<ConfigMap>;
  /** what is in it */
  config: Read<Config>;
  /** of the leading controller */
  lease: Read<Lease>;
  namespaces: Read<readonly KubeObject[]>;
  services: Read<readonly DistributedService[]>;
  /** Pods with a sidecar, and Pods with an annotation of ours */
  pods: Read<readonly Pod[]>;
  /** Deployments, StatefulSets and DaemonSets with an annotation of ours, on themselves or on their template */
  workloads: Read<readonly Workload[]>;
  /** Secrets that the controller made, in any namespace: metadata alone */
  ownedSecrets: Read<readonly KubeObject[]>;
  /** Warnings, of namespaces with services, newest last */
  events: Read<readonly KubeEvent[]>;
  networkPolicies: Read<readonly NetworkPolicy[]>;
  quotas: Read<readonly Quota[]>;
}

/** What users have, of one namespace or of all. */
export type UsersObjects = Pick<
  Snapshot,
  'services' | 'namespaces' | 'pods' | 'workloads' | 'ownedSecrets' | 'events' | 'networkPolicies' | 'quotas'
>;

/** What it takes to say why a workload makes no Pods. */
export type Around = Pick<Snapshot, 'services' | 'namespaces' | 'workloads' | 'events' | 'quotas' | 'config'> & {
  installation: Pick<Place, 'name'>;
};
