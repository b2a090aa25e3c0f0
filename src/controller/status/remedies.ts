/** What a person can do about backends that are missing or unhealthy: it depends on where the service has them from. */
import { connectorName } from '../../model/names.ts';
import type { DistributedService } from '../../model/types.ts';

type Source = 'pods' | 'endpoints' | 'dns' | 'selector';

function sourceOf({ spec: { backends } }: DistributedService): Source {
  if (backends.endpoints !== undefined) return 'endpoints';
  const mode = backends.discovery?.mode ?? 'auto';
  return mode === 'auto' ? 'pods' : mode;
}

/** How a service that has no backend gets one (R1.36, R2.10, R2.11). */
export function howToGetBackends(service: DistributedService): string {
  switch (sourceOf(service)) {
    case 'pods':
      return 'annotate Pods of this namespace with frp.io/group';
    case 'endpoints':
      return 'list hosts in spec.backends.endpoints that have an address';
    case 'dns':
      return `let ${service.spec.backends.discovery?.name ?? `${service.metadata.name}.${service.metadata.namespace}.svc`} resolve to addresses, or name another host in spec.backends.discovery.name`;
    case 'selector':
      return 'start Pods in this namespace that match spec.backends.discovery.selector, or correct the selector';
  }
}

/** Where the reason is to be found that backends are not healthy. */
export function whereToLook(service: DistributedService): string {
  const connector = `Deployment ${connectorName(service.metadata.name)}`;
  switch (sourceOf(service)) {
    case 'pods':
      return 'see the logs of their frpc containers';
    case 'endpoints':
    case 'dns':
      return `see the logs of ${connector}, which dials them`;
    case 'selector':
      return `see the logs of their frpc containers; those that have none are dialled by ${connector}`;
  }
}
