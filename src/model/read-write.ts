/** `spec.backends.readWrite`: a primary and its replicas, each role at a port of its own. */
import type { DistributedServiceSpec } from './types.ts';

export type Role = 'primary' | 'replica';

/** A spec that may come from anywhere. */
type Read = Partial<Pick<DistributedServiceSpec, 'serviceType' | 'backends'>>;

/** Port and paths at which a backend tells its role; undefined where the service has no roles. Defaults: Patroni's. */
export function roleCheckOf({ serviceType, backends }: Read): { port: number; paths: Readonly<Record<Role, string>> } | undefined {
  const readWrite = serviceType === 'tcp' ? backends?.readWrite : undefined;
  if (!readWrite) return undefined;
  const { port = 8008, primaryPath = '/primary', replicaPath = '/replica' } = readWrite.roleCheck ?? {};
  return { port, paths: { primary: primaryPath, replica: replicaPath } };
}

/** Port of users that leads to a role; undefined where the service has no roles. */
export function rolePortOf({ backends }: Read, role: Role): number | undefined {
  const readWrite = backends?.readWrite;
  return role === 'primary' ? readWrite?.writePort : readWrite?.readPort;
}
