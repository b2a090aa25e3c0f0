/** TLS of users: certificates by host, and the hosts whose TLS passes through to the backends. */
import { exactMap, hostPattern, wildcardMap } from './host-maps.ts';
import { endsTls } from '../../../model/users-certificate.ts';
import type { ServiceConfig } from './service-config.ts';
import { webExposures } from './routes.ts';

/** Lists of certificates by server name (crt-list): for HTTP, and for other protocols. */
export const webList = 'certs/web.list';
export const streamList = 'certs/stream.list';
/** Backends of TLS that passes through, and of other protocols whose TLS ends here, by server name. */
export const sniMap = 'maps/sni.map';
export const sniWildcardsMap = 'maps/sni-wildcards.map';
export const streamsMap = 'maps/streams.map';
export const streamWildcardsMap = 'maps/stream-wildcards.map';

export const certificateFile = ({ id }: ServiceConfig): string => `certs/${id}.pem`;
/** Backend that leads TLS of the hosts of `streams.map` to where it ends. */
export const streamLoop = 'frp-streams';

/** The lists and maps of every service's hosts. */
export function tlsFiles(all: readonly ServiceConfig[]): [string, string][] {
  const passed = new Map<string, string>();
  const streams = new Map<string, string>();
  for (const service of all.filter(({ mode }) => mode === 'tcp'))
    for (const host of sniHosts(service)) {
      if (service.pem === undefined && endsTls(service.spec)) continue;
      if (passed.has(host)) continue;
      passed.set(host, service.pem === undefined ? service.backend : streamLoop);
      if (service.pem !== undefined) streams.set(host, service.backend);
    }
  const web = all.flatMap((service) => webExposures(service).map(({ host }): [ServiceConfig, string] => [service, host]));
  const stream = all.flatMap((service) =>
    service.mode === 'tcp' ? sniHosts(service).map((host): [ServiceConfig, string] => [service, host]) : [],
  );
  return [
    [webList, listOf(web)],
    [streamList, listOf(stream)],
    [sniMap, exactMap(passed)],
    [sniWildcardsMap, wildcardMap(passed)],
    [streamsMap, exactMap(streams)],
    [streamWildcardsMap, wildcardMap(streams)],
  ];
}

export const sniHosts = ({ exposures }: ServiceConfig): string[] =>
  exposures.flatMap((exposure) => (exposure.kind === 'sni' && hostPattern(exposure.host) ? [exposure.host] : []));

/** A line for each certificate. The first service with a certificate has the host. */
function listOf(hosts: readonly [ServiceConfig, string][]): string {
  const owners = new Map<string, ServiceConfig>();
  for (const [service, host] of hosts) if (service.pem !== undefined && !owners.has(host)) owners.set(host, service);
  const lines = new Map<ServiceConfig, string>();
  for (const [host, service] of owners) lines.set(service, `${lines.get(service) ?? certificateFile(service)} ${host}`);
  return [...lines.values()].map((line) => `${line}\n`).join('');
}
