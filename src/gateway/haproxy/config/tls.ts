/** TLS of users: certificates by host, and the hosts whose TLS passes through to the backends. */
import { exactMap, hostPattern, wildcardMap } from './host-maps.ts';
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
  for (const served of all.filter(({ mode }) => mode === 'tcp'))
    for (const host of sniHosts(served)) {
      if (served.pem === undefined && served.spec.expose?.tls?.secretName !== undefined) continue;
      if (passed.has(host)) continue;
      passed.set(host, served.pem === undefined ? served.backend : streamLoop);
      if (served.pem !== undefined) streams.set(host, served.backend);
    }
  const web = all.flatMap((served) => webExposures(served).map(({ host }): [ServiceConfig, string] => [served, host]));
  const stream = all.flatMap((served) =>
    served.mode === 'tcp' ? sniHosts(served).map((host): [ServiceConfig, string] => [served, host]) : [],
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

export const sniHosts = ({ given }: ServiceConfig): string[] =>
  given.exposures.flatMap((exposure) => (exposure.kind === 'sni' && hostPattern(exposure.host) ? [exposure.host] : []));

/** A line for each certificate. The first service with a certificate has the host. */
function listOf(hosts: readonly [ServiceConfig, string][]): string {
  const owners = new Map<string, ServiceConfig>();
  for (const [served, host] of hosts) if (served.pem !== undefined && !owners.has(host)) owners.set(host, served);
  const lines = new Map<ServiceConfig, string>();
  for (const [host, served] of owners) lines.set(served, `${lines.get(served) ?? certificateFile(served)} ${host}`);
  return [...lines.values()].map((line) => `${line}\n`).join('');
}
