/** The CustomResourceDefinition of DistributedService, built from the schema and the rules (R2.03 to R2.06). */
import { group, kind, plural, version } from './names.ts';
import { celRules, type CelRule } from './rules.ts';
import { specSchema, statusSchema } from './schema.ts';

/** A node of a structural schema, as far as this program builds and reads them. */
export interface SchemaNode {
  type?: string;
  description?: string;
  properties?: Record<string, SchemaNode>;
  required?: readonly string[];
  items?: SchemaNode;
  additionalProperties?: SchemaNode;
  default?: unknown;
  enum?: readonly unknown[];
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
  maxProperties?: number;
  'x-kubernetes-validations'?: Omit<CelRule, 'id' | 'at' | 'holds'>[];
}

/** The `openAPIV3Schema` of the CRD: what the API server, the offline validator and the reference page go by. */
export function openApiSchema(): SchemaNode {
  const root: SchemaNode = {
    type: 'object',
    description: 'A service whose replicas are reached through frp tunnels, wherever they run.',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: `Always ${group}/${version}.` },
      kind: { type: 'string', description: `Always ${kind}.` },
      metadata: { type: 'object' },
      // A copy, because the rules are added to it.
      spec: structuredClone<SchemaNode>(specSchema),
      status: structuredClone<SchemaNode>(statusSchema),
    },
  };
  for (const { id: _id, at, holds: _holds, ...validation } of celRules) {
    const node = at.reduce<SchemaNode | undefined>((parent, name) => parent?.properties?.[name], root);
    if (!node) throw new Error(`rule on ${at.join('.')}: the schema has no such field`);
    (node['x-kubernetes-validations'] ??= []).push(validation);
  }
  return root;
}

export function customResourceDefinition() {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { plural, singular: 'distributedservice', kind, listKind: `${kind}List`, shortNames: ['ds', 'dsvc'] },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: [
            { name: 'Type', type: 'string', jsonPath: '.spec.serviceType' },
            { name: 'Backends', type: 'integer', jsonPath: '.status.activeBackends' },
            { name: 'State', type: 'string', jsonPath: '.status.state' },
            { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
            { name: 'Total', type: 'integer', jsonPath: '.status.totalBackends', priority: 1 },
            { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
            // The last one: a long URL pushes no other column out of sight.
            { name: 'Endpoint', type: 'string', jsonPath: '.status.externalEndpoint' },
          ],
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.backends.replicas',
              statusReplicasPath: '.status.activeBackends',
              labelSelectorPath: '.status.selector',
            },
          },
          schema: { openAPIV3Schema: openApiSchema() },
        },
      ],
    },
  };
}
