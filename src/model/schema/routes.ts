/** `spec.routes`: several groups behind one exposure (R1.29, R2.52). */
export const routes = {
  type: 'array',
  maxItems: 64,
  description:
    'Sends part of the requests to other DistributedServices of the namespace. The first route that matches decides; without one the own backends answer. Needs the gateway.',
  items: {
    type: 'object',
    required: ['groups'],
    description: 'One route: it matches where all of its conditions do.',
    properties: {
      path: {
        type: 'string',
        minLength: 1,
        maxLength: 1024,
        pattern: '^/[a-zA-Z0-9\\-_/.]*\\*?$',
        description: 'Path and what is below it, by whole segments; a final `/*` is the same.',
      },
      headers: {
        type: 'object',
        maxProperties: 16,
        additionalProperties: { type: 'string', maxLength: 1024 },
        description: 'Headers that the request must have, with exactly these values.',
      },
      groups: {
        type: 'array',
        maxItems: 16,
        description: 'Where the requests go.',
        items: {
          type: 'object',
          required: ['name'],
          description: 'One group.',
          properties: {
            name: {
              type: 'string',
              minLength: 1,
              maxLength: 63,
              pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
              description:
                'Name of a DistributedService of the same namespace and kind of traffic; the own name stands for the own backends.',
            },
            weight: { type: 'integer', minimum: 0, maximum: 1000, default: 1, description: 'Share of the requests of this route.' },
          },
        },
      },
    },
  },
} as const;
