/**
 * A service with several ports, as one service for each: HAProxy checks, balances and fails over each port by itself. Their
 * names have a colon, so none is another service's.
 */
import { namedPorts, portKey } from '../../model/ports.ts';
import type { DistributedService } from '../../model/types.ts';

export interface PortService {
  /** as the user wrote it: whose Secrets, endpoints and members there are */
  whole: DistributedService;
  /** what HAProxy serves; `whole` itself where it has one port */
  service: DistributedService;
}

export function portServicesOf(whole: DistributedService): PortService[] {
  const { metadata, spec } = whole;
  const ports = namedPorts(spec);
  if (ports === undefined) return [{ whole, service: whole }];
  return ports.map((port) => ({
    whole,
    service: {
      ...whole,
      metadata: { ...metadata, name: portKey(metadata.name, port.name) },
      spec: { ...spec, expose: { ...spec.expose, ports: [port] } },
    },
  }));
}
