/**
 * The one source of DistributedService v1beta1 (docs/design/settlements.md tells how conflicts of the requirements were settled).
 * The TypeScript types, the CRD, the offline validator and the reference page are all made from this value, so it
 * is a plain structural schema as Kubernetes defines it: no `oneOf`, every string and list bounded.
 */
import { advanced } from './schema/advanced.ts';
import { backends } from './schema/backends.ts';
import { expose } from './schema/expose.ts';
import { loadBalancing } from './schema/load-balancing.ts';
import { metrics } from './schema/metrics.ts';
import { routes } from './schema/routes.ts';
import { security } from './schema/security.ts';

export { statusSchema } from './schema/status.ts';

export const specSchema = {
  type: 'object',
  description: 'What is exposed, which backends serve it, and how traffic reaches them.',
  required: ['serviceType', 'backends'],
  properties: {
    serviceType: {
      type: 'string',
      enum: ['http', 'tcp', 'udp', 'grpc'],
      description: 'Protocol of the service. It cannot change after creation.',
    },
    backends,
    expose,
    loadBalancing,
    security,
    advanced,
    metrics,
    gateway: {
      type: 'boolean',
      description:
        'true: through the gateway. false: through the plain frp server. Default: the gateway, where the installation has one. After a change its Pods must be restarted.',
    },
    routes,
  },
} as const;
