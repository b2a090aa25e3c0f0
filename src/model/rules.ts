/**
 * The CEL rules of the CRD, each with its twin in TypeScript. The API server runs the CEL text; the offline
 * validator runs the twin. Source of the first three texts: R2.31 to R2.33, word for word.
 */
export interface CelRule {
  /** requirement that asks for the rule */
  id: string;
  /** schema node that the rule is attached to: property names from the object's root */
  at: readonly string[];
  /** the CEL expression; `self` is the value at `at`, `oldSelf` the stored one */
  rule: string;
  message: string;
  /** field below `at` that the error names */
  fieldPath?: string;
  reason: 'FieldValueInvalid' | 'FieldValueRequired' | 'FieldValueForbidden';
  /** the twin: whether the rule holds for a value that passed the schema; `old` is undefined on creation */
  holds: (self: unknown, old: unknown) => boolean;
}

interface Fields {
  serviceType?: string;
  expose?: { domain?: string; subdomain?: string; path?: string };
  discovery?: object;
  endpoints?: unknown[];
  enabled?: boolean;
  mode?: string;
  caSecret?: string;
}

/** A twin that reads the fields of an object. */
const object =
  (holds: (self: Fields) => boolean): CelRule['holds'] =>
  (self) =>
    holds(self as Fields);

export const celRules: readonly CelRule[] = [
  {
    id: 'R2.31',
    at: ['spec'],
    rule: "self.serviceType != 'http' || (has(self.expose) && (has(self.expose.domain) || has(self.expose.path) || has(self.expose.subdomain)))",
    message: 'HTTP service must have domain or path',
    fieldPath: '.expose',
    reason: 'FieldValueRequired',
    holds: object(
      ({ serviceType, expose }) =>
        serviceType !== 'http' || expose?.domain !== undefined || expose?.path !== undefined || expose?.subdomain !== undefined,
    ),
  },
  {
    id: 'R2.32',
    at: ['spec', 'backends'],
    rule: '!(has(self.discovery) && has(self.endpoints))',
    message: 'Cannot use both discovery and manual endpoints',
    reason: 'FieldValueForbidden',
    holds: object(({ discovery, endpoints }) => discovery === undefined || endpoints === undefined),
  },
  {
    id: 'R2.33',
    at: ['spec', 'security', 'mtls'],
    rule: "!(has(self.enabled) && self.enabled && has(self.mode) && self.mode == 'manual') || has(self.caSecret)",
    message: 'Manual mTLS requires caSecret',
    fieldPath: '.caSecret',
    reason: 'FieldValueRequired',
    holds: object(({ enabled, mode, caSecret }) => enabled !== true || mode !== 'manual' || caSecret !== undefined),
  },
  {
    id: 'G-11',
    at: ['spec', 'serviceType'],
    rule: 'self == oldSelf',
    message: 'serviceType cannot change after creation; delete the service and create it anew',
    reason: 'FieldValueInvalid',
    holds: (self, old) => old === undefined || self === old,
  },
];
