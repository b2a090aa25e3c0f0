/** The TypeScript types of DistributedService, computed from the schema (src/model/schema.ts), so that the two cannot differ. */
import type { specSchema, statusSchema } from './schema.ts';

/** The type of the values that a JSON schema accepts. */
export type FromSchema<S> = S extends { enum: readonly (infer E)[] }
  ? E
  : S extends { type: 'string' }
    ? string
    : S extends { type: 'integer' | 'number' }
      ? number
      : S extends { type: 'boolean' }
        ? boolean
        : S extends { type: 'array'; items: infer I }
          ? FromSchema<I>[]
          : S extends { type: 'object'; properties: infer P }
            ? FromProperties<P, S extends { required: readonly (infer R)[] } ? R : never>
            : S extends { additionalProperties: infer A }
              ? Record<string, FromSchema<A>>
              : never;

type FromProperties<P, Required> = { [K in keyof P as K extends Required ? K : never]: FromSchema<P[K]> } & {
  [K in keyof P as K extends Required ? never : K]?: FromSchema<P[K]>;
};

export type DistributedServiceSpec = FromSchema<typeof specSchema>;
export type DistributedServiceStatus = FromSchema<typeof statusSchema>;

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  generation?: number;
  resourceVersion?: string;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
}

/** A DistributedService, `frp.io/v1beta1`. */
export interface DistributedService {
  apiVersion: 'frp.io/v1beta1';
  kind: 'DistributedService';
  metadata: ObjectMeta;
  spec: DistributedServiceSpec;
  status?: DistributedServiceStatus;
}
