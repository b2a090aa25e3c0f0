/** The agent's own metrics; those of traffic are in traffic-metrics.ts. */
import { collectDefaultMetrics, Counter, Gauge, type Registry } from '@prometheus-io/client';
import { inspectCertificate, splitBundle } from '../../../certs/inspect.ts';
import type { RefusalReason } from '../admission/refusals.ts';
import type { Member } from '../members/members.ts';
import type { TunnelMaterial } from '../ir/tunnel-trust.ts';

export interface Observed {
  /** one for each tunnel; of services (namespace/name) */
  members: () => Iterable<Pick<Member, 'service' | 'backendId'>>;
  tunnel: () => TunnelMaterial | undefined;
}

export class GatewayMetrics {
  readonly #refusals: Counter<'reason'>;

  constructor(registry: Registry, { members, tunnel }: Observed) {
    collectDefaultMetrics({ register: registry });
    const registers = [registry];
    this.#refusals = new Counter({
      name: 'frp_gateway_refusals_total',
      help: 'Logins and proxies of sidecars that were refused, by reason',
      labelNames: ['reason'],
      registers,
    });
    const count: Gauge<'namespace' | 'name'> = new Gauge({
      name: 'frp_gateway_members',
      help: 'Backends that are connected to this replica, by service',
      labelNames: ['namespace', 'name'],
      registers,
      collect: () => {
        count.reset();
        const backends = new Map([...members()].map(({ service, backendId }) => [`${service} ${backendId}`, service]));
        for (const service of backends.values()) {
          const [namespace = '', name = ''] = service.split('/');
          count.inc({ namespace, name });
        }
      },
    });
    const expiry: Gauge<'certificate'> = new Gauge({
      name: 'frp_gateway_certificate_expiry_timestamp_seconds',
      help: 'When the certificate that the tunnels are served with expires, and the first of the authorities of clients, in seconds since 1970',
      labelNames: ['certificate'],
      registers,
      collect: () => {
        expiry.reset();
        const material = tunnel();
        if (!material) return;
        expiry.set({ certificate: 'server' }, inspectCertificate(material.serverPem).notAfter / 1000);
        const ends = splitBundle(material.clientCaPem).map((pem) => inspectCertificate(pem).notAfter);
        expiry.set({ certificate: 'client-ca' }, Math.min(...ends) / 1000);
      },
    });
  }

  refused(reason: RefusalReason): void {
    this.#refusals.inc({ reason });
  }
}
