/** frpc's configuration for one group of one Pod (requirements §C, mapping; frp pkg/config/v1). */
import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.ts';
import { exposuresOf, type Exposure } from '../model/exposure.ts';
import type { DistributedService, DistributedServiceSpec } from '../model/types.ts';
import { Template, toFrpJson } from './template.ts';
import { bandwidthLimit, seconds } from './units.ts';
import type { Tuning } from './tuning.ts';

export const configDirectory = '/etc/frp';
export const configPath = `${configDirectory}/frpc.json`;
export const certificateDirectory = `${configDirectory}/certs`;

export interface ClientConfigInput {
  service: DistributedService;
  /** namespace of the Pod */
  namespace: string;
  /** port of the app in the Pod */
  localPort: number;
  tuning: Tuning;
  logLevel: string;
}

/**
 * The text of frpc's configuration file. Templates in it read POD_NAME, POD_UID and FRP_GROUP_KEY from the
 * environment; nothing that a user wrote is evaluated.
 */
export function renderClientConfig(input: ClientConfigInput, config: Config): string {
  // localhost and not 127.0.0.1: an app may listen on IPv6 only.
  const target = { ...input, localIP: 'localhost', member: [{ env: 'POD_NAME' }, '.', { env: 'POD_UID' }] };
  const proxies = exposuresOf(input.service.spec, config.baseDomain).map((exposure) => proxyOf(exposure, target));
  return toFrpJson({ ...clientSettings(input, config), proxies });
}

/** Everything but the proxies. */
export function clientSettings({ tuning, logLevel }: Pick<ClientConfigInput, 'tuning' | 'logLevel'>, { frps }: Config): object {
  return {
    serverAddr: frps.address,
    serverPort: frps.port,
    loginFailExit: false,
    log: { level: logLevel, disablePrintColor: true },
    transport: {
      ...tuning,
      tcpMux: true,
      // A server that is gone without a word is noticed in 15 s instead of 40 s (facts, "Failover").
      tcpMuxKeepaliveInterval: 5,
      tls: {
        enable: true,
        certFile: `${certificateDirectory}/tls.crt`,
        keyFile: `${certificateDirectory}/tls.key`,
        trustedCaFile: `${certificateDirectory}/ca.crt`,
        serverName: frps.serverName ?? frps.address,
      },
    },
  };
}

export interface ProxyTarget {
  service: DistributedService;
  /** namespace of the service */
  namespace: string;
  localIP: string;
  localPort: number;
  /** the end of the proxy's name: who the member is */
  member: Template['parts'];
}

/** One proxy, a member of the service's group for that exposure. */
export function proxyOf(exposure: Exposure, { service, namespace, localIP, localPort, member }: ProxyTarget): object {
  const { spec, metadata } = service;
  const agreed = agreement(exposure);
  return {
    name: new Template(`${namespace}.${metadata.name}.${agreed}.`, ...member),
    localIP,
    localPort,
    ...endpointOf(exposure),
    // frp has no groups for udp, and ignores the field (facts, "Groups").
    loadBalancer:
      exposure.kind === 'udp'
        ? undefined
        : { group: `${namespace}/${metadata.name}/${agreed}`, groupKey: new Template({ env: 'FRP_GROUP_KEY' }) },
    healthCheck: exposure.kind === 'udp' ? undefined : healthCheckOf(spec),
    transport: bandwidthOf(spec),
  };
}

function endpointOf(exposure: Exposure): object {
  switch (exposure.kind) {
    case 'http':
      return { type: 'http', customDomains: [exposure.host], locations: [exposure.path] };
    case 'sni':
      return { type: 'https', customDomains: [exposure.host] };
    case 'tcp':
    case 'udp':
      return { type: exposure.kind, remotePort: exposure.port };
  }
}

/** Hash of what all members of an frp group must agree on, so that a changed exposure coexists with the old one. */
function agreement(exposure: Exposure): string {
  return createHash('sha256')
    .update(JSON.stringify(endpointOf(exposure)))
    .digest('hex')
    .slice(0, 8);
}

/** frp checks by tcp and http only; https and grpc become tcp (facts, "Health checks"). */
function healthCheckOf({ serviceType, loadBalancing }: DistributedServiceSpec): object | undefined {
  const check = loadBalancing?.healthCheck;
  if (!check || check.enabled === false) return undefined;
  const kind = check.type ?? (serviceType === 'http' ? 'http' : 'tcp');
  return {
    ...(kind === 'http' ? { type: 'http', path: check.path ?? '/health' } : { type: 'tcp' }),
    intervalSeconds: seconds(check.interval ?? '10s'),
    timeoutSeconds: seconds(check.timeout ?? '3s'),
    maxFailed: check.failureThreshold ?? 3,
  };
}

function bandwidthOf({ advanced }: DistributedServiceSpec): object | undefined {
  const bandwidth = advanced?.bandwidth;
  if (bandwidth?.limit === undefined) return undefined;
  return { bandwidthLimit: bandwidthLimit(bandwidth.limit), bandwidthLimitMode: bandwidth.mode ?? 'client' };
}
