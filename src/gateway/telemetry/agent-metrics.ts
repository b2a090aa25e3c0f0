/** The agent's own metrics; those of traffic are in traffic-metrics.ts. */
import { collectDefaultMetrics, Counter, Gauge, type Registry } from '@prometheus-io/client';
import { inspectCertificate, splitBundle } from '../../../certs/inspect.ts';
import { splitPartKey } from '../../model/pools.ts';
import type { RefusalReason } from '../admission/refusals.ts';
import type { ServedService, View } from '../ir/ir.ts';
import type { Member } from '../members/members.ts';
import type { TunnelMaterial } from '../ir/tunnel-trust.ts';

/** Seconds since 1970; a certificate is looked into once. */
const expiries = new WeakMap<ServedService, number | undefined>();

export interface Observed {
  /** what users are served; undefined: nothing yet */
  view: () => View | undefined;
  /** one for each tunnel; of services (namespace/name) */
  members: () => Iterable<Pick<Member, 'service' | 'backendId'>>;
  tunnel: () => TunnelMaterial | undefined;
}

export class GatewayMetrics {
  readonly #refusals: Counter<'reason'>;

  constructor(registry: Registry, { members, view, tunnel }: Observed) {
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
    const users: Gauge<'namespace' | 'name'> = new Gauge({
      name: 'frp_gateway_users_certificate_expiry_timestamp_seconds',
      help: 'When the certificate that users of a service are shown expires, in seconds since 1970',
      labelNames: ['namespace', 'name'],
      registers,
      collect: () => {
        users.reset();
        for (const service of view()?.services ?? []) {
          const at = expiryOf(service);
          const { namespace = '', name } = service.service.metadata;
          if (at !== undefined) users.set({ namespace, name: splitPartKey(name)[0] }, at);
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

function expiryOf(service: ServedService): number | undefined {
  if (!expiries.has(service)) expiries.set(service, service.certificate === undefined ? undefined : endOf(service.certificate));
  return expiries.get(service);
}

/** Of one that cannot be read there is none: its service's status says so. */
function endOf(pem: string): number | undefined {
  try {
    return inspectCertificate(pem).notAfter / 1000;
  } catch {
    return undefined;
  }
}
