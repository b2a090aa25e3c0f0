/** `spec.backends`: where the backends are. */
import { host, port } from './parts.ts';

const rolePath = (role: string, example: string) =>
  ({
    type: 'string',
    minLength: 1,
    maxLength: 1024,
    pattern: '^/[!-~]*$',
    default: example,
    description: `Path that answers 200 of the ${role}, and another status of everybody else.`,
  }) as const;

const readWrite = {
  type: 'object',
  required: ['writePort', 'readPort'],
  description:
    'The backends are a primary and its replicas: one port leads to the primary, another one to the replicas. They are told apart by what each says of itself over HTTP. Needs the gateway, and serviceType tcp.',
  properties: {
    writePort: port('Port of the gateway that leads to the primary.'),
    readPort: port('Port of the gateway that leads to the replicas; to the primary while there is none.'),
    roleCheck: {
      type: 'object',
      description:
        "Where a backend tells its role, as Patroni's REST API does: asked by each replica of the gateway, in the place of the health check, with its interval and thresholds.",
      properties: {
        port: { ...port('Port of the Pod or the endpoint that answers over HTTP.'), default: 8008 },
        primaryPath: rolePath('primary', '/primary'),
        replicaPath: rolePath('replicas', '/replica'),
      },
    },
  },
} as const;

export const backends = {
  type: 'object',
  description: 'Where the backends are: either `discovery` (Pods, DNS names) or `endpoints` (a fixed list), never both.',
  properties: {
    replicas: {
      type: 'integer',
      minimum: 0,
      maximum: 100,
      default: 1,
      description:
        'Number of connector Pods for backends that are not annotated Pods (default 1). Above 1 only where there is a connector.',
    },
    discovery: {
      type: 'object',
      description: 'Backends that are found rather than listed.',
      properties: {
        mode: {
          type: 'string',
          enum: ['auto', 'selector', 'dns'],
          default: 'auto',
          description:
            '`auto`: Pods that carry the annotation frp.io/group. `selector`: Pods that match `selector`. `dns`: addresses behind a DNS name.',
        },
        selector: {
          type: 'object',
          description: 'Kubernetes label selector, for mode `selector`.',
          properties: {
            matchLabels: {
              type: 'object',
              maxProperties: 64,
              additionalProperties: { type: 'string', maxLength: 63 },
              description: 'Labels that a Pod must have.',
            },
            matchExpressions: {
              type: 'array',
              maxItems: 32,
              description: 'Label requirements that a Pod must meet, all of them.',
              items: {
                type: 'object',
                required: ['key', 'operator'],
                description: 'One label requirement.',
                properties: {
                  key: { type: 'string', minLength: 1, maxLength: 317, description: 'Label key.' },
                  operator: {
                    type: 'string',
                    enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'],
                    description: 'How the label relates to `values`.',
                  },
                  values: {
                    type: 'array',
                    maxItems: 64,
                    items: { type: 'string', maxLength: 63, description: 'A label value.' },
                    description: 'Label values, for In and NotIn.',
                  },
                },
              },
            },
          },
        },
        namespace: {
          ...host,
          maxLength: 63,
          pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
          description: "Namespace of the backends. Only the service's own namespace is accepted.",
        },
        name: {
          ...host,
          pattern: '^[A-Za-z0-9._-]+$',
          description: 'DNS name to resolve in mode `dns`. Default: <name>.<namespace>.svc.',
        },
        port: port('Port of the backends, where the Pod does not say it by annotation.'),
      },
    },
    endpoints: {
      type: 'array',
      maxItems: 256,
      description: 'Manually specified backends.',
      items: {
        type: 'object',
        required: ['host', 'port'],
        description: 'One backend.',
        properties: {
          host: { ...host, pattern: '^[A-Za-z0-9._:-]+$', description: 'Host name or IP address.' },
          port: port('Port.'),
          weight: {
            type: 'integer',
            minimum: 1,
            maximum: 1000000,
            default: 1,
            description: 'Share of the traffic for algorithm `weighted`.',
          },
          metadata: {
            type: 'object',
            maxProperties: 64,
            additionalProperties: { type: 'string', maxLength: 1024 },
            description: 'Free-form labels of the backend.',
          },
        },
      },
    },
    readWrite,
  },
} as const;
