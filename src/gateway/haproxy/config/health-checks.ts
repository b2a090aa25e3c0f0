/** Active health checks of a backend, through the tunnel. */
import { checkAgent, checkHost } from '../../../model/health-check.ts';
import type { DistributedServiceSpec } from '../../../model/types.ts';
import { duration, type ServiceConfig } from './service-config.ts';
import { roleCheckLines } from './roles.ts';
import { hostPattern } from './host-maps.ts';
import { healthRequest, servingResponse } from './grpc-health.ts';
import { logFormat, quote, safePath } from './escape.ts';
import { probeSocket, portsMap } from './tcp-probe.ts';

export type CheckKind = 'none' | 'tcp' | 'http' | 'https' | 'grpc';

/** Kind of check of a spec; none where it has none (the webhook adds one where it is absent). */
export function checkKind({ serviceType, loadBalancing }: DistributedServiceSpec): CheckKind {
  const check = loadBalancing?.healthCheck;
  if (!check || check.enabled === false) return 'none';
  return check.type ?? (serviceType === 'http' ? 'http' : 'tcp');
}

/** Directives of the backend's section. @param directory of the files */
export function checkLines(service: ServiceConfig, directory: string): string[] {
  const { spec, exposures } = service;
  const check = spec.loadBalancing?.healthCheck;
  const timeout = `timeout check ${Math.max(100, duration(check?.timeout, '3s'))}ms`;
  if (service.role !== undefined) return [timeout, ...roleCheckLines(service)];
  const kind = checkKind(spec);
  if (kind === 'none') return [];
  switch (kind) {
    case 'http':
    case 'https': {
      const host = checkHost(
        spec,
        exposures.filter((exposure) => 'host' in exposure && hostPattern(exposure.host)),
      );
      return [
        timeout,
        'option httpchk',
        `http-check send meth GET uri ${quote(safePath(check?.path ?? '/health'))} ver HTTP/1.1 hdr Host ${logFormat(host)} hdr User-Agent ${checkAgent}`,
        // frpc follows these; HAProxy cannot, and takes the app that sends one for alive.
        'http-check expect status 200-299,301-303,307-308',
      ];
    }
    case 'grpc':
      return [
        timeout,
        'option tcp-check',
        'tcp-check connect default',
        `tcp-check send-binary ${healthRequest()}`,
        `tcp-check expect binary ${servingResponse}`,
      ];
    case 'tcp':
      // A connection to frps succeeds although the app is dead; the prober waits whether it is closed again.
      return [
        timeout,
        'option httpchk',
        `http-check connect addr ${quote(`${directory}/${probeSocket}`)}`,
        `http-check send meth GET uri-lf "/%[srv_name,map_str(${portsMap})]"`,
        'http-check expect status 200',
      ];
  }
}
