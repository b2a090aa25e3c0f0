/** What several fields of the schema have in common. */
export const host = {
  type: 'string',
  maxLength: 253,
  minLength: 1,
} as const;

export const secretName = (description: string) =>
  ({ type: 'string', minLength: 1, maxLength: 253, pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', description }) as const;

export const port = (description: string) => ({ type: 'integer', minimum: 1, maximum: 65535, description }) as const;

export const portOrAny = (description: string) => ({ type: 'integer', minimum: 0, maximum: 65535, description }) as const;

/** Below 24 days, which is what HAProxy can count. */
export const seconds = '^([0-9]{1,6}s|[0-9]{1,4}m)$';

export const headerNames = (description: string) =>
  ({
    type: 'array',
    maxItems: 32,
    items: { type: 'string', minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$', description: 'Name of a header.' },
    description,
  }) as const;
