/** What lets a service be served that cannot be as it is written. */
import type { Config } from '../config/schema.ts';
import { usesGateway } from '../model/gateway.ts';
import { unservable } from '../model/plainmode.ts';
import type { DistributedService, DistributedServiceSpec } from '../model/types.ts';
import { patchOf } from './shell.ts';

/** The command that merges a change into the spec of a service. */
export const patching = ({ metadata: { namespace, name } }: DistributedService, spec: object): string =>
  `kubectl -n ${namespace} patch dsvc ${name} --type=merge ${patchOf({ spec })}`;

/** @param reason of ConfigurationValid=False, or of a refused Pod @returns undefined where nothing is known to mend it */
export function servingRemedy(service: DistributedService, reason: string, config: Config): string | undefined {
  switch (reason) {
    case 'GatewayRequired':
    case 'UdpNeedsPlainServer':
      return otherWay(service, config);
    case 'HostConflict':
      return otherHost(service);
    default:
      return undefined;
  }
}

/** Through the gateway where it goes by the plain frp server, and the other way round, if it can be served so. */
function otherWay(service: DistributedService, config: Config): string | undefined {
  const { gateway: _, ...open } = service.spec;
  const isGateway = usesGateway(service.spec, config);
  const others: [DistributedServiceSpec, object][] = [
    [open, { gateway: null }],
    [{ ...open, gateway: !isGateway }, { gateway: !isGateway }],
  ];
  const served = others.find(([spec]) => usesGateway(spec, config) !== isGateway && unservable(spec, config) === undefined);
  return served && patching(service, served[1]);
}

/** A host beside the one that another service has: app.example.com becomes app-NAMESPACE.example.com. */
function otherHost(service: DistributedService): string | undefined {
  const { domain } = service.spec.expose ?? {};
  if (typeof domain !== 'string') return undefined;
  const dot = domain.indexOf('.');
  const [first, rest] = [domain.slice(0, dot), domain.slice(dot)];
  const { namespace = '', name } = service.metadata;
  if (dot < 1 || first === '*') return undefined;
  const host = [`${first}-${namespace}`, `${first}-${namespace}-${name}`].find((each) => each.length <= 63 && each !== first);
  return host && patching(service, { expose: { domain: `${host}${rest}` } });
}
