/** How a finding names a service, and takes up what the controller has said of it. */
import { kind } from '../model/names.ts';
import type { DistributedService } from '../model/types.ts';
import type { ObjectName } from './finding.ts';

export const objectOf = ({ metadata }: DistributedService): ObjectName => ({ kind, namespace: metadata.namespace, name: metadata.name });
export const describeIt = ({ metadata }: DistributedService): string => `kubectl -n ${metadata.namespace} describe dsvc ${metadata.name}`;

/** A command in a message of the controller's: what follows the first "kubectl" up to the end of the clause. */
export function commandIn(message: string): string | undefined {
  // "made by frp-k8s for this service" is none.
  const found = /(?:kubectl|frp-k8s (?:check|explain|gateway|join|revoke|rotate|uninstall)) [^;`]+/.exec(message)?.[0].trim();
  return found?.endsWith('.') || found?.endsWith(')') ? found.slice(0, -1) : found;
}
